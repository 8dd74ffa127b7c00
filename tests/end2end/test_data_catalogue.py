"""The catalogue on a real agent and a real MLflow store; rules and retention on a real gateway's log."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.governance.data.catalogue import DataSighting, KnownData
from mlops_desk.governance.data.desk_files import desk_files
from mlops_desk.governance.data.redaction import RedactionHouse
from mlops_desk.governance.data.retention import RetentionHouse
from mlops_desk.governance.data.service import DataHouse, DataService
from mlops_desk.governance.records.data.catalogue import DataKind, DataPlace
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.request_log.layout import hour_folder
from mlops_desk.kit.storage.state import State
from tests.end2end.desk import Desk
from tests.end2end.endpoint_house import BODY, House, ask, open_house
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [
    {"name": "old", "start_time": 1, "params": {}, "metrics": {"auc": 0.9}, "datasets": ["table"]},
    {"name": "new", "start_time": 2, "params": {}, "metrics": {"auc": 0.9}, "datasets": ["table"]},
]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    yield desk
    desk.stop()


def until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def shown(desk: Desk, name: str) -> dict:
    until(lambda: desk.json("data", "show", name)["brief"]["state"] != "looking")
    return desk.json("data", "show", name)


def test_data_sets_of_runs_and_registered_ones_are_known_both_ways_and_go_into_evidence(
    desk: Desk, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    versions = [{"name": "churn", "run": "old"}, {"name": "churn", "run": "new"}]
    populate(uri, experiment="e", runs=RUNS, versions=versions, artifact_location=str(tmp_path / "files"))
    desk.json("settings", "set", "registry.uri", uri)
    (brief,) = desk.json("data", "list")
    assert (brief["name"], brief["kind"], brief["state"], brief["is_registered"]) == (
        "table",
        "mlflow",
        "unknown",
        False,
    )
    found = desk.json("data", "show", "table")
    assert {(one["kind"], one["name"]) for one in found["users"] if one["kind"] == "model"} == {
        ("model", "churn/1"), ("model", "churn/2")
    }  # fmt: skip
    assert sum(one["kind"] == "run" for one in found["users"]) == 2
    desk.json("data", "update", "table", "--licence", "CC0", "--personal", "yes", "--data-owner", "Ann")
    (use,) = desk.json("data", "uses", "churn/1")
    assert (use["dataset"], use["traits"]["licence"], use["traits"]["personal"]) == ("table", "CC0", "yes")
    out = tmp_path / "churn.zip"
    desk.json("evidence", "build", "churn/1", str(out))
    with zipfile.ZipFile(out) as archive:
        (told,) = json.loads(archive.read("data.json"))
    assert (told["dataset"], told["traits"]["licence"], told["traits"]["personal"]) == ("table", "CC0", "yes")
    assert desk.json("evidence", "verify", str(out))["intact"] is True


def test_a_folder_is_hashed_seen_to_change_and_to_go_and_never_fine_where_nobody_could_look(
    desk: Desk, tmp_path: Path
) -> None:
    folder = tmp_path / "rows"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.csv").write_text("age,plan\n1,gold\n2,iron\n")
    (folder / "deep/b.csv").write_text("age,plan\n3,gold\n")
    desk.json("data", "register", "rows", "--path", str(folder))
    first = shown(desk, "rows")
    assert (first["brief"]["state"], first["brief"]["files"], first["brief"]["kind"]) == ("same", 2, "folder")
    assert [(one["name"], one["kind"]) for one in first["columns"]] == [("age", "numeric"), ("plan", "categorical")]
    desk.json("data", "check", "rows")
    assert [shown(desk, "rows")["brief"][one] for one in ("state", "sha256")] == ["same", first["brief"]["sha256"]]
    desk.json("data", "register", "again", "--path", str(folder))
    assert shown(desk, "again")["brief"]["sha256"] == first["brief"]["sha256"], "the name is no part of the hash"
    (folder / "a.csv").write_text("age,plan\n1,gold\n2,iron\n4,gold\n")
    desk.json("data", "check", "rows")
    changed = shown(desk, "rows")
    assert (changed["brief"]["state"], len(changed["versions"])) == ("changed", 2)
    os.mkfifo(folder / "pipe")
    desk.json("data", "check", "rows")
    unknown = shown(desk, "rows")
    assert (unknown["brief"]["state"], len(unknown["versions"])) == ("unknown", 2)
    (folder / "pipe").unlink()
    for path in (folder / "deep/b.csv", folder / "a.csv"):
        path.unlink()
    (folder / "deep").rmdir()
    folder.rmdir()
    desk.json("data", "check", "rows")
    assert shown(desk, "rows")["brief"]["state"] == "gone"
    desk.stop()
    assert shown(desk, "rows")["brief"]["state"] == "gone", "the next agent knows it"
    desk.json("data", "forget", "rows")
    other = desk.run("data", "show", "rows", check=False)
    assert (other.returncode, "no data set rows" in other.stderr) == (1, True)
    verbs = {one["verb"] for one in desk.json("audit", "list")}
    assert {"data.register", "data.check", "data.forget"} <= verbs


def test_a_dvc_file_names_data_that_are_not_looked_at(desk: Desk, tmp_path: Path) -> None:
    file = tmp_path / "rows.csv.dvc"
    file.write_text("outs:\n- md5: 0123456789abcdef.dir\n  size: 999\n  nfiles: 7\n  path: rows\n")
    desk.json("data", "register", "rows", "--path", str(file))
    found = shown(desk, "rows")
    assert [found["brief"][one] for one in ("kind", "digest", "size_bytes", "files")] == [
        "dvc", "md5:0123456789abcdef.dir", 999, 7
    ]  # fmt: skip


# -- on a gateway ---------------------------------------------------------------------------------------


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.service.start()
        yield built


@pytest.fixture
def data(house: House, tmp_path: Path) -> Iterator[DataService]:
    state, loop, service = State(tmp_path / "catalogue.db"), Loop("catalogue"), house.service
    root, endpoints = house.folder.root, house.folder.endpoints
    log = DataPlace(DataKind.LOG, endpoint="front")
    made = DataService(
        DataHouse(lambda: KnownData((DataSighting("front/requests", log),)), lambda *_: pytest.fail("no look"), str, lambda: 30.0),
        RetentionHouse(root, lambda: desk_files(root, endpoints, root / "pipelines"), lambda: ((), ())),
        RedactionHouse(
            service.show, lambda name, rows: service.requests(name, limit=rows), service.written_log,
            service.redaction_key, service.apply_redaction, lambda _name: (),
        ),
        state.data,
        loop,
    )  # fmt: skip
    service.follow_redaction(made.columns_of)
    yield made
    loop.stop(5.0)
    state.close()


def everywhere(house: House) -> bytes:
    folder = house.folder.endpoints / "front/requests"
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_rules_hold_from_the_next_request_on_and_then_for_what_was_logged_before(
    house: House, data: DataService
) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    assert ask(house.service.show("front")).status_code == 200
    house.wait(lambda: len(house.service.requests("front")) == 2)
    assert data.preview("front", {"city": "mask"}).values[0].after == "***"
    assert data.redact("front", {"city": "hash"}).is_in_force is not None
    house.wait(lambda: house.service._switchboard.gatekeeper.is_in_force)  # a busy one follows late, and says so
    assert ask(house.service.show("front")).status_code == 200
    house.wait(lambda: len(house.service.requests("front")) == 4)
    rows = house.service.requests("front")
    newest, oldest = {one.inputs["city"] for one in rows[:2]}, {one.inputs["city"] for one in rows[2:]}
    assert oldest == {"Bonn", "Ulm"}, "what was logged stays until it is rewritten"
    assert len(newest) == 2
    assert all(word.startswith("h:") for word in newest)
    plan = data.rewriting("front")
    assert (plan.files, plan.values) == (1, {"city": 2})
    done = data.rewrite("front", plan.token)
    assert (done.files, done.rows, done.left) == (1, 2, ())
    assert {one.inputs["city"] for one in house.service.requests("front")} == newest, "the same value, the same word"
    assert data.rewriting("front").files == 0
    assert b"Bonn" not in everywhere(house)
    assert [one.inputs["a"] for one in house.service.requests("front")] == [
        row["a"] for row in BODY["dataframe_records"]
    ] * 2


def test_a_retention_takes_old_hours_and_none_of_today(house: House, data: DataService) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    assert ask(house.service.show("front")).status_code == 200
    house.wait(lambda: len(house.service.requests("front")) == 2)
    folder = house.folder.endpoints / "front/requests"
    (part,) = folder.glob("*/*/requests-*.parquet")
    old = folder / "2026-01-02/03/requests-1767322800000.parquet"
    old.parent.mkdir(parents=True)
    old.write_bytes(part.read_bytes())
    plan = data.retention(days=0.0)
    assert [one.path for one in plan.items] == [str(old.relative_to(house.folder.root))]
    assert data.retain(plan.token, days=0.0).files == 1
    assert not old.exists()
    assert part.exists()


# -- faults ---------------------------------------------------------------------------------------------


def workers_of(module: str, desk: Desk) -> list[int]:
    """Return the workers of one agent: other tests have theirs on this machine."""
    agent = str(desk.json("agent", "status")["pid"])
    found = []
    for place in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if place.name.isdigit() and module.encode() in (place / "cmdline").read_bytes():
                parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
                found += [int(place.name)] if parent == agent else []
    return found


def test_a_look_whose_disk_hangs_holds_nobody_up_and_ends_when_it_is_not_wanted(desk: Desk, tmp_path: Path) -> None:
    big = tmp_path / "big.bin"
    with big.open("wb") as file:
        file.truncate(1 << 40)  # holes: hashing them takes hours, and no room
    desk.json("data", "register", "big", "--path", str(big))
    until(lambda: (desk.json("data", "show", "big")["progress"] or {}).get("size_bytes", 0) > 0)
    (worker,) = workers_of("rules.pipeline.hashing", desk)
    os.kill(worker, signal.SIGSTOP)  # as one that waits for a disk
    assert desk.json("data", "list")[0]["state"] == "looking"
    assert desk.json("data", "update", "big", "--licence", "MIT")["brief"]["traits"]["licence"] == "MIT"
    desk.json("data", "cancel", "big")
    until(lambda: desk.json("data", "show", "big")["brief"]["state"] == "unknown")
    assert not Path(f"/proc/{worker}").exists()
    assert desk.json("data", "show", "big")["versions"] == []


def test_an_agent_that_is_killed_while_it_deletes_leaves_whole_files_and_the_rest_is_shown_again(
    desk: Desk, tmp_path: Path
) -> None:
    log = tmp_path / "data/endpoints/front/requests"
    desk.json("data", "list")
    first = 1_767_322_800
    for hour in range(60):
        folder = hour_folder(log, first + hour * 3600)
        folder.mkdir(parents=True)
        for number in range(50):
            stamp = (first + hour * 3600) * 1000 + number
            (folder / f"requests-{stamp}.parquet").write_bytes(b"x" * 100)
    mine = tmp_path / "mine.parquet"
    mine.write_bytes(b"mine")
    (log / "2026-01-02/03/mine.parquet").symlink_to(mine)
    plan = desk.json("data", "retention", "--days", "1")
    assert plan["files"] == 3000
    pid = desk.json("agent", "status")["pid"]
    words = ["data", "retain", plan["token"], "--days", "1"]
    command, environment = [sys.executable, "-m", "mlops_desk", *words], desk.whole_environment()
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as asked:
        until(lambda: asked.poll() is not None or len(list(log.glob("*/*/requests-*"))) < 3000)
        os.kill(pid, signal.SIGKILL)
    left = sorted(log.glob("*/*/requests-*.parquet"))
    assert all(path.stat().st_size == 100 for path in left)
    again = desk.json("data", "retention", "--days", "1")
    assert again["files"] == len(left)
    if left:
        stale = desk.run("data", "retain", plan["token"], "--days", "1", check=False)
        assert (stale.returncode, "is not what was shown" in stale.stderr) == (1, True)
    assert desk.json("data", "retain", again["token"], "--days", "1")["files"] == len(left)
    assert [path.name for path in log.rglob("*.parquet")] == ["mine.parquet"]
    assert mine.read_bytes() == b"mine"
    told = [one for one in desk.json("audit", "list") if one["verb"] == "data.retain"]
    assert any(plan["token"] in one["arguments"] for one in told), "what broke off is in the audit"
