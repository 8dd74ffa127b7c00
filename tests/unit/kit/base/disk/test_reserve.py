"""Room is kept for the worst moment, given up when the disk is full, and made again when there is plenty."""

import errno
import os
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk import free_space, reserve
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.disk.reserve import Reserve
from mlops_desk.kit.base.errors import Unavailable

SIZE = 1 << 20


def test_the_reserve_is_64_mebibytes_and_really_on_the_disk(tmp_path: Path) -> None:
    kept = Reserve(tmp_path)
    assert kept.keep()
    assert kept.path.stat().st_size == 67_108_864
    assert kept.path.stat().st_blocks * 512 >= 67_108_864, "a file full of holes keeps no room"
    assert kept.path.stat().st_mode & 0o077 == 0
    assert kept.is_kept


def test_it_is_given_up_once_and_made_again_where_there_is_plenty(tmp_path: Path) -> None:
    kept = Reserve(tmp_path, SIZE)
    assert kept.keep()
    assert kept.give_up()
    assert (kept.is_kept, kept.path.exists()) == (False, False)
    assert not kept.give_up()
    assert kept.keep()


@pytest.mark.parametrize(("free", "made"), [(3 * SIZE, True), (3 * SIZE - 1, False), (0, False), (None, False)])
def test_it_is_made_only_where_twice_as_much_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free: int | None, made: bool
) -> None:
    monkeypatch.setattr(free_space, "free_bytes", lambda _folder: free)
    kept = Reserve(tmp_path, SIZE)
    assert (kept.keep(), kept.path.exists()) == (made, made)


def test_a_disk_that_fills_up_meanwhile_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(reserve.os, "posix_fallocate", full)
    assert not Reserve(tmp_path, SIZE).keep()
    assert list(tmp_path.iterdir()) == []


def test_half_a_reserve_is_made_whole(tmp_path: Path) -> None:
    kept = Reserve(tmp_path, SIZE)
    kept.path.write_bytes(b"x" * 100)
    assert not kept.is_kept
    assert kept.keep()
    assert kept.path.stat().st_size == SIZE


def test_a_reserve_that_can_not_be_removed_made_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Reserve(tmp_path, SIZE)
    kept.keep()

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(Path, "unlink", refuse)
    assert not kept.give_up()


def test_an_agent_starts_on_a_full_disk_by_giving_up_the_reserve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.make()
    monkeypatch.setattr(
        free_space, "_free_bytes", lambda _facts: 10 << 20 if not (folder.root / "reserve").exists() else 0
    )
    (folder.root / "reserve").write_bytes(b"x" * 4096)
    folder.make()
    assert not (folder.root / "reserve").exists()
    monkeypatch.setattr(free_space, "_free_bytes", lambda _facts: 0)
    with pytest.raises(Unavailable, match="is full"):
        folder.make()
