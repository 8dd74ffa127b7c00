"""Temporary folders of processes that were killed are swept, and nobody else's, nor those of who still works."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.scratch import scratch, sweep_scratch

FOREVER = """
import sys, time
from mlops_desk.kit.base.disk.scratch import scratch
with scratch("cut") as name:
    print(name, flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_gone_with_its_block_and_only_its_user_reads_it(temporary: Path) -> None:
    with scratch("rows") as name:
        assert Path(name).parent == temporary
        assert Path(name).stat().st_mode & 0o777 == 0o700
        (Path(name) / "rows.parquet").write_bytes(b"x")
    assert list(temporary.iterdir()) == []


def test_what_who_was_killed_has_left_goes_and_not_while_it_works(temporary: Path) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", FOREVER], stdout=subprocess.PIPE, text=True, env={**os.environ, "TMPDIR": str(temporary)}
    )
    assert child.stdout is not None
    try:
        place = Path(child.stdout.readline().strip())
        (place / "rows.parquet").write_bytes(b"x")
        later = time.time() + 60.0
        assert sweep_scratch(later) == 0
        assert place.is_dir()
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait(60)
        child.stdout.close()
    assert sweep_scratch(place.stat().st_mtime) == 0, "it is not older than who sweeps"
    assert sweep_scratch(later) == 1
    assert not place.exists()


def test_a_folder_of_another_pid_namespace_stays_whose_processes_are_not_seen_here(temporary: Path) -> None:
    with scratch("rows") as name:
        ours = Path(name).name.split("-")[3].split(".")[2]
    assert int(ours) == Path("/proc/self/ns/pid").stat().st_ino
    (temporary / f"mlops-desk-rows-4194305.77.{int(ours) + 1}-abc").mkdir()
    (temporary / f"mlops-desk-rows-4194305.77.{ours}-abc").mkdir()
    (temporary / "mlops-desk-rows-4194305.77-abc").mkdir()
    assert sweep_scratch(time.time() + 60.0) == 2
    assert [entry.name for entry in temporary.iterdir()] == [f"mlops-desk-rows-4194305.77.{int(ours) + 1}-abc"]


def dead(name: str = "mlops-desk-cut-4194305.77-abc_1") -> str:
    return name  # no Linux gives out a pid beyond 4194304


@pytest.mark.parametrize(
    "name", ["mlops-desk-cut-abcdefgh", "mlops-desk-1000", "mlops-desk-leases-0", "mlops-desk-cut-0.5-x", "other"]
)
def test_what_is_called_otherwise_stays(temporary: Path, name: str) -> None:
    (temporary / name).mkdir()
    assert sweep_scratch(time.time() + 60.0) == 0
    assert (temporary / name).is_dir()


def test_a_link_a_file_and_what_another_user_owns_stay(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = temporary / "mine"
    elsewhere.mkdir()
    (elsewhere / "rows").write_bytes(b"x")
    (temporary / dead()).symlink_to(elsewhere)
    (temporary / dead("mlops-desk-cut-4194305.77-file")).write_bytes(b"x")
    assert sweep_scratch(time.time() + 60.0) == 0
    inside = temporary / dead("mlops-desk-rows-4194305.77-links")
    inside.mkdir()
    (inside / "link").symlink_to(elsewhere)
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    assert sweep_scratch(time.time() + 60.0) == 0
    monkeypatch.undo()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert sweep_scratch(time.time() + 60.0) == 1
    assert (elsewhere / "rows").exists()


def test_what_can_t_be_deleted_or_looked_at_is_named(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (temporary / dead()).mkdir()

    def refuses(_path: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("mlops_desk.kit.base.disk.scratch.shutil.rmtree", refuses)
    assert sweep_scratch(time.time() + 60.0) == 0
    assert f"{dead()} can't be deleted" in caplog.text
    monkeypatch.setattr(tempfile, "tempdir", str(temporary / "none"))
    assert sweep_scratch(time.time() + 60.0) == 0
    assert "can't be looked through" in caplog.text
