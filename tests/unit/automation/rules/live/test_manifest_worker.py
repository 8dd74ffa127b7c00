"""Which files a folder has, by one digest: whatever lies in it, however much, and whatever may not be looked at."""

import os
from pathlib import Path

import pytest

from mlops_desk.automation.rules.live import manifest_worker
from mlops_desk.automation.rules.live.manifest_worker import answer
from mlops_desk.kit.base.errors import Invalid, Refused


def digest(folder: Path) -> str:
    return answer({"folder": str(folder)})


def test_what_comes_goes_or_changes_makes_it_another(tmp_path: Path) -> None:
    seen = [digest(tmp_path)]
    (tmp_path / "a.csv").write_text("1")
    seen.append(digest(tmp_path))
    os.utime(tmp_path / "a.csv", (1, 1))
    seen.append(digest(tmp_path))
    (tmp_path / "link").symlink_to("/nowhere")
    seen.append(digest(tmp_path))
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe\n")).write_text("a name that is no text")
    seen.append(digest(tmp_path))
    os.mkfifo(tmp_path / "pipe")  # nobody reads it, so that nobody waits for who writes
    seen.append(digest(tmp_path))
    assert len({*seen}) == len(seen)
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a").write_text("1")
    assert digest(tmp_path) == seen[-1]


def test_a_folder_without_end_is_refused_before_it_is_all_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = 0

    def endless(_folder: Path):  # type: ignore[no-untyped-def]  # a generator without an end
        nonlocal told
        while True:
            told += 1
            yield f"file {told}"

    monkeypatch.setattr(manifest_worker, "_MOST", 1000)
    monkeypatch.setattr(manifest_worker, "_lines", endless)
    with pytest.raises(Refused, match="more than 1,000 files"):
        digest(tmp_path)
    assert told == 1001


def test_what_may_not_be_looked_at_is_told_and_what_has_gone_meanwhile_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Invalid, match="no folder that can be looked into"):
        digest(tmp_path / "none")
    (tmp_path / "a.csv").write_text("1")
    fails: list[OSError] = [PermissionError(13, "Permission denied", str(tmp_path / "a.csv"))]

    def lstat(_path: Path) -> os.stat_result:
        raise fails[0]

    monkeypatch.setattr(Path, "lstat", lstat)
    with pytest.raises(Invalid, match=r"a\.csv can't be looked into: Permission denied"):
        digest(tmp_path)
    fails[0] = FileNotFoundError(2, "No such file or directory")
    assert digest(tmp_path) != ""
