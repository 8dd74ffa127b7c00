"""A folder that can't be written in is refused with a hint that can be read by itself."""

import errno
import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.errors import Unavailable

HINT = "Choose another folder."


def refusal(folder: Path) -> Unavailable:
    with pytest.raises(Unavailable) as caught:
        free_space.check_room(folder, HINT)
    return caught.value


def test_the_hint_begins_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("mine")
    assert refusal(tmp_path / "file").hint == HINT
    monkeypatch.setattr(free_space, "_free_bytes", lambda _facts: 3 << 10)
    full = refusal(tmp_path)
    assert "3 KiB are free" in full.message
    assert (full.hint or "").startswith("Free some space")
    assert (full.hint or "").endswith("). Or choose another folder.")


def facts(**changed: int) -> SimpleNamespace:
    """What the kernel says of a filesystem of 1,000 blocks of 4 KiB, half of which are free, a tenth for root alone."""
    return SimpleNamespace(**{"f_blocks": 1000, "f_frsize": 4096, "f_bfree": 500, "f_bavail": 400, **changed})


@pytest.mark.parametrize(("uid", "free"), [(0, 2_048_000), (1000, 1_638_400)])
def test_blocks_kept_for_root_count_for_root_only(monkeypatch: pytest.MonkeyPatch, uid: int, free: int) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    monkeypatch.setattr(os, "statvfs", lambda _folder: facts())
    assert free_space.free_bytes(Path("/data")) == free


def test_a_filesystem_that_tells_no_size_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _folder: facts(f_blocks=0, f_bfree=0, f_bavail=0))
    assert free_space.free_bytes(Path("/data")) is None


def test_a_filesystem_that_is_gone_tells_nothing(tmp_path: Path) -> None:
    assert free_space.free_bytes(tmp_path / "gone") is None


@pytest.mark.parametrize(("number", "said"), [
    (errno.ENOSPC, "The disk of /data/state.db is full; nothing was changed."),
    (errno.EDQUOT, "The disk of /data/state.db is full for this user; nothing was changed."),
    (errno.EROFS, "The disk of /data/state.db can't be written to; nothing was changed."),
])  # fmt: skip
def test_only_a_full_or_read_only_disk_is_disk_trouble(number: int, said: str) -> None:
    told = free_space.disk_trouble(OSError(number, "no", "/data/state.db"))
    assert told is not None
    assert told.message == said
    assert free_space.disk_trouble(OSError(errno.EACCES, "no", "/data/state.db")) is None
