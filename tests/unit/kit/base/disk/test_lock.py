"""The lock of a folder: one holder, any number of those who look."""

import fcntl
from pathlib import Path

from mlops_desk.kit.base.disk.lock import FolderLock


def test_one_holds_it_until_it_gives_it_back(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    assert second.is_free(), "where nobody ever held it there is no file"
    assert first.acquire("the first")
    assert not second.acquire("the second")
    assert (second.is_free(), second.note()) == (False, "the first")
    first.release()
    assert second.is_free()
    assert second.acquire("the second")
    assert first.note() == "the second"
    second.release()


def test_two_who_look_at_once_do_not_take_each_other_for_a_holder(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    assert lock.acquire()
    lock.release()
    with (tmp_path / "lock").open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        assert lock.is_free()
        assert not lock.acquire()
    assert lock.acquire(), "a look leaves nothing behind"
    lock.release()
