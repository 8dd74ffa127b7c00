"""Backups are made from the open connection, kept by number, and can be had back; nothing that is there is deleted."""

import os
import sqlite3
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.disk.lock import FolderLock
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.kit.storage import backups as module
from mlops_desk.kit.storage.backups import Backups
from mlops_desk.kit.storage.restore import work
from mlops_desk.kit.storage.state import State
from tests.unit.kit.storage.damage import fill_state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A state database with ten jobs."""
    fill_state(tmp_path / "state.db", 10)
    return tmp_path / "state.db"


def stamps(monkeypatch: pytest.MonkeyPatch, *, start: datetime, step: timedelta) -> None:
    """Let each backup be made a while after the one before."""

    class Clock(datetime):
        moment = start - step

        @classmethod
        def now(cls, tz: object = None) -> datetime:
            del tz
            Clock.moment += step
            return Clock.moment

    monkeypatch.setattr(module, "datetime", Clock)


@pytest.mark.slow
def test_a_backup_has_what_is_only_in_the_journal_and_is_one_file(path: Path) -> None:
    state = State(path)
    jobs = state.jobs.list()
    state.jobs.remove("job0000")
    made = state.backup("hourly")
    assert (made.database, made.why) == ("state", "hourly")
    assert abs(made.made_at - time.time()) < 100
    assert made.size_bytes == (path.parent / "backups" / f"{made.name}.db.zst").stat().st_size
    target = path.with_name("copy.db")
    Backups(path).fetch(made.name, target)
    copy = State(target)
    assert copy.jobs.list() == [job for job in jobs if job.id != "job0000"]
    copy.close()
    state.close()
    assert [file.name for file in (path.parent / "backups").iterdir()] == [f"{made.name}.db.zst"]


@pytest.mark.slow
def test_the_newest_48_and_one_of_each_of_14_days_are_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(path)
    stamps(monkeypatch, start=datetime(2026, 1, 1, 5, tzinfo=UTC), step=timedelta(hours=6))
    for _ in range(4 * 13):
        state.backup("hourly")
    stamps(monkeypatch, start=datetime(2026, 1, 14, tzinfo=UTC), step=timedelta(hours=1))
    for _ in range(24 * 3):
        state.backup("hourly")
    kept = state.backups()
    state.close()
    ages = [(kept[0].made_at - backup.made_at) / 3600 for backup in kept]
    assert ages[:48] == list(range(48))
    assert ages[48:] == [24.0 * day for day in range(2, 14)]


def test_a_clock_that_jumps_ten_years_deletes_no_backup(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(path)
    stamps(monkeypatch, start=datetime(2026, 1, 1, tzinfo=UTC), step=timedelta(hours=1))
    for _ in range(10):
        state.backup("hourly")
    stamps(monkeypatch, start=datetime(2036, 1, 1, tzinfo=UTC), step=timedelta(hours=1))
    state.backup("hourly")
    assert len(state.backups()) == 11
    state.close()


@pytest.mark.slow
def test_those_before_a_migration_are_counted_apart(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps(monkeypatch, start=datetime(2026, 1, 1, tzinfo=UTC), step=timedelta(minutes=1))
    state = State(path)
    for _ in range(5):
        state.backup("before-s0003")
    for _ in range(60):
        state.backup("hourly")
    whys = [backup.why for backup in state.backups()]
    assert (whys.count("before-s0003"), whys.count("hourly")) == (3, 48)
    state.close()


def test_without_room_none_is_begun_and_it_is_said(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(path)
    monkeypatch.setattr(free_space, "free_bytes", lambda _folder: 16 << 20)
    with pytest.raises(Unavailable, match="no room for a backup"):
        state.backup("hourly")
    state.close()
    assert state.backups() == []
    assert not (path.parent / "backups").exists()


def test_room_for_twice_the_database_and_16_mib_is_enough_and_a_byte_less_is_not(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backups, needed = Backups(path), 2 * path.stat().st_size + (16 << 20)
    for free in (needed - 1, needed):
        monkeypatch.setattr(free_space, "free_bytes", lambda _folder, free=free: free)
        with closing(sqlite3.connect(path)) as database:
            if free < needed:
                with pytest.raises(Unavailable, match="no room"):
                    backups.make(database.backup, "hourly")
            else:
                assert backups.make(database.backup, "hourly").why == "hourly"
    assert len(backups.list()) == 1


def test_a_backup_is_whole_on_the_disk_before_it_is_called_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So small a one that all of it would wait in the program's own memory."""
    path = tmp_path / "state.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE small (id INTEGER PRIMARY KEY)")
    synced: dict[int, int] = {}
    real = os.fsync

    def fsync(descriptor: int) -> None:
        facts = os.fstat(descriptor)
        synced[facts.st_ino] = facts.st_size
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with closing(sqlite3.connect(path)) as database:
        made = Backups(path).make(database.backup, "hourly")
    facts = (path.parent / "backups" / f"{made.name}.db.zst").stat()
    assert synced[facts.st_ino] == facts.st_size == made.size_bytes


