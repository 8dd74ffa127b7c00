"""The agent as a process: started by whoever needs it, one for each folder, ended cleanly whatever hangs."""

import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import Reference, ReferenceKind, Source, SourceKind
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.storage.state import State
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from tests.end2end import agent_modules
from tests.end2end.desk import PATIENCE_SECONDS, Desk
from tests.unit.kit.storage.damage import fill_state

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data")
    yield desk
    desk.stop()


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give an agent that goes on from test to test, for those that neither end it nor need an empty folder."""
    desk = Desk(tmp_path_factory.mktemp("standing") / "data")
    yield desk
    desk.stop()


def agents_of(folder: Path) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if str(folder) in words and "agent" in words:
            found.append(process)
    return found


def test_fifty_simultaneous_starts_give_one_agent(desk: Desk) -> None:
    environment = {**os.environ, "MLOPS_DESK_DATA_DIR": str(desk.folder)}
    command = [sys.executable, "-m", "mlops_desk", "agent", "status", "--json"]
    starters = [
        subprocess.Popen(
            [sys.executable, "-m", "mlops_desk", "--data-dir", str(desk.folder), "agent"],
            env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )
        for _ in range(50)
    ]  # fmt: skip
    desk.wait(
        lambda: json.loads(subprocess.run(command, env=environment, capture_output=True, check=True).stdout),
        lambda answer: answer["running"],
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while sum(starter.poll() is None for starter in starters) > 1 and time.monotonic() < deadline:
        time.sleep(0.2)
    assert sum(starter.poll() is None for starter in starters) == 1
    assert {starter.returncode for starter in starters} == {0, None}
    desk.stop()
    for starter in starters:
        starter.wait(240)


def test_sigterm_ends_the_agent(desk: Desk) -> None:
    desk.json("jobs", "list")
    pid = desk.json("agent", "status")["pid"]
    os.kill(pid, signal.SIGTERM)
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.02)
    assert desk.json("agent", "status")["running"] is False


def test_nothing_listens_on_the_network_and_scipy_is_not_loaded_until_it_is_needed(standing: Desk) -> None:
    standing.json("status")
    pid = standing.json("agent", "status")["pid"]
    assert "/numpy/" in (loaded := Path(f"/proc/{pid}/maps").read_text())
    assert "/scipy/" not in loaded, "it takes a fifth of an agent's start"
    processes = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    listening = [c for p in processes for c in p.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN]
    assert listening == []


def test_an_agent_with_nothing_to_do_has_few_threads(standing: Desk) -> None:
    """All that repeats shares one: what begins or hangs has one for itself, and gives it back."""
    standing.json("jobs", "list")
    agent = psutil.Process(standing.json("agent", "status")["pid"])
    assert standing.wait(agent.num_threads, lambda threads: threads <= 15) <= 15


def test_errors_are_json_on_stderr_and_exit_1(standing: Desk) -> None:
    done = standing.run("jobs", "show", "nothing", "--json", check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert set(json.loads(done.stderr)) == {"error", "hint", "command"}


def test_a_change_is_in_the_audit_trail(standing: Desk) -> None:
    standing.json("settings", "set", "drift.window_rows", "700")
    newest = standing.json("audit")[0]
    assert (newest["verb"], newest["uid"], newest["error"]) == ("settings.set", os.getuid(), None)
    assert json.loads(newest["before"])["value"] != json.loads(newest["outcome"])["value"] == 700
    assert "700" in newest["arguments"]


def test_the_audit_trail_tells_how_an_alert_rule_was(standing: Desk) -> None:
    was = standing.json("alerts", "rule", "gpu_temperature")
    standing.json("alerts", "configure", "gpu_temperature", "--threshold", "7")
    newest = standing.json("audit")[0]
    assert (newest["verb"], newest["error"]) == ("alerts.configure", None)
    assert json.loads(newest["before"]) == was
    assert json.loads(newest["outcome"]) == standing.json("alerts", "rule", "gpu_temperature")
    assert standing.json("alerts", "rule", "gpu_temperature")["threshold"] == 7


def test_a_damaged_state_database_is_kept_and_the_agent_starts(desk: Desk) -> None:
    desk.json("jobs", "list")
    desk.json("agent", "stop")
    (desk.folder / "state.db").write_bytes(os.urandom(20_000))
    assert desk.json("jobs", "list") == []
    assert list(desk.folder.glob("state.db.damaged-*"))


def test_an_emptied_state_beside_old_jobs_is_told_and_a_backup_brings_them_back(desk: Desk) -> None:
    desk.folder.mkdir(mode=0o700)
    fill_state(desk.folder / "state.db", 30)
    for number in range(30):
        (desk.folder / "jobs" / f"job{number:04}").mkdir(parents=True)
    assert len(desk.json("jobs", "list")) == 30
    (made,) = desk.wait(lambda: desk.json("agent", "restore", "--list"), bool)
    desk.json("agent", "stop")
    (desk.folder / "state.db").write_bytes(b"")
    assert "30 jobs are not known any more" in desk.run("status").stdout
    assert "30 jobs are not known any more" in json.dumps(desk.json("events", "list"))
    check = next(check for check in desk.json("doctor") if check["name"] == "records")
    fix = "mlops-desk agent restore --list"
    assert (check["state"], check["fix"]) == ("problem", fix)
    refused = desk.run("agent", "restore", "no-such", "--json", check=False)
    assert "no backup" in json.loads(refused.stderr)["error"]
    assert desk.json("agent", "status")["running"], "no agent is ended for a name that was mistyped"
    done = desk.json("agent", "restore", made["name"])
    assert (done["restored"], done["stopped"]) == (made["name"], True)
    assert Path(done["kept_as"]).exists()
    assert len(desk.json("jobs", "list")) == 30
    assert desk.json("agent", "status")["note"] is None


def test_doctor_and_status_tell_the_same_free_space(standing: Desk) -> None:
    def told() -> tuple[float, float]:
        text = next(check["text"] for check in standing.json("doctor") if check["name"] == "data folder")
        found = re.search(r"([0-9.]+) GiB free", text)
        assert found is not None, text
        status = standing.wait(lambda: standing.json("status"), lambda answer: answer["filesystems"])
        mounts = {each["mount"]: each["metrics"] for each in status["filesystems"]}
        mine = max((mount for mount in mounts if standing.folder.is_relative_to(mount)), key=len, default=None)
        facts = os.statvfs(standing.folder)  # where the root is no mount, as in a chroot, status does not list it
        available = mounts[mine]["system.filesystem.available"]["value"] if mine else facts.f_bavail * facts.f_frsize
        return float(found[1]), available / 2**30

    standing.wait(told, lambda pair: abs(pair[0] - pair[1]) < 0.5)  # others write gigabytes meanwhile, but not always
    line = next(line for line in standing.run("status").stdout.splitlines() if line.startswith("Filesystems"))
    assert re.search(r"% full, [0-9.]+ GiB free", line)


def test_an_agent_that_is_told_to_end_while_it_starts_ends_and_the_next_one_starts(desk: Desk) -> None:
    for after_seconds in (0.3, 0.6, 0.9, 1.2, 1.6):
        command = [sys.executable, "-m", "mlops_desk", "--data-dir", str(desk.folder), "agent"]
        with subprocess.Popen(command, env=desk.whole_environment(), stderr=subprocess.DEVNULL) as agent:
            time.sleep(after_seconds)
            agent.terminate()
            agent.wait(240)
        assert not list(desk.folder.glob("*damaged*"))
    assert desk.json("jobs", "list") == []


def test_why_an_agent_does_not_start_is_told_in_its_own_words(desk: Desk) -> None:
    desk.json("jobs", "list")
    desk.json("agent", "stop")
    with closing(sqlite3.connect(desk.folder / "state.db")) as database, database:
        database.execute("UPDATE alembic_version SET version_num = 's9999'")
    refused = desk.run("status", "--json", check=False)
    assert refused.returncode == 1
    assert "written by a newer MLOps Desk" in json.loads(refused.stderr)["error"]
    assert "newer version" in json.loads(refused.stderr)["hint"]


def test_a_folder_that_can_not_be_made_is_told_plainly(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Desk(tmp_path / "file" / "data").run("jobs", "list", "--json", check=False)
    assert done.returncode == 1
    assert "can't be made" in json.loads(done.stderr)["error"]


def test_without_a_screen_the_window_offers_status(desk: Desk) -> None:
    desk.environment = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
    done = desk.run(check=False)
    assert done.returncode == 1
    assert "mlops-desk status" in done.stderr


def test_the_socket_is_private(desk: Desk) -> None:
    desk.json("jobs", "list")
    folder = Path(os.environ["XDG_RUNTIME_DIR"]) / "mlops-desk"
    sockets = [path for path in folder.iterdir() if path.is_socket()]
    assert sockets
    for path in sockets:
        assert path.stat().st_mode & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(str(path))


def test_nothing_in_the_data_folder_is_for_others(desk: Desk) -> None:
    before = os.umask(0o022)
    try:
        desk.json("--demo", "jobs", "list")  # makes the parent of its folder
        desk.json("jobs", "list")
        desk.json("status")
        desk.json("--demo", "agent", "stop")
    finally:
        os.umask(before)
    wide = [path for path in (desk.folder, *desk.folder.rglob("*")) if path.stat().st_mode & 0o077]
    # What a container is to read is mounted into it and readable there, and leases are made for all users of a
    # machine (the demo keeps its own here); the folders above keep others out.
    meant = {"in", "leases"}
    assert [str(path) for path in wide if meant.isdisjoint(path.relative_to(desk.folder).parts[:5])] == []
    assert {path.name for path in wide}.isdisjoint({"data", "demo", "state.db", "telemetry.db"})


def test_an_agent_whose_socket_went_with_a_session_is_found_again_and_ends_when_told(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as short:
        runtime = Path(short) / "user"
        runtime.mkdir(mode=0o700)
        desk = Desk(tmp_path / "data", {"XDG_RUNTIME_DIR": str(runtime)})
        assert desk.json("jobs", "list") == []
        pid = desk.json("agent", "status")["pid"]
        shutil.rmtree(runtime)
        runtime.mkdir(mode=0o700)
        assert desk.json("agent", "status")["pid"] == pid
        assert desk.json("jobs", "list") == []
        assert len(agents_of(desk.folder)) == 1
        shutil.rmtree(runtime)
        runtime.mkdir(mode=0o700)
        assert desk.json("agent", "stop") == {"stopped": True, "pid": pid}
        assert agents_of(desk.folder) == []


def test_a_folder_is_held_by_more_than_the_name_of_its_lock(desk: Desk) -> None:
    desk.json("jobs", "list")
    pid = desk.json("agent", "status")["pid"]
    (desk.folder / "agent.lock").unlink()
    command = [sys.executable, "-m", "mlops_desk", "--data-dir", str(desk.folder), "agent"]
    second = subprocess.run(
        command, env=desk.whole_environment(), capture_output=True, text=True, timeout=240, check=False
    )
    assert "An agent runs already" in second.stderr
    assert desk.json("agent", "status")["pid"] == pid
    assert [process.pid for process in agents_of(desk.folder)] == [pid]
    assert desk.json("agent", "stop")["pid"] == pid


OWN_MODULES = 620
"""Those of this program that an agent with nothing to do may have loaded; it may only get fewer."""
HEAVY = {"duckdb", "scipy", "pandas", "mlflow", "sqlparse", "pydantic", "fastapi", "pynvml", "PySide6"}
ON_DEMAND = {
    "registry": "mlops_desk.registry.service",
    "endpoints": "mlops_desk.serving.service",
    "drift": "mlops_desk.drift.monitors.service",
    "rules": "mlops_desk.automation.rules.service",
    "governance": "mlops_desk.governance.data.service",
}


@contextmanager
def telling(desk: Desk) -> Iterator[Callable[[], list[str]]]:
    """Run the agent of a folder; give what asks it for its modules, once it has sampled."""
    command = [sys.executable, "-m", agent_modules.__name__, str(desk.folder)]
    agent = subprocess.Popen(command, env=desk.whole_environment(), stderr=subprocess.DEVNULL)

    def modules() -> list[str]:
        (desk.folder / agent_modules.ASKED).touch()
        desk.wait((desk.folder / agent_modules.ASKED).exists, lambda there: not there)
        found: list[str] = json.loads((desk.folder / agent_modules.TOLD).read_text())["modules"]
        return found

    try:
        desk.wait(lambda: desk.json("agent", "status")["running"], bool)
        yield modules
    finally:
        agent.terminate()
        agent.wait(PATIENCE_SECONDS)


def test_an_agent_with_nothing_to_do_has_loaded_nothing_of_models_until_it_is_asked(desk: Desk) -> None:
    with telling(desk) as modules:
        assert desk.json("jobs", "list") == []
        loaded = modules()
        assert HEAVY & {name.partition(".")[0] for name in loaded} == set()
        assert set(ON_DEMAND.values()) & set(loaded) == set()
        assert len(agent_modules.own(loaded)) <= OWN_MODULES
        assert desk.json("endpoints", "list") == []
        assert desk.json("drift", "monitors", "list") == []
        assert [rule["name"] for rule in desk.json("rules", "list")][:1] == ["gpu_lost"]
        assert desk.json("data", "list") == []
        assert set(ON_DEMAND.values()) <= set(modules())
    with telling(desk) as modules:
        assert set(ON_DEMAND.values()) & set(modules()) == set(), "it was asked, and has nothing to do all the same"


def has_monitor(folder: DataFolder) -> None:
    state = State(folder.state_database)
    held = Reference(ReferenceKind.FILE, "/srv/trained.csv")
    state.monitors.put(Monitor("m" * 12, "exports", Source(SourceKind.FILE, "/srv/exports"), held))
    state.close()


def has_rule(folder: DataFolder) -> None:
    state = State(folder.state_database)
    state.rules.put(Rule("again", "digits", "champion", "accuracy"))
    state.close()


def has_endpoint(folder: DataFolder) -> None:
    state = State(folder.state_database)
    state.endpoints.put(Endpoint("front", EndpointState.STOPPED, None, 1, ModelRef("digits", "1", None)))
    state.close()


def has_recorded(folder: DataFolder) -> None:
    folder.registry.mkdir()
    (folder.registry / "mlflow.db").touch()


def has_frozen_data(folder: DataFolder) -> None:
    (folder.pipelines / "lists").mkdir(parents=True)
    (folder.pipelines / "lists" / "run.json").write_text("[]")


@pytest.mark.parametrize(
    ("leave", "works"),
    [
        (has_monitor, "drift"),
        (has_rule, "rules"),
        (has_endpoint, "endpoints"),
        (has_recorded, "registry"),
        (has_frozen_data, "governance"),
    ],
)
def test_what_runs_unattended_starts_with_the_agent(
    desk: Desk, leave: Callable[[DataFolder], None], works: str
) -> None:
    folder = DataFolder(desk.folder)
    folder.make()
    leave(folder)
    with telling(desk) as modules:
        assert ON_DEMAND[works] in modules()
