"""Versions as one file: what comes out is what went in, and what somebody made up is refused before anything is kept."""

import errno
import hashlib
import json
import os
import struct
import zipfile
from collections.abc import Callable
from dataclasses import replace
from io import FileIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.artifacts.worker import FolderFiles
from mlops_desk.registry.records.transfer import HashedFile
from mlops_desk.registry.transfer import archive, export_worker, file_format, hashing, import_worker, service
from mlops_desk.registry.transfer.file_format import ArchivedDataset, ArchivedRun, ArchivedVersion

RUN = ArchivedRun(
    "r1", "brave", "FINISHED", 1000, 2000, {"auc": 0.9, "odd": float("nan"), "huge": float("inf")},
    {"lr": "0.1", "long": "x" * 7000}, {"team": "a", "mlflow.user": "bo", "mlflow.runName": "brave"},
    (ArchivedDataset("iris", "d1", "training"),),
)  # fmt: skip
VERSION = ArchivedVersion(
    "iris", "3", "http://there", 1.5, (), description="d", tags={"k": "v"}, aliases=("champion",), run=RUN
)
FILES = {"MLmodel": b"flavors: {}\n", "data/model.bin": os.urandom(10_000), "empty": b"", "größe 🚀.txt": b"x"}


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    for name, data in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def exported(model: Path, to: Path, version: ArchivedVersion = VERSION) -> dict[str, Any]:
    source = {"root": str(model), "base": "", "url": None, "headers": {}, "ca_file": None, "proxy": None}
    done: dict[str, Any] = export_worker.work({"source": source, "version": wire.to_builtins(version), "to": str(to)})
    return done


def contents(folder: Path) -> dict[str, bytes]:
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_what_comes_out_is_what_went_in(model: Path, tmp_path: Path) -> None:
    file, out = tmp_path / "iris.mldversion", tmp_path / "out"
    done = exported(model, file)
    assert done == {"n_files": 4, "size_bytes": file.stat().st_size}
    assert file.stat().st_mode & 0o777 == 0o600
    out.mkdir()
    with archive.opened(file) as (zipped, version):
        archive.unpack(zipped, version, out)
    assert contents(out) == FILES
    assert json.dumps(wire.to_builtins(replace(version, files=()))) == json.dumps(wire.to_builtins(VERSION))
    assert {one.path: one.sha256 for one in version.files} == {
        k: hashlib.sha256(v).hexdigest() for k, v in FILES.items()
    }


