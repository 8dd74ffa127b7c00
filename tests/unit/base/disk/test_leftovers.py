"""Temporary folders of processes that were killed go after a day; nobody else's, and none that is in use."""

import os
import time
from pathlib import Path

import pytest

from mlops_desk.base.disk.leftovers import sweep

DAY = 86_400.0


def made(shared: Path, name: str, age_seconds: float) -> Path:
    folder = shared / name
    folder.mkdir(mode=0o700)
    (folder / "rows.parquet").write_text("rows")
    at = time.time() - age_seconds
    os.utime(folder, (at, at))
    return folder


def test_what_was_left_a_day_ago_goes_and_all_else_stays(tmp_path: Path) -> None:
    outside = made(tmp_path, "outside", 2 * DAY)
    left = [made(tmp_path, f"mlops-desk-{kind}-igrbebzq", 2 * DAY) for kind in ("cut", "windows", "rows")]
    kept = [
        made(tmp_path, name, age)
        for name, age in (
            ("mlops-desk-cut-r82tq8r8", DAY - 60), ("mlops-desk-0", 9 * DAY), ("mlops-desk-results-abcdefgh", 9 * DAY),
            ("mlops-desk-cut-mine", 9 * DAY), ("systemd-private-cut-abcdefgh", 9 * DAY),
        )
    ]  # fmt: skip
    link = tmp_path / "mlops-desk-pin-abcdefgh"
    link.symlink_to(outside)
    os.utime(link, (0, 0), follow_symlinks=False)
    assert sweep(tmp_path) == 3
    assert not any(path.exists() for path in left)
    assert all((path / "rows.parquet").exists() for path in (*kept, outside))
    assert link.is_symlink()


def test_another_users_and_what_can_not_be_taken_away_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = made(tmp_path, "mlops-desk-cut-igrbebzq", 2 * DAY)
    with monkeypatch.context() as patched:
        patched.setattr("mlops_desk.base.disk.leftovers.getuid", lambda: os.getuid() + 1)
        assert sweep(tmp_path) == 0
    with monkeypatch.context() as patched:

        def refuses(_path: Path) -> None:
            raise PermissionError(13, "Permission denied")

        patched.setattr("mlops_desk.base.disk.leftovers.shutil.rmtree", refuses)
        assert sweep(tmp_path) == 0
    assert left.exists()
    assert sweep(tmp_path / "none") == 0
    assert sweep(tmp_path) == 1
