"""A version's files copied from where they lie on this machine: all of them, nothing else, and not too much."""

from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.registry.artifacts.copy_worker import copied
from mlops_desk.registry.artifacts.worker import FilesBelow, FolderFiles


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "store" / "run" / "model"
    (folder / "data" / "deep").mkdir(parents=True)
    (folder / "MLmodel").write_text("flavors: {}")
    (folder / "data" / "deep" / "weights.bin").write_bytes(b"x" * 1000)
    (folder / "empty").write_bytes(b"")
    return folder


def copy(tmp_path: Path, limit: int = 10_000) -> tuple[int, Path]:
    target = tmp_path / "target"
    target.mkdir()
    return copied(FilesBelow(FolderFiles(str(tmp_path / "store")), "run/model"), target, limit), target


def test_all_files_come_with_their_folders_and_nobody_else_reads_them(source: Path, tmp_path: Path) -> None:
    count, target = copy(tmp_path)
    assert count == 3
    assert {str(path.relative_to(target)): path.stat().st_size for path in target.rglob("*") if path.is_file()} == {
        "MLmodel": 11, "data/deep/weights.bin": 1000, "empty": 0,
    }  # fmt: skip
    assert {path.stat().st_mode & 0o077 for path in target.rglob("*") if path.is_file()} == {0}


def test_a_link_brings_nothing_of_elsewhere(source: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (source / "file").symlink_to(secret / "key")
    (source / "folder").symlink_to(secret)
    count, target = copy(tmp_path)
    assert count == 3
    assert not [path for path in target.rglob("*") if path.is_symlink() or path.name in {"file", "folder", "key"}]


def test_more_than_was_allowed_is_refused_and_nothing_is_not_found(source: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="more than 1010 bytes"):
        copy(tmp_path, 1010)
    with pytest.raises(NotFound):
        copied(FilesBelow(FolderFiles(str(tmp_path / "store")), "run/none"), tmp_path, 100)
    (source.parent / "void").mkdir()
    with pytest.raises(NotFound, match="no files"):
        copied(FilesBelow(FolderFiles(str(tmp_path / "store")), "run/void"), tmp_path, 100)