def test_the_same_version_gives_the_same_bytes(model: Path, tmp_path: Path) -> None:
    exported(model, tmp_path / "a")
    exported(model, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with zipfile.ZipFile(tmp_path / "a") as zipped:  # whenever it is written: two of one second would be alike too
        assert {info.date_time for info in zipped.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_links_and_pipes_of_a_model_are_not_followed_into_the_archive(model: Path, tmp_path: Path) -> None:
    (model / "secret").symlink_to("/etc/passwd")
    os.mkfifo(model / "pipe")
    assert exported(model, tmp_path / "a")["n_files"] == 4


def test_nothing_is_written_over_and_nothing_half_is_left(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(Refused, match="written over"):
        exported(model, there)
    assert there.read_text() == "mine"
    with pytest.raises(NotFound):
        exported(model, tmp_path / "nowhere" / "a")
    with pytest.raises(NotFound):
        exported(tmp_path / "no model", tmp_path / "a")
    monkeypatch.setattr(export_worker, "_put", full)
    with pytest.raises(DeskError, match="full"):
        exported(model, tmp_path / "a")
    assert {one.name for one in tmp_path.iterdir()} == {"model", "there"}


def test_a_file_that_grows_while_it_is_read_makes_no_archive(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = export_worker.hashed

    def then_grow(files: Any, name: str) -> HashedFile:
        known = true(files, name)
        with (model / name).open("ab") as file:
            file.write(b"more")
        return known

    monkeypatch.setattr(export_worker, "hashed", then_grow)
    with pytest.raises(DeskError, match="changed while it was read"):
        exported(model, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_file_that_is_rewritten_while_it_is_read_makes_no_archive(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As large as before, it would make an archive that nobody can import, and nobody would know until then."""
    true = export_worker.hashed

    def then_write(files: Any, name: str) -> HashedFile:
        known = true(files, name)
        (model / name).write_bytes(b"z" * known.size_bytes)
        return known

    monkeypatch.setattr(export_worker, "hashed", then_write)
    with pytest.raises(DeskError, match="changed while it was read"):
        exported(model, tmp_path / "a")
    assert not (tmp_path / "a").exists()


def made(
    path: Path, change: Callable[[dict[str, Any], list[tuple[str, bytes]]], None], packed: int = zipfile.ZIP_STORED
) -> Path:
    """Write an archive with one file ``a`` as somebody would who means harm: ``change`` gets its list and its members."""
    told = wire.to_builtins(replace(VERSION, files=(HashedFile("a", hashlib.sha256(b"aaa").hexdigest(), 3),)))
    members = [("files/a", b"aaa")]
    change(told, members)
    with zipfile.ZipFile(path, "w", packed) as zipped:
        for name, data in members:
            zipped.writestr(name, data)
        zipped.writestr(zipfile.ZipInfo(file_format.MEMBER), json.dumps(told))
    return path


def listed(told: dict[str, Any], path: str, data: bytes = b"aaa", size: int | None = None) -> None:
    told["files"].append(
        {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "size_bytes": len(data) if size is None else size}
    )


def taken(path: Path, out: Path) -> dict[str, bytes]:
    out.mkdir()
    with archive.opened(path) as (zipped, version):
        archive.unpack(zipped, version, out)
    return contents(out)


def test_an_archive_that_is_as_it_says_is_taken(tmp_path: Path) -> None:
    assert taken(made(tmp_path / "a", lambda told, members: None), tmp_path / "out") == {"a": b"aaa"}


@pytest.mark.parametrize(
    "name", ["../b", "/b", "b/../../c", "b//c", "./b", "b/.", "c\\b", "b\0c", "x" * 300, "/".join("d" * 40)]
)
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    def change(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
        listed(told, name)
        members.append((f"files/{name}", b"aaa"))

    with pytest.raises(Refused):
        taken(made(tmp_path / "a", change), tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} == {"a", "out"}
    assert contents(tmp_path / "out") == {}


def not_listed(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    members.append(("files/b", b"b"))


def beside(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    members.append(("b", b"b"))


def not_there(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    listed(told, "b")


def listed_twice(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    listed(told, "a")


def other_size(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    told["files"][0]["size_bytes"] = 2


def other_hash(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    members[0] = ("files/a", b"aab")


def other_case(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    listed(told, "A")
    members.append(("files/A", b"aaa"))


def file_and_folder(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    listed(told, "a/b")
    members.append(("files/a/b", b"aaa"))


def too_many(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    for number in range(hashing.MOST_FILES):
        listed(told, f"b{number}", b"")


def too_large(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    told["files"][0]["size_bytes"] = hashing.LARGEST_BYTES + 1


def of_tomorrow(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    told["form"] = file_format.FORM + 1


def of_another_kind(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    told["kind"] = "mlops-desk.job"


def of_no_form(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
    told["files"] = "all"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (not_listed, "differ"), (beside, "differ"), (not_there, "differ"), (listed_twice, "twice"), (other_size, "large"),
        (other_hash, "not what"), (other_case, "small letters"), (file_and_folder, "a file and a folder"),
        (too_many, "more than 20,000"), (too_large, "large"), (of_tomorrow, "newer"), (of_another_kind, "something else"),
        (of_no_form, "understood"),
    ],
    ids=[
        "not_listed", "beside", "not_there", "listed_twice", "other_size", "other_hash", "other_case", "file_and_folder",
        "too_many", "too_large", "of_tomorrow", "of_another_kind", "of_no_form",
    ],
)  # fmt: skip
def test_what_is_not_as_its_list_says_is_refused(tmp_path: Path, change: Any, word: str) -> None:
    with pytest.raises(DeskError) as caught:
        taken(made(tmp_path / "a", change), tmp_path / "out")
    assert word in f"{caught.value.message} {caught.value.hint}"
    assert contents(tmp_path / "out").keys() <= {"a"}


@pytest.mark.slow
def test_a_bomb_is_refused_by_what_it_is_packed_with(tmp_path: Path) -> None:
    def change(told: dict[str, Any], members: list[tuple[str, bytes]]) -> None:
        data = bytes(50_000_000)
        members[0] = ("files/a", data)
        told["files"][0].update(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data))

    path = made(tmp_path / "a", change, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    with pytest.raises(Refused, match="packed"):
        taken(path, tmp_path / "out")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = made(tmp_path / "a", lambda told, members: members.append(("files/a", b"bbb")))
    with pytest.raises(Refused, match="twice"):
        taken(path, tmp_path / "out")


@pytest.mark.parametrize("data", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a zip at all", b"PK\x03\x04" * 1000])
def test_what_is_no_archive_is_told_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a").write_bytes(data)
    with pytest.raises(Refused) as caught:
        taken(tmp_path / "a", tmp_path / "out")
    assert caught.value.hint is not None


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
@example(0, b"\0")
@example(60, b"\xff\xff")
def test_a_damaged_archive_is_refused_or_gives_what_went_in(
    tmp_path_factory: pytest.TempPathFactory, at: int, noise: bytes
) -> None:
    folder = tmp_path_factory.mktemp("damaged")
    path = made(folder / "a", lambda told, members: None)
    data = bytearray(path.read_bytes())
    at %= len(data)
    data[at : at + len(noise)] = noise
    path.write_bytes(bytes(data))
    try:
        found = taken(path, folder / "out")
    except DeskError:
        return
    assert found == {"a": b"aaa"}


def test_without_room_nothing_is_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "free_bytes", lambda folder: 1 << 20)
    with pytest.raises(Refused, match="1 MiB are free"):
        taken(made(tmp_path / "a", lambda told, members: None), tmp_path / "out")
    assert contents(tmp_path / "out") == {}


def _ended(path: Path, listed: int, *, large: int | None = None, comment: bytes = b"") -> Path:
    """Write the end of an archive whose list of members is said to be so large (``large``: as zip64 says it)."""
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 1, 1, listed, 0, len(comment)) + comment
    if large is not None:
        record = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, large, 0)
        end = record + struct.pack("<4sLQL", b"PK\x06\x07", 0, 1000, 1) + end
    path.write_bytes(b"\0" * 1000 + end)
    return path


@pytest.mark.parametrize(
    ("listed", "large", "comment"),
    [(1 << 30, None, b""), (1 << 30, None, b"by bo"), (0xFFFFFFFF, 1 << 40, b""), (100, 1 << 40, b"")],
)
def test_a_list_of_members_that_would_fill_the_memory_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, listed: int, large: int | None, comment: bytes
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(zipfile, "ZipFile", opened.append)
    file = _ended(tmp_path / "a", listed, large=large, comment=comment)
    with pytest.raises(Refused, match="list of members is too large"), archive.opened(file):
        pass
    assert not opened


def test_a_disk_that_takes_a_part_of_each_piece_gets_all_of_it_in_the_end(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "FileIO", Slow)
    exported(model, tmp_path / "a")
    assert taken(tmp_path / "a", tmp_path / "out") == FILES


@pytest.mark.parametrize("when", ["opened", "written"])
def test_a_disk_that_is_full_is_told_as_such_and_the_archive_is_not_blamed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    file = made(tmp_path / "a", lambda told, members: None)
    monkeypatch.setattr(archive, "FileIO", full if when == "opened" else Full)
    with pytest.raises(Unavailable, match="can't be unpacked: No space left") as raised:
        taken(file, tmp_path / "out")
    assert str(file) not in raised.value.message


class Slow(FileIO):
    """Takes a thousand bytes at a time, as write(2) may."""

    def write(self, data: Any) -> int:
        return super().write(data[:1000])


class Full(FileIO):
    """Has no room left."""

    def write(self, data: Any) -> int:
        full()
        return len(data)


def full(*given: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


A, B = "a" * 64, "b" * 64


def test_each_file_is_told_as_same_changed_missing_or_added() -> None:
    then = [HashedFile("same", A, 1), HashedFile("changed", A, 1), HashedFile("gone", A, 1), HashedFile("unread", A, 1)]
    now = [HashedFile("same", A, 1), HashedFile("changed", B, 1), HashedFile("new", B, 2), HashedFile("unread", "", 0)]
    told = {one.path: (one.state, one.recorded_sha256, one.found_sha256) for one in service.compared(then, now)}
    assert told == {
        "same": ("same", A, A),
        "changed": ("changed", A, B),
        "gone": ("missing", A, None),
        "new": ("added", None, B),
        "unread": ("unknown", A, None),
    }
    assert service.compared(then, now)[-1].path == "same"


def test_without_a_record_nothing_is_told_of_a_file() -> None:
    assert [one.state for one in service.compared(None, [HashedFile("a", A, 1)])] == ["unknown"]


def test_a_model_is_hashed_where_it_lies_and_a_file_that_can_not_be_read_has_no_hash(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = hashing.hashed

    def broken(files: Any, path: str, rate: float | None = None) -> HashedFile:
        if path == "empty":
            raise Refused("changed under us")
        return true(files, path, rate)

    monkeypatch.setattr(hashing, "hashed", broken)
    source = wire.to_builtins(FilesSource(str(model), ""))
    told = {one["path"]: one["sha256"] for one in hashing.work({"source": source})}
    assert told.pop("empty") == ""
    assert told == {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items() if name != "empty"}


def test_a_file_is_hashed_no_faster_than_asked_for(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr(hashing.time, "sleep", slept.append)
    hashing.hashed(FolderFiles(str(model)), "data/model.bin", 1000.0)
    assert slept == [10.0]


def test_what_is_lost_is_told_and_what_comes_along_is_not() -> None:
    lost = {loss.what for loss in import_worker.losses(VERSION)}
    assert lost == {
        "aliases champion", "the id of run r1", "the history of metrics", "infinite metrics", "parameters long", "tags mlflow.user",
    }  # fmt: skip
    assert {loss.what for loss in import_worker.losses(replace(VERSION, aliases=(), run=None))} == {"the run"}


def test_where_a_version_comes_from_is_written_beside_its_runs_own_tags() -> None:
    assert import_worker.origin_tags(VERSION) == {
        "team": "a", "mlflow.runName": "brave", "mlops_desk.import.registry": "http://there",
        "mlops_desk.import.version": "iris/3", "mlops_desk.import.aliases": "champion", "mlops_desk.import.run_id": "r1",
    }  # fmt: skip
