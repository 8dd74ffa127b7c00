"""Rules in a real agent: made by the command line, set off by its own measurements, and told of once across a kill -9."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.desk import Desk
from tests.nvml_sim import Simulator

pytestmark = [pytest.mark.end2end]

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: {name}\nwhen: {when}\nthen:\n{then}"
NOTIFY = "- notify: [desktop]\n"
ALWAYS = "{metric: system.memory.usage, device: host, above: 1}"  # bytes: it holds on every machine that runs this


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    desk.json("settings", "show", "ui.theme")
    yield desk
    desk.stop()


def made(desk: Desk, folder: Path, name: str, when: str, then: str) -> dict:
    file = folder / f"{name}.yaml"
    file.write_text(HEAD.format(name=name, when=when, then=then))
    return desk.json("rules", "create", str(file))


def program(tmp_path: Path, lines: str) -> Path:
    """Return a program of this user's in a folder that nobody else may write."""
    path = Path.home() / f".mlops-desk-test-{os.getpid()}-{tmp_path.name}"
    path.write_text(f"#!/bin/sh\n{lines}\n")
    path.chmod(0o700)
    return path


def kill_agent(desk: Desk) -> None:
    os.kill(desk.json("agent", "status")["pid"], signal.SIGKILL)


def test_a_command_in_whose_midst_the_agent_is_killed_is_not_run_again(desk: Desk, tmp_path: Path) -> None:
    told = tmp_path / "told"
    run = program(tmp_path, f"cat >> {told}; echo >> {told}; sleep 20")
    try:
        desk.json("settings", "set", "notify.command", str(run))
        made(desk, tmp_path, "tell", ALWAYS, "- notify: [command]\n")
        desk.wait(told.exists, bool, 30)
        kill_agent(desk)
        found = desk.wait(lambda: desk.json("rules", "firings"), lambda all_: all_[0]["state"] != "intended", 240)
        assert [one["state"] for one in found] == ["unknown"]
        assert "not run again" in found[0]["steps"][0]["text"]
        lines = told.read_text().splitlines()
        assert len(lines) == 1
        assert json.loads(lines[0])["rule"] == "tell"
    finally:
        run.unlink()


def test_new_files_in_a_folder_fire_once_and_what_was_there_does_not(desk: Desk, tmp_path: Path) -> None:
    data = tmp_path / "data-set"
    data.mkdir()
    (data / "old.csv").write_text("1\n")
    made(desk, tmp_path, "fresh", f"{{newData: {data}}}", "- notify: [desktop]\n")
    desk.wait(lambda: seen(desk), bool, 240)
    kill_agent(desk)
    assert desk.json("rules", "firings") == []
    (data / "new.csv").write_text("2\n")
    desk.wait(lambda: desk.json("rules", "firings"), lambda found: len(found) == 1, 240)
    kill_agent(desk)
    desk.wait(lambda: desk.json("rules", "show", "fresh"), lambda rule: rule["firings"], 240)
    assert len(desk.json("rules", "firings")) == 1


def seen(desk: Desk) -> int:
    """Return how many folders and repositories the agent has looked at."""
    import sqlite3

    with sqlite3.connect(f"file:{desk.folder / 'state.db'}?mode=ro", uri=True) as found:
        return found.execute("SELECT count(*) FROM rule_sights WHERE parent != ''").fetchone()[0]


def test_a_row_that_comes_fires_once_and_an_alert_lives_over_a_kill(desk: Desk, tmp_path: Path) -> None:
    import sqlite3

    place = tmp_path / "orders.db"
    with sqlite3.connect(place) as rows:
        rows.execute("CREATE TABLE orders (id INTEGER)")
        rows.execute("INSERT INTO orders VALUES (9)")
    made(
        desk, tmp_path, "rows", f"{{newRows: 'sqlite:///{place}', table: orders, column: id}}", "- notify: [desktop]\n"
    )
    made(desk, tmp_path, "used", ALWAYS, "- {alert: warning, text: It is used}\n")
    desk.wait(lambda: seen(desk), bool, 240)
    (alert,) = desk.wait(lambda: desk.json("alerts", "list", "--rule", "used", "--state", "unseen"), bool, 240)
    kill_agent(desk)
    with sqlite3.connect(place) as rows:
        rows.execute("INSERT INTO orders VALUES (10)")
    desk.wait(lambda: desk.json("rules", "show", "rows"), lambda rule: rule["firings"], 240)
    assert [one["id"] for one in desk.json("alerts", "list", "--rule", "used")] == [alert["id"]], "the same one goes on"
    kill_agent(desk)
    desk.json("rules", "remove", "used")
    desk.wait(lambda: desk.json("alerts", "list", "--state", "ended", "--rule", "used"), bool, 240)
    assert len(desk.json("rules", "show", "rows")["firings"]) == 1


@pytest.mark.nvml
def test_a_gpu_that_a_rule_names_by_its_index_is_judged_by_the_next_agent_too(tmp_path: Path) -> None:
    simulator = Simulator(tmp_path, "system driver=580.95.05 cuda=12.2\ngpus 2 model=h100\ngpu * util=3\n", "current")
    desk = Desk(tmp_path / "data", {**simulator.environment, "MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
    try:
        desk.wait(lambda: desk.json("gpus", "list"), len)
        idle = made(desk, tmp_path, "idle", "{metric: hw.gpu.utilization, of: gpu1, below: 0.05}", NOTIFY)
        assert idle["missing"] == []
        assert made(desk, tmp_path, "slip", "{metric: hw.gpu.utilization, of: gpu7, below: 0.05}", NOTIFY)["missing"]
        show = lambda: desk.json("rules", "show", "idle")["standings"]  # noqa: E731 - of two uses
        holds = lambda standings: [one["holds"] for one in standings] == [True]  # noqa: E731 - likewise
        desk.wait(show, holds)
        desk.run("agent", "stop")
        desk.wait(show, holds)
        assert len(desk.json("rules", "show", "idle")["firings"]) == 1, "it held all the while"
    finally:
        desk.stop()
