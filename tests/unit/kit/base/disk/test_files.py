"""Files of one folder that are written together: all of them are synced before any has its name."""

import errno
import os
import stat
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.files import write_together

FILES = {"wrapper.sh": (b"#!/bin/sh\n", 0o555), "gpus": (b"", 0o444)}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What is synced and renamed, in order."""
    told, fsync, replace = [], os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        told.append(("sync", Path(f"/proc/self/fd/{descriptor}").readlink().name))
        fsync(descriptor)

    def renamed(path: Path, target: Path) -> Path:
        told.append(("name", Path(target).name))
        return replace(path, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    return told


def test_all_are_synced_then_named_then_their_names_are_synced_once(
    tmp_path: Path, done: list[tuple[str, str]]
) -> None:
    mask = os.umask(0o077)
    try:
        write_together(tmp_path, FILES)
    finally:
        os.umask(mask)
    beside = [("sync", f".{name}.{os.getpid()}.new") for name in FILES]
    assert done == [*beside, ("name", "wrapper.sh"), ("name", "gpus"), ("sync", tmp_path.name)]
    found = {path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) for path in tmp_path.iterdir()}
    assert found == FILES


@pytest.mark.parametrize("failing", [1, 2])
def test_on_a_full_disk_the_old_ones_stay_and_nothing_is_left_beside_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: int
) -> None:
    (tmp_path / "gpus").write_text("old")
    calls = []

    def full(_descriptor: int) -> None:
        calls.append(1)
        if len(calls) == failing:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_together(tmp_path, FILES)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"gpus": "old"}
