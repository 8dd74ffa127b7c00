"""Files of this machine: listed and opened by their names alone, and nothing that leads elsewhere is followed."""

import contextlib
import os
import socket
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.registry.artifacts.files import MOST_LISTED, parts_of
from mlops_desk.registry.artifacts.worker import FilesBelow, FolderFiles
from mlops_desk.registry.records.model import Artifact


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("key")
    root = tmp_path / "root"
    (root / "model" / "data").mkdir(parents=True)
    (root / "notes.txt").write_text("hello")
    (root / "model" / "MLmodel").write_text("a: 1")
    (root / "model" / "data" / "w.bin").write_bytes(b"\0" * 10)
    return root


def read(files: FolderFiles | FilesBelow, path: str) -> bytes:
    with files.open(path, 1 << 20) as opened:
        assert opened.is_whole
        data = opened.stream.read()
        assert opened.size_bytes == len(data)
        assert Path(opened.path).read_bytes() == data
        return data


def test_a_folder_is_listed_by_itself_folders_first(root: Path) -> None:
    files = FolderFiles(str(root))
    assert files.list("") == [Artifact("model", is_folder=True), Artifact("notes.txt", size_bytes=5)]
    assert files.list("model/") == [Artifact("model/data", is_folder=True), Artifact("model/MLmodel", size_bytes=4)]
    assert sorted(one.path for one in files.walk("", 100)) == ["model/MLmodel", "model/data/w.bin", "notes.txt"]
    assert len(list(files.walk("", 2))) < 3
    assert read(files, "model/data/w.bin") == b"\0" * 10


def test_a_part_of_a_folder_is_a_root_of_its_own(root: Path) -> None:
    files = FilesBelow(FolderFiles(str(root)), "model")
    assert files.list("") == [Artifact("data", is_folder=True), Artifact("MLmodel", size_bytes=4)]
    assert sorted(one.path for one in files.walk("", 100)) == ["MLmodel", "data/w.bin"]
    assert read(files, "data/w.bin") == b"\0" * 10
    with pytest.raises(Invalid):
        files.list("../model")


@pytest.mark.parametrize("target", ["/etc/passwd", "../secret", "notes.txt"])
def test_a_link_is_not_shown_and_not_followed_wherever_it_leads(root: Path, target: str) -> None:
    (root / "link").symlink_to(target)
    (root / "away").symlink_to(root / "model")
    files = FolderFiles(str(root))
    assert {one.path for one in files.list("")} == {"model", "notes.txt"}
    assert {one.path for one in files.walk("", 100)} == {"model/MLmodel", "model/data/w.bin", "notes.txt"}
    with pytest.raises(Refused, match="link"), files.open("link", 10):
        pass
    with pytest.raises(Refused, match="link"):
        files.list("away")
    with pytest.raises(Refused, match="link"), files.open("away/MLmodel", 10):
        pass


def test_a_pipe_a_socket_and_a_device_are_not_even_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        monkeypatch.chdir(root)  # a socket's path is short
        listening.bind("socket")
        files = FolderFiles(str(root))
        for name in ("pipe", "socket"):
            with pytest.raises(Refused, match="no plain file"), files.open(name, 10):
                pass
        assert {one.path for one in files.list("")} == {"model", "notes.txt"}
    with pytest.raises(Refused, match="no plain file"), FolderFiles("/dev").open("null", 10):
        pass


def test_what_is_not_there_or_may_not_be_read_says_so(root: Path) -> None:
    files = FolderFiles(str(root))
    for path in ("nothing", "model/nothing", "notes.txt/below", "model/" + "x" * 255):
        with pytest.raises(NotFound), files.open(path, 10):
            pass
    for path in ("model", ""):
        with pytest.raises(NotFound, match="folder"), files.open(path, 10):
            pass
    with pytest.raises(NotFound):
        files.list("notes.txt")
    gone = FolderFiles(str(root / "gone"))
    for path in ("", "model"):
        with pytest.raises(NotFound, match=f"The folder {root}/gone") as told:
            gone.list(path)
        assert "its disk" in (told.value.hint or "")
    with pytest.raises(NotFound, match=f"The folder {root}/notes.txt"):
        FolderFiles(str(root / "notes.txt")).list("")


