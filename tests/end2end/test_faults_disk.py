"""A disk that is really full, and a home that is really read-only: said plainly, survived, and nothing stored is lost."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.end2end.chamber import Chamber, chamber, fill, possible
from tests.end2end.desk import Desk
from tests.end2end.window_screen import window

pytestmark = [
    pytest.mark.end2end,
    pytest.mark.skipif(not possible() and not os.environ.get("CI"), reason="no mount namespace can be had here"),
]

MIB = 1 << 20
ROOT = Path(__file__).resolve().parents[2]


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


def test_an_agent_does_not_start_on_a_full_disk_and_leaves_everything_as_it_is(desk: Desk, inside: Chamber) -> None:
    inside.small_disk(desk.folder, 3 * MIB)
    desk.json("settings", "set", "drift.window_rows", "500")
    desk.json("agent", "stop")
    disk = inside.path(desk.folder)
    before = sorted(path.name for path in disk.iterdir())
    filler = fill(disk)
    refused = desk.run("status", "--json", check=False)
    assert refused.returncode == 1
    said = json.loads(refused.stderr)
    assert f"The disk of {desk.folder}" in said["error"]
    assert "is full" in said["error"]
    assert "Free some space" in said["hint"]
    filler.unlink()
    assert sorted(path.name for path in disk.iterdir()) == before
    assert [entry["verb"] for entry in desk.json("audit")] == ["agent.shutdown", "settings.set"]


_ENDS_ON_A_FULL_DISK = """
import sys
from dataclasses import replace
from pathlib import Path
from mlops_desk.kit.base.disk.reserve import Reserve
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.storage.database import DiskFull
from mlops_desk.kit.storage.state import State
from tests.end2end.chamber import fill

folder = Path(sys.argv[1])
state, reserve = State(folder / "state.db"), Reserve(folder, 2 << 20)
assert reserve.keep()
state.jobs.make_room = reserve.give_up
job = Job("j1", "train", JobState.RUNNING, JobSpec("train", "image"), 1.0, 0, "me")
state.jobs.put(job)
fill(folder)
told = ""
for number in range(10_000):  # until the journal would have to grow
    try:
        state.jobs.put(replace(job, spec=JobSpec("train" + "x" * number, "image")))
    except DiskFull as error:
        told = error.message
        break
assert "full" in told, told
assert reserve.is_kept, "what can wait does not take the reserve"
state.jobs.put(replace(job, state=JobState.SUCCEEDED))
assert not reserve.is_kept
state.close()
state = State(folder / "state.db")
assert state.jobs.get("j1").state is JobState.SUCCEEDED
state.close()
(folder / "filler").unlink()
assert reserve.keep(), "made again when there is room"
print("held")
"""


def test_the_outcome_of_a_job_is_written_on_a_full_disk_into_the_reserve(tmp_path: Path, inside: Chamber) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    inside.small_disk(folder, 16 * MIB)
    command = [*inside.enter, sys.executable, "-c", _ENDS_ON_A_FULL_DISK, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "held\n"), done.stderr


def test_an_agent_starts_on_a_disk_that_is_full_by_giving_up_its_reserve(desk: Desk, inside: Chamber) -> None:
    inside.small_disk(desk.folder, 200 * MIB)
    desk.json("settings", "set", "drift.window_rows", "500")
    disk = inside.path(desk.folder)
    desk.wait((disk / "reserve").exists, bool)
    desk.json("agent", "stop")
    filler = fill(disk)
    assert {item["key"]: item["value"] for item in desk.json("settings", "list")}["drift.window_rows"] == 500
    assert not (disk / "reserve").exists()
    checks = {check["name"]: check for check in desk.json("doctor")}
    assert checks["disk reserve"]["state"] == "warning"
    filler.unlink()


def test_a_read_only_home_is_named_by_command_agent_and_window(desk: Desk, inside: Chamber) -> None:
    desk.json("status")
    desk.json("agent", "stop")
    inside.read_only(desk.folder)
    for words in (("status",), ("agent",)):
        refused = desk.run(*words, "--json", check=False)
        assert refused.returncode == 1
        said = json.loads(refused.stderr)
        assert str(desk.folder) in said["error"]
        assert "read-only" in said["error"]
        assert "--data-dir" in said["hint"]
    with window(desk) as opened:
        shown = opened.until(lambda told: "not reachable" in told["bottom"])
        assert "The agent is not reachable" in shown["page"]
        assert "read-only" in shown["page"]
        assert "--data-dir" in shown["page"]
