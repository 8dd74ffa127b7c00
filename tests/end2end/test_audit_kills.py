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

from mlops_desk.base.disk.paths import DataFolder
from tests.end2end.desk import Desk
from tests.end2end.registry_populate import populate

pytestmark = [pytest.mark.end2end]

RUNS = [{"name": "old", "start_time": 1}, {"name": "new", "start_time": 2}]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path / "data", {"MLOPS_DESK_LEASE_DIR": str(tmp_path / "leases")})
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


def found(desk: Desk, verb: str) -> list[dict[str, Any]]:
    return [entry for entry in desk.json("audit") if entry["verb"] == verb]


def told(desk: Desk) -> list[str]:
    return [entry["title"] for entry in desk.json("events") if entry["title"].startswith("The agent stopped during")]


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
    killed_during(desk, point, "settings", "set", "ui.theme", "dark")
    assert desk.json("settings", "show", "ui.theme")["value"] == theme
    entries = found(desk, "settings.set")
    assert [entry["state"] for entry in entries] == ([] if state is None else [state])
    if state == "unknown":
        (entry,) = entries
        assert (entry["outcome"], entry["error"]) == (None, None)
        assert entry["why"] == "The agent stopped during it."
        assert '"dark"' in entry["arguments"]
        assert entry["at"] <= entry["ended_at"]
        line = next(line for line in desk.run("audit").stdout.splitlines() if "settings.set" in line)
        assert "outcome unknown" in line
        assert "done" not in line
        assert "failed" not in line
    assert len(told(desk)) == (1 if state == "unknown" else 0)
    # One more agent finds nothing new to say.
    desk.json("agent", "stop")
    assert found(desk, "settings.set") == entries
    assert len(told(desk)) == (1 if state == "unknown" else 0)


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
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    versions = [{"name": "churn", "run": "old"}, {"name": "churn", "run": "new"}]
    populate(uri, experiment="e", runs=RUNS, versions=versions, artifact_location=str(tmp_path / "files"))
    move = ("models", "promote", "churn", "--alias", "champion", "--uri", uri, "--version")
    desk.json(*move, "1")
    killed_during(desk, point, *move, "2")
    assert desk.json("models", "show", "churn", "--uri", uri)["aliases"] == {"champion": version}
    history = desk.json("models", "history", "churn", "--uri", uri)
    assert [(one["from"], one["to"]) for one in history] == moves
    assert all(one["who"] for one in history), "also what was made right before the end was made by us"
    assert [entry["state"] for entry in found(desk, "models.promote")] == ["unknown", "ended"]
