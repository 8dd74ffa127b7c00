"""What is damaged or lost is told and stays told; a backup is made each hour in which something was written."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.desk import maintenance as module
from mlops_desk.desk.maintenance import Upkeep
from mlops_desk.drift.cli.workspace import passing_folder
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import Notice
from tests.unit.kit.storage.damage import fill_state

JOB = Job("j1", "train", JobState.SUCCEEDED, JobSpec("train", "i"), 1.0, 0, "me")


class World:
    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root)
        self.told: list[Notice] = []
        self.states: list[State] = []

    def open(self, *, simulated: bool = False) -> Upkeep:
        self.state = State(self.folder.state_database)
        self.states.append(self.state)
        settings = SettingsStore(self.folder.settings)
        return Upkeep(self.folder, self.state, settings, self.told.append, simulated=simulated)

    def close(self) -> None:
        for state in self.states:
            state.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, in a list of one."""
    now = [1000.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_a_whole_folder_has_nothing_to_tell(world: World) -> None:
    keep = world.open()
    world.state.jobs.put(JOB)
    (world.folder.jobs / "j1").mkdir(parents=True)
    (world.folder.jobs / "unfinished-runs").mkdir()  # of jobs that logged to MLflow
    world.close()
    keep = world.open()
    assert (keep.note(), keep.check_records().state) == (None, "ok")
    keep.turn()
    assert world.told == []


def test_an_emptied_state_beside_old_jobs_is_a_loud_warning_that_stays_and_is_told_once(world: World) -> None:
    for number in range(30):
        (world.folder.jobs / f"job{number:02}").mkdir(parents=True)
    world.folder.state_database.write_bytes(b"")
    for start in range(2):
        keep = world.open()
        keep.turn()
        note = keep.note() or ""
        assert "30 jobs are not known any more" in note
        assert "mlops-desk jobs forget JOB puts the folder aside" in note
        assert ("The state database is new" in note) is (start == 0)
        check = keep.check_records()
        fix = "mlops-desk agent restore --list"
        assert (check.state, check.fix) == ("problem", fix)
        if start == 0:
            assert world.told == [
                Notice("alert", "storage", note, check.fix, world.told[-1].at, about=("file", "state"))
            ]
        keep.turn()
        assert len(world.told) == 1, "told once, also over starts"
        world.close()
    (world.folder.jobs / "job30").mkdir()
    for _ in range(2):
        keep = world.open()
        keep.turn()
        assert "31 jobs are not known any more" in (keep.note() or "")
        assert len(world.told) == 2, "told again because there is another"
        world.close()


def test_lost_jobs_are_told_again_where_it_can_not_be_noted_or_read_that_they_were(world: World) -> None:
    (world.folder.jobs / "job1").mkdir(parents=True)
    (world.folder.root / "lost-jobs.json").write_bytes(b"{half")
    world.open().turn()
    assert len(world.told) == 1
    (world.folder.root / "lost-jobs.json").unlink()
    (world.folder.root / "lost-jobs.json").mkdir()
    world.close()
    world.open().turn()
    assert len(world.told) == 2


def test_a_lost_job_that_was_put_aside_is_not_told_of_any_more(world: World) -> None:
    for name in ("j1", "j2"):
        (world.folder.jobs / name).mkdir(parents=True)
    keep = world.open()
    (world.folder.jobs / "j1").rename(world.folder.root / "elsewhere")
    assert "1 job is not known any more and left a folder here (j2)" in (keep.note() or "")
    (world.folder.jobs / "j2").rename(world.folder.root / "elsewhere too")
    assert (keep.note(), keep.check_records().state) == (None, "ok")


def test_a_simulated_desk_which_forgets_everything_misses_nothing_and_keeps_nothing(world: World) -> None:
    (world.folder.jobs / "job1").mkdir(parents=True)
    keep = world.open(simulated=True)
    assert keep.note() is None
    assert {check().state for check in keep.checks().values()} == {"ok"}


def test_a_repair_damaged_rows_and_damaged_settings_are_all_told(world: World) -> None:
    fill_state(world.folder.state_database, 10)
    data = bytearray(world.folder.state_database.read_bytes())
    data[:4096] = b"\xff" * 4096
    world.folder.state_database.write_bytes(data)
    world.folder.settings.write_text("- a list\n")
    keep = world.open()
    note = keep.note() or ""
    assert "The state database was damaged. 41 of its records could be read" in note
    assert "The settings were damaged, so the defaults hold." in note
    assert str(next(world.folder.root.glob("settings.json.damaged-*"))) in note
    with world.state._database.transaction() as connection:
        connection.exec_driver_sql("UPDATE jobs SET document = '{}' WHERE key = 'job0002'")
    assert len(world.state.jobs.list()) == 9
    assert "1 record is damaged and left out: jobs job0002." in (keep.note() or "")
    keep.turn()
    assert len(world.told) == 3
    restore = "mlops-desk agent restore --list"
    assert [each.hint for each in world.told] == [restore, restore, "mlops-desk settings list"]


def test_a_lost_job_that_has_a_record_again_is_lost_no_more(world: World) -> None:
    for name in ("j1", "j2"):
        (world.folder.jobs / name).mkdir(parents=True)
    keep = world.open()
    keep.turn()
    assert "2 jobs are not known any more" in (keep.note() or "")
    world.state.jobs.put(JOB)
    keep.turn()
    assert "1 job is not known any more and left a folder here (j2)" in (keep.note() or "")


def test_a_backup_is_made_each_hour_in_which_something_was_written(world: World, clock: list[float]) -> None:
    fill_state(world.folder.state_database, 3)
    keep = world.open()
    keep.turn()
    assert len(world.state.backups()) == 1, "there was none"
    assert "the newest state-" in keep.check_backups().text
    world.state.jobs.put(JOB)
    clock[0] += 3599
    keep.turn()
    assert len(world.state.backups()) == 1
    clock[0] += 1
    (world.folder.root / "backups" / f"{world.state.backups()[0].name}.db.zst").unlink()
    keep.turn()
    assert len(world.state.backups()) == 1
    (world.folder.root / "backups" / f"{world.state.backups()[0].name}.db.zst").unlink()
    clock[0] += 7200
    keep.turn()
    assert world.state.backups() == [], "nothing was written since"


def test_a_restart_within_the_hour_makes_no_other_and_a_new_database_waits_for_its_hour(
    world: World, clock: list[float]
) -> None:
    keep = world.open()
    world.state.jobs.put(JOB)
    keep.turn()
    assert world.state.backups() == [], "what has just begun is nothing to fall back on"
    clock[0] += 3600
    keep.turn()
    (made,) = world.state.backups()
    world.close()
    keep = world.open()
    world.state.jobs.put(JOB)
    keep.turn()
    assert world.state.backups() == [made]


def test_a_backup_that_can_not_be_made_is_told_by_the_doctor_and_tried_again(world: World, clock: list[float]) -> None:
    fill_state(world.folder.state_database, 3)
    (world.folder.root / "backups").write_text("in the way")
    keep = world.open()
    keep.turn()
    check = keep.check_backups()
    assert check.state == "warning"
    assert check.text.endswith("Free some space on the disk and check its permissions.")
    (world.folder.root / "backups").unlink()
    keep.turn()
    assert keep.check_backups().state == "ok"
    assert len(world.state.backups()) == 1


def test_the_reserve_is_kept_given_up_for_outcomes_and_made_again(world: World) -> None:
    keep = world.open()
    assert keep.check_reserve().state == "warning"
    keep.turn()
    assert keep.check_reserve().state == "ok"
    assert keep.make_room()
    assert "was given up" in keep.check_reserve().text
    assert keep.make_room(), "the room it made may still be there for the next outcome"
    keep.turn()
    assert (keep.check_reserve().state, (world.folder.root / "reserve").exists()) == ("ok", True)


def waiting(number: int) -> Job:
    return Job(f"w{number}", f"train {number}", JobState.QUEUED, JobSpec(f"train {number}", "i"), 1.0, 0, "me")


@pytest.mark.parametrize("emptied", ["truncated", "removed", "fresh"])
def test_jobs_that_only_waited_are_missed_where_their_database_was_emptied(world: World, emptied: str) -> None:
    keep = world.open()
    for number in range(25):
        world.state.jobs.put(waiting(number))
    world.state.jobs.put(JOB)
    keep.note_jobs()
    world.close()
    path = world.folder.state_database
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    path.unlink()
    if emptied == "truncated":
        path.write_bytes(b"")
    if emptied == "fresh":
        State(path).close()
    for _ in range(2):
        keep = world.open()
        keep.turn()
        keep.note_jobs()
        check = keep.check_records()
        assert check.state == "problem"
        assert "was emptied or put back: 25 jobs are not known any more" in check.text
        assert "train 0 (w0)" in check.text
        assert "where there is none, submit them again" in check.text
        assert len(world.told) >= 1
        world.close()
    keep = world.open()
    world.state.jobs.put_all([waiting(number) for number in range(25)])  # as a backup brings them
    keep.turn()
    assert (keep.note(), keep.check_records().state) == (None, "ok")
    keep.note_jobs()
    world.close()
    assert world.open().note() is None


def test_jobs_that_ended_are_not_missed(world: World) -> None:
    keep = world.open()
    world.state.jobs.put(waiting(1))
    keep.note_jobs()
    world.state.jobs.put(replace(waiting(1), state=JobState.CANCELLED))
    keep.note_jobs()
    world.close()
    world.folder.state_database.write_bytes(b"")
    assert world.open().note() is None


def test_what_a_killed_command_has_left_goes_with_the_next(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    program = "import os, signal; from mlops_desk.drift.cli.workspace import passing_folder\nwith passing_folder(): os.kill(os.getpid(), signal.SIGKILL)"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", program], env=environment, timeout=120, check=False)
    assert len([*tmp_path.glob("mlops-desk-drift-*")]) == 1
    with passing_folder() as folder:
        assert [*tmp_path.glob("mlops-desk-drift-*")] == [folder]
