"""The agent is killed by -9 at each moment of a change: what was begun is known, and nobody claims how it ended.

The moments are those of ``doomed_audit``; what is asked for goes through the command line to a real agent, and the next
agent, an ordinary one, is asked what it knows.
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [{"name": "old", "start_time": 1}, {"name": "new", "start_time": 2}]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Give one data folder for all moments: the agent that is asked about one is the agent before the next one."""
    root = tmp_path_factory.mktemp("desk")
    desk = Desk(root / "data", {"MLOPS_DESK_LEASE_DIR": str(root / "leases")})
    desk.json("settings", "show", "ui.theme")
    yield desk
    desk.stop()


def killed_during(desk: Desk, point: str, *words: str) -> None:
    """Ask for something of an agent that is killed at ``point`` of it."""
    desk.json("agent", "stop")
    command = [sys.executable, "-m", "tests.end2end.doomed_audit", str(desk.folder), point]
    with subprocess.Popen(command, env=desk.whole_environment()) as doomed:
        try:
            desk.wait(DataFolder(desk.folder).socket.exists, bool)
            assert desk.run(*words, check=False).returncode != 0
            assert doomed.wait(240) == -9
        finally:
            doomed.kill()


def found(desk: Desk, verb: str, named: str) -> list[dict[str, Any]]:
    """Return what the audit has of a verb, newest first, where its arguments have ``named`` in them."""
    return [entry for entry in desk.json("audit") if entry["verb"] == verb and named in entry["arguments"]]


def told(desk: Desk) -> int:
    """Return how often it was told that an agent stopped during something; what is told again counts up."""
    return sum(one["count"] for one in desk.json("events") if one["title"].startswith("The agent stopped during"))


@pytest.mark.parametrize(
    ("point", "state", "theme"),
    [
        ("before it is begun", None, "system"),
        ("after it is begun", "unknown", "system"),
        ("before a setting is written", "unknown", "system"),
        ("after a setting is written", "unknown", "dark"),
        ("before it is ended", "unknown", "dark"),
        ("after it is ended", "ended", "dark"),
    ],
)
def test_what_a_killed_agent_had_begun_is_neither_done_nor_failed(
    desk: Desk, point: str, state: str | None, theme: str
) -> None:
    desk.json("settings", "set", "ui.theme", "system")
    before, told_before = found(desk, "settings.set", '"dark"'), told(desk)
    killed_during(desk, point, "settings", "set", "ui.theme", "dark")
    assert desk.json("settings", "show", "ui.theme")["value"] == theme
    entries = found(desk, "settings.set", '"dark"')
    new = entries[: len(entries) - len(before)]
    assert entries[len(new) :] == before, "one more agent finds nothing new to say of what was told before it"
    assert [entry["state"] for entry in new] == ([] if state is None else [state])
    if state == "unknown":
        (entry,) = new
        assert (entry["outcome"], entry["error"]) == (None, None)
        assert entry["why"] == "The agent stopped during it."
        assert entry["at"] <= entry["ended_at"]
        line = next(line for line in desk.run("audit").stdout.splitlines() if "settings.set" in line)  # the newest
        assert "outcome unknown" in line
        assert "done" not in line
        assert "failed" not in line
    assert told(desk) == told_before + (1 if state == "unknown" else 0)


def test_one_more_agent_finds_nothing_new_to_say_of_all_of_them(desk: Desk) -> None:
    entries, events = found(desk, "settings.set", '"dark"'), told(desk)
    assert {entry["state"] for entry in entries} == {"unknown", "ended"}
    desk.json("agent", "stop")
    assert found(desk, "settings.set", '"dark"') == entries
    assert told(desk) == events


@pytest.mark.parametrize(
    ("point", "version", "moves"),
    [
        ("before MLflow is asked", "1", [(None, "1")]),
        ("after MLflow answered", "2", [("1", "2"), (None, "1")]),
    ],
)
def test_a_move_that_broke_off_is_unknown_in_the_audit_and_the_history_tells_what_is_so(
    desk: Desk, tmp_path: Path, point: str, version: str, moves: list[tuple[str | None, str]]
) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"  # another store each time
    versions = [{"name": "churn", "run": "old"}, {"name": "churn", "run": "new"}]
    populate(uri, experiment="e", runs=RUNS, versions=versions, artifact_location=str(tmp_path / "files"))
    move = ("models", "promote", "churn", "--alias", "champion", "--uri", uri, "--version")
    desk.json(*move, "1")
    killed_during(desk, point, *move, "2")
    assert desk.json("models", "show", "churn", "--uri", uri)["aliases"] == {"champion": version}
    history = desk.json("models", "history", "churn", "--uri", uri)
    assert [(one["from"], one["to"]) for one in history] == moves
    assert all(one["who"] for one in history), "also what was made right before the end was made by us"
    assert [entry["state"] for entry in found(desk, "models.promote", str(tmp_path))] == ["unknown", "ended"]