def test_a_folder_that_can_not_be_written_leaves_no_half_backup(path: Path) -> None:
    (path.parent / "backups").write_text("a file in the way")
    state = State(path)
    with pytest.raises(Unavailable, match="No backup"):
        state.backup("hourly")
    state.close()


def test_a_damaged_backup_is_not_given_out(path: Path) -> None:
    state = State(path)
    made = state.backup("hourly")
    state.close()
    file = path.parent / "backups" / f"{made.name}.db.zst"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    target = path.with_name("copy.db")
    with pytest.raises(Unavailable, match="can't be read"):
        Backups(path).fetch(made.name, target)
    assert not target.exists()
    with pytest.raises(NotFound):
        Backups(path).fetch("../state", target)


def test_what_was_backed_up_damaged_is_not_given_out(path: Path) -> None:
    old = path.with_name("state.db.backup-s0001")
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    old.write_bytes(data)
    with pytest.raises(Unavailable, match=r"damaged|malformed"):
        Backups(path).fetch(old.name, path.with_name("copy.db"))


def test_strange_files_are_no_backups(path: Path) -> None:
    folder = path.parent / "backups"
    folder.mkdir()
    for name in (
        "state-20261399T000000Z-hourly.db.zst",
        "state-x-hourly.db.zst",
        "telemetry-20260101T000000Z-hourly.db.zst",
    ):
        (folder / name).write_bytes(b"")
    assert Backups(path).list() == []
    assert [backup.database for backup in Backups(path.with_name("telemetry.db")).list()] == ["telemetry"]


# -- restoring -----------------------------------------------------------------------------------


def test_a_restore_puts_the_backup_in_place_and_keeps_what_was_there(path: Path) -> None:
    state = State(path)
    made = state.backup("hourly")
    jobs = state.jobs.list()
    state.jobs.remove("job0003")
    state.close()
    assert work({"folder": str(path.parent)})[0]["name"] == made.name
    done = work({"folder": str(path.parent), "name": made.name})
    assert (done["restored"], done["database"]) == (made.name, str(path))
    state = State(path)
    assert state.jobs.list() == jobs
    state.close()
    with closing(sqlite3.connect(done["kept_as"])) as connection:
        assert connection.execute("SELECT count(*) FROM jobs").fetchone() == (9,)


def test_a_restore_of_a_database_that_is_gone_keeps_nothing_and_works(path: Path) -> None:
    state = State(path)
    made = state.backup("hourly")
    state.close()
    path.unlink()
    assert work({"folder": str(path.parent), "name": made.name})["kept_as"] is None
    state = State(path)
    assert state.jobs.count() == 10
    state.close()


def test_while_an_agent_holds_the_folder_nothing_is_restored(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(path)
    made = state.backup("hourly")
    state.close()
    before = path.read_bytes()
    held = FolderLock(DataFolder(path.parent).lock)
    assert held.acquire("somebody")
    monkeypatch.setattr("mlops_desk.kit.storage.restore._LOCK_SECONDS", 0.05)
    with pytest.raises(Refused, match="An agent runs"):
        work({"folder": str(path.parent), "name": made.name})
    held.release()
    assert path.read_bytes() == before


def test_a_name_that_is_no_backup_is_not_found(path: Path) -> None:
    with pytest.raises(NotFound, match="no backup 'x'"):
        work({"folder": str(path.parent), "name": "x"})
