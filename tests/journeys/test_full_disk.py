"""A disk that is really full: the history is paused and nothing else, and what was sampled meanwhile is kept."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.chamber import Chamber, chamber, fill, possible
from tests.end2end.desk import Desk

pytestmark = [
    pytest.mark.end2end,
    pytest.mark.skipif(not possible() and not os.environ.get("CI"), reason="no mount namespace can be had here"),
]

MIB = 1 << 20


@pytest.fixture
def inside() -> Iterator[Chamber]:
    with chamber() as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, inside: Chamber) -> Iterator[Desk]:
    """A desk whose data folder can be mounted over."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    made = Desk(folder, prefix=inside.enter)
    yield made
    made.stop()


def rows_kept(desk: Desk, since: float) -> int:
    curve = desk.json("history", "system.memory.usage", "--device", "host", "--from", str(since), "--points", "600")
    return sum(value is not None for value in curve["mean"])


def test_a_full_disk_pauses_the_history_and_nothing_else(desk: Desk, inside: Chamber) -> None:
    inside.small_disk(desk.folder, 3 * MIB)
    began = desk.wait(lambda: desk.json("status"), lambda told: told["sampled_at"])["sampled_at"]
    disk = inside.path(desk.folder)
    desk.wait(lambda: (disk / "telemetry.db-wal").stat().st_size, lambda size: size > 0)
    desk.json("settings", "set", "drift.window_rows", "500")
    filler = fill(disk)
    status = desk.wait(lambda: desk.json("status"), lambda told: "paused" in (told["agent"]["note"] or ""))
    assert "full" in status["agent"]["note"] or "I/O" in status["agent"]["note"]
    assert status["agent"]["sampling"] == "ok"
    assert "The history is paused" in desk.run("status").stdout
    told = [entry for entry in desk.json("events", "list") if "history" in entry["title"]]
    assert [entry["level"] for entry in told] == ["alert"]
    at = desk.json("status")["sampled_at"]
    desk.wait(lambda: desk.json("status"), lambda told: told["sampled_at"] > at)  # sampling goes on
    refused = desk.run("settings", "set", "drift.window_rows", "600", "--json", check=False)
    assert refused.returncode == 1
    assert "full" in json.loads(refused.stderr)["error"]
    assert json.loads(refused.stderr)["hint"]
    filler.unlink()
    desk.wait(lambda: desk.json("status"), lambda told: told["agent"]["note"] is None)
    assert "written again" in json.dumps(desk.json("events", "list"))
    # The refused change is in the audit trail too, which waited for the disk.
    desk.wait(lambda: desk.json("audit"), lambda told: any("600" in entry["arguments"] for entry in told))
    seconds = desk.json("status")["sampled_at"] - began
    desk.json("agent", "stop")
    assert rows_kept(desk, began) >= 0.75 * seconds, "what was sampled while the disk was full is kept"
    values = {item["key"]: item["value"] for item in desk.json("settings", "list")}
    assert values["drift.window_rows"] == 500
    assert not list(disk.glob("*damaged*"))
