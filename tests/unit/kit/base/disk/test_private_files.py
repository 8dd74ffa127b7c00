"""The data folder is for its owner only, whoever made the parent and whatever the umask is."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.disk.private_files import make_private
from mlops_desk.kit.base.errors import Refused


@pytest.fixture(autouse=True)
def wide_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_demos_folder_does_not_open_the_real_one(tmp_path: Path) -> None:
    real = DataFolder(tmp_path / "new" / "desk")
    DataFolder(real.root / "demo").make()
    assert [mode(path) for path in (tmp_path / "new", real.root, real.root / "demo", real.root / "demo" / "log")] == [
        0o700
    ] * 4


def test_a_data_folder_that_was_wide_is_narrowed_with_its_files(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "desk")
    (folder.root / "demo").mkdir(parents=True)
    for name in ("state.db", "state.db-wal", "settings.json"):
        (folder.root / name).write_text("")
    assert mode(folder.root) == 0o755
    folder.make()
    assert mode(folder.root) == 0o700
    assert {mode(path) for path in folder.root.iterdir() if path.is_file()} == {0o600}


def test_a_folder_that_holds_other_things_keeps_its_rights(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "thesis.tex").write_text("")
    (home / "state.db").write_text("")
    make_private(home)
    assert mode(home) == 0o755
    assert mode(home / "thesis.tex") == 0o644
    assert mode(home / "state.db") == 0o600
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    make_private(shared)
    assert mode(shared) == 0o1777


def test_somebody_elses_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DataFolder(tmp_path / "desk")
    folder.make()
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    with pytest.raises(Refused, match="belongs to another user") as caught:
        folder.make()
    assert "--data-dir" in (caught.value.hint or "")
