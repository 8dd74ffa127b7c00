"""What comes from the worker is not trusted: it runs as a person."""

import io
import json
import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.provenance.source.snapshot_stream import (
    FactsEntry,
    FileEntry,
    Limits,
    LinkEntry,
    is_inside,
    leads_inside,
    read_entries,
    write_head,
)
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable

ROOM = Limits(1000, 100)
END = {"kind": "end"}


def packed(*heads):
    stream = io.BytesIO()
    for head in heads:
        if isinstance(head, bytes):
            stream.write(head)
        else:
            write_head(stream, head)
    stream.seek(0)
    return stream


def a_file(path, size=0):
    return {"kind": "file", "path": path, "size": size, "executable": False}


def a_link(path, target):
    return {"kind": "link", "path": path, "target": target}


def test_what_was_written_is_read():
    heads = [{"kind": "facts", "facts": {"commit": "c"}}, a_file("a/b"), a_link("l", "a/b"), END]
    assert list(read_entries(packed(*heads), ROOM)) == [
        FactsEntry({"commit": "c"}), FileEntry("a/b", 0), LinkEntry("l", "a/b")
    ]  # fmt: skip


@pytest.mark.parametrize(
    "heads",
    [
        [a_file("../x")],
        [a_file("/etc/passwd")],
        [a_file("a/../../x")],
        [a_file("a//b")],
        [a_file("./a")],
        [a_file("")],
        [a_file("a\0b")],
        [a_file("x" * 256)],
        [a_file("/".join(["x" * 200] * 30))],
        [a_file("\ud800")],
        [a_file(7)],
        [a_file("a", -1)],
        [a_file("a", True)],
        [a_file("a", "1")],
        [a_file("a", 1001)],
        [{"kind": "socket", "path": "a", "size": 0}],
        [{"path": "a"}],
        [a_file("a"), a_file("a")],
        [a_link("a", "b"), a_file("a/c")],
        [a_file("a"), a_file("a/c")],
        [a_file("a/c"), a_link("a", "b")],
        [a_link("a", "/etc")],
        [a_link("a", "..")],
        [a_link("a/b", "../../x")],
        [a_link("a", "b/../../x")],
        [a_link("a", "")],
        [a_link("a", None)],
        [a_link("a", "x\0")],
        [a_file(str(number)) for number in range(101)],
    ],
)
def test_what_is_no_snapshot_is_refused_and_nothing_of_it_is_kept(heads, tmp_path):
    store = SnapshotStore(tmp_path / "store")
    with pytest.raises(Refused):
        store.keep(packed(*heads, END), ROOM)
    assert not (tmp_path / "store" / "snapshots").exists()
    assert not list(tmp_path.glob("store/trees/*"))


@pytest.mark.parametrize(
    "stream",
    [
        b"", b"\0\0", struct.pack(">I", 5), struct.pack(">I", 1 << 31) + b"x" * 100, struct.pack(">I", 2) + b"[]",
        struct.pack(">I", 3) + b"{x}", packed(a_file("a")).read(), packed(a_file("a", 5), b"ab").read(),
    ],
)  # fmt: skip
def test_what_is_cut_off_is_no_snapshot(stream, tmp_path):
    with pytest.raises(Unavailable):
        SnapshotStore(tmp_path).keep(io.BytesIO(stream), ROOM)
    assert not list(tmp_path.glob("files/*/*"))


def test_what_the_worker_says_is_wrong_is_said():
    with pytest.raises(NotFound, match="no folder"):
        list(read_entries(packed({"kind": "error", **NotFound("There is no folder.").told()}), ROOM))


@given(st.binary(max_size=200))
def test_no_stream_does_more_than_fail(data):
    stream = io.BytesIO(struct.pack(">I", len(data)) + data)
    try:
        list(read_entries(stream, ROOM))
    except DeskError as error:
        assert error.message  # noqa: PT017 - any other error is what is looked for


@given(st.lists(st.sampled_from(["..", ".", "a", "b", "", "\udc80"]), max_size=6).map("/".join))
def test_what_is_inside_stays_inside(path):
    joined = os.path.normpath(f"/root/{path}")
    if is_inside(path):
        assert joined == "/root/" + path
    if leads_inside("a/b/link", path):
        assert os.path.normpath(f"/r/a/b/{path}").startswith("/r")


def test_an_entry_is_ascii_json():
    stream = io.BytesIO()
    write_head(stream, a_file("é\udcff"))
    assert json.loads(stream.getvalue()[4:])["path"] == "é\udcff"
