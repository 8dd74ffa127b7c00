"""A file that is replaced on a full disk too, into room that was taken before; at each moment it is whole."""

import errno
import os
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk import preallocation
from mlops_desk.kit.base.disk.preallocation import SpareFile


def refuse(monkeypatch: pytest.MonkeyPatch, number: int = errno.ENOSPC) -> None:
    def refused(path: Path, data: bytes) -> None:
        raise OSError(number, os.strerror(number), str(path))

    monkeypatch.setattr(preallocation, "write_atomically", refused)


def test_what_finds_no_room_goes_into_the_spare_again_and_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SpareFile(tmp_path / "routes.json")
    file.write(b"old" * 1000)
    refuse(monkeypatch)
    for content in (b"new" * 2000, b"short", b"long" * 9000):
        file.write(content)
        assert (tmp_path / "routes.json").read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == [".routes.json.spare", "routes.json"]


@pytest.mark.parametrize("size", [200_000, 1 << 20])
def test_what_is_larger_than_the_spare_is_refused_and_the_old_content_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    file = SpareFile(tmp_path / "routes.json")
    file.write(b"old")
    refuse(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        file.write(b"x" * size)
    assert (tmp_path / "routes.json").read_bytes() == b"old"


def test_without_a_spare_and_for_any_other_trouble_it_raises(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = SpareFile(tmp_path / "routes.json")
    refuse(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        file.write(b"first")
    monkeypatch.undo()
    file.write(b"old")
    refuse(monkeypatch, errno.EROFS)
    with pytest.raises(OSError, match="Read-only"):
        file.write(b"new")
    assert (tmp_path / "routes.json").read_bytes() == b"old"


def test_who_is_killed_before_the_spare_is_renamed_leaves_the_old_content_and_a_spare_that_serves_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = SpareFile(tmp_path / "routes.json")
    file.write(b"old")
    refuse(monkeypatch)

    def killed(self: Path, _target: Path) -> Path:
        raise KeyboardInterrupt(str(self))

    with monkeypatch.context() as there:
        there.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            file.write(b"half")
    assert (tmp_path / "routes.json").read_bytes() == b"old"
    monkeypatch.undo()
    SpareFile(tmp_path / "routes.json").write(b"old again")
    refuse(monkeypatch)
    SpareFile(tmp_path / "routes.json").write(b"n" * 60_000)
    assert (tmp_path / "routes.json").read_bytes() == b"n" * 60_000


def test_a_disk_without_room_for_a_spare_takes_the_content_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(*_arguments: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(preallocation.os, "posix_fallocate", none)
    SpareFile(tmp_path / "routes.json").write(b"content")
    assert (tmp_path / "routes.json").read_bytes() == b"content"


def test_a_file_that_is_written_often_holds_no_descriptor(tmp_path: Path) -> None:
    file = SpareFile(tmp_path / "routes.json")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(1, 9):
        file.write(b"x" * (100_000 * number))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