def test_a_folder_that_can_not_be_read_is_unavailable_and_not_missing(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(Unavailable, match="Permission denied"):
        FolderFiles(str(root)).list("")


def test_a_file_that_vanishes_while_it_is_listed_is_left_out(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = os.scandir

    def emptied(folder: int) -> object:
        with scan(folder) as entries:
            found = list(entries)
        (root / "notes.txt").unlink(missing_ok=True)
        return contextlib.nullcontext(found)

    monkeypatch.setattr(os, "scandir", emptied)
    assert [one.path for one in FolderFiles(str(root)).list("")] == ["model"]


def test_a_file_that_is_replaced_while_it_is_open_stays_what_it_was(root: Path) -> None:
    with FolderFiles(str(root)).open("notes.txt", 10) as opened:
        (root / "notes.txt").unlink()
        (root / "notes.txt").symlink_to("/etc/passwd")
        assert Path(opened.path).read_bytes() == b"hello"


def test_a_file_of_ten_gigabytes_is_opened_and_not_read(root: Path) -> None:
    with (root / "huge").open("wb") as file:
        file.truncate(10 << 30)
    with FolderFiles(str(root)).open("huge", 10) as opened:
        assert (opened.size_bytes, opened.stream.read(4)) == (10 << 30, b"\0" * 4)


def test_a_folder_of_very_many_files_is_listed_in_part(root: Path) -> None:
    many = root / "many"
    many.mkdir()
    for number in range(MOST_LISTED + 5):
        (many / f"{number:05}").touch()
    assert len(FolderFiles(str(root)).list("many")) == MOST_LISTED


@pytest.mark.parametrize(
    "path", ["..", "a/../b", "./a", "a//b", "a/./b", "a\0b", "a\\b", "x" * 256, "a/" * 33 + "a", "ab/" * 400]
)
def test_a_path_that_is_none_is_invalid(path: str) -> None:
    with pytest.raises(Invalid):
        parts_of(path)


@given(st.text(alphabet=st.sampled_from("ab./\\%2e\0 ü~"), max_size=20))
@example("..%2f")
@example("/a/")
@example("...")
def test_no_path_leads_out_of_its_folder(path: str) -> None:
    try:
        parts = parts_of(path)
    except DeskError:
        return
    assert "/".join(parts) == path.strip("/")
    assert not {"", ".", ".."} & set(parts)
    assert os.path.normpath(Path("/root", *parts)).startswith("/root")


def test_a_name_that_is_no_utf_8_is_listed_and_costs_no_other_its_place(root: Path) -> None:
    Path(os.fsdecode(bytes(root) + b"/bad\xff.txt")).write_text("x")
    files = FolderFiles(str(root))
    assert [one.path for one in files.list("")] == ["model", "bad\\xff.txt", "notes.txt"]
    assert "bad\\xff.txt" in [one.path for one in files.walk("", 100)]
    with pytest.raises(Invalid):
        read(files, "bad\\xff.txt")


def test_a_folder_that_nobody_can_ask_for_is_told_as_a_part_of_unknown_size(root: Path) -> None:
    odd = Path(os.fsdecode(bytes(root) + b"/model/odd\xff"))
    odd.mkdir()
    (odd / "hidden.bin").write_bytes(b"12345")
    deep = root / "deep" / Path(*"a" * 40)
    deep.mkdir(parents=True)
    (deep / "far").write_text("x")
    walked = {one.path: one.size_bytes for one in FolderFiles(str(root)).walk("", 1000)}
    assert walked["model/MLmodel"] == 4, "the rest is gone through"
    assert walked["model/odd\\xff"] is None
    assert [size for path, size in walked.items() if path.startswith("deep/")] == [None]
    assert not any(path.endswith(("hidden.bin", "far")) for path in walked)
