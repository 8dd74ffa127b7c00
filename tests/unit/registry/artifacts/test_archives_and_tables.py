"""Archives, tables, notebooks and tensors: the usual ones, and those that lie about what they hold."""

import bz2
import gzip
import io
import json
import lzma
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import duckdb
import onnx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.registry.artifacts import view as tables
from mlops_desk.registry.artifacts.files import OpenFile
from mlops_desk.registry.artifacts.views import archives, notebooks, tensors
from mlops_desk.registry.artifacts.views import onnx as graphs
from mlops_desk.registry.records.artifact_view import ArtifactView


def of(data: bytes, *, is_whole: bool = True) -> OpenFile:
    return OpenFile(io.BytesIO(data), "/nowhere", len(data), is_whole)


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", compression) as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    return packed.getvalue()


def tarred(entries: dict[str, bytes], mode: str = "w") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as archive:  # type: ignore[call-overload]  # the modes are all literals
        for name, data in entries.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return packed.getvalue()


class Evil:
    def __reduce__(self) -> object:
        return print, ("never",)


def test_a_zip_is_listed_and_pytorchs_pickle_in_it_is_told_by_its_imports() -> None:
    seen = archives.view(
        "w.pt", of(zipped({"w/data.pkl": pickle.dumps(Evil()), "w/data/0": b"\0" * 99, "../x\u202e": b""}))
    )
    assert seen.listing[0] == "imports builtins.print × 1"
    assert "w/data/0  99 B" in seen.listing
    assert "../x\\u202e  0 B" in seen.listing


def test_of_several_pickles_in_a_zip_the_first_is_told_by_its_imports() -> None:
    first, second = b"cbuiltins\nprint\n.", b"cos\nsystem\n."
    view = archives.view("model.pt", of(zipped({"a/data.pkl": first, "b/data.pkl": second})))
    assert [line for line in view.listing if line.startswith("imports")] == ["imports builtins.print × 1"]


@pytest.mark.slow
def test_a_zip_bomb_is_listed_and_never_unpacked() -> None:
    bomb = zipped({"w/data.pkl": b"\x80\x04" + b"N0" * 40_000_000 + b".", "b": b"\0" * 50_000_000})
    assert len(bomb) < 300_000
    seen = archives.view("w.pt", of(bomb))
    assert any(line.startswith("b  50,000,000") for line in seen.listing)


def test_of_pytorchs_pickle_no_more_is_unpacked_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_PICKLE_BYTES", 1000)
    late = b"\x80\x04" + b"N0" * 1000 + b"cos\nsystem\n."
    assert archives.view("w.pt", of(zipped({"w/data.pkl": late}))).listing == ("w/data.pkl  2,014 B",)


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_is_listed_however_it_is_packed(mode: str) -> None:
    seen = archives.view("a.tar", of(tarred({"a/b": b"12", "/etc/passwd": b""}, mode)))
    assert (seen.language, seen.listing, seen.is_cut) == ("tar", ("a/b  2 B", "/etc/passwd  0 B"), False)


def test_a_tar_that_unpacks_without_end_is_gone_through_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_UNPACKED_BYTES", 1 << 20)
    seen = archives.view("a.tgz", of(tarred({"a": b"\0" * (8 << 20), "b": b"x"}, "w:gz")))
    assert seen.is_cut
    assert seen.listing[0].startswith("a  ")


def test_archives_of_very_many_entries_are_listed_in_part() -> None:
    many = {f"{number:05}": b"" for number in range(archives.MOST_LISTED + 7)}
    seen = archives.view("a.zip", of(zipped(many)))
    assert (len(seen.listing), seen.listing[-1], seen.is_cut) == (archives.MOST_LISTED + 1, "… 7 more", True)
    seen = archives.view("a.tar", of(tarred(many)))
    assert (len(seen.listing), seen.is_cut) == (archives.MOST_LISTED, True)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_packed_text_shows_how_it_begins(pack: Callable[[bytes], bytes]) -> None:
    assert archives.view("a.log.gz", of(pack(b"hello\n"))).text == "hello\n"
    seen = archives.view("a.gz", of(pack(b"\0\1\2" * 9)))
    assert (seen.text, seen.listing) == (None, ("packed, and no text",))


@pytest.mark.parametrize(
    "data",
    [
        b"PK\x03\x04nonsense",
        zipped({"a": b"1"})[:-5],
        gzip.compress(b"x" * 999)[:20],
        b"\x1f\x8b\x08",
        b"BZh9x",
        b"\xfd7zXZ\x00x",
    ],
    ids=["zip nonsense", "zip torn", "gzip torn", "gzip begun", "bz2", "xz"],  # archives have the time in them
)
def test_a_damaged_archive_says_so(data: bytes) -> None:
    with pytest.raises(Invalid, match="can't be read"):
        archives.view("a", of(data))


def test_an_archive_that_is_not_here_as_a_whole_is_not_guessed_at() -> None:
    with pytest.raises(Invalid, match="too large"):
        archives.view("a.zip", of(zipped({"a": b""}), is_whole=False))


# -- tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "columns", "rows"),
    [
        ("a,b\n1,2\n", ("a", "b"), (("1", "2"),)),
        ('a;b\n1;"x;y"\n', ("a", "b"), (("1", "x;y"),)),
        ("a,b\n1\n1,2,3\n", ("a", "b", ""), (("1", None, None), ("1", "2", "3"))),
        ("a\nNaN\n\n", ("a",), (("NaN",),)),
        ('a,b\n"one\ntwo",2\n', ("a", "b"), (("one\\ntwo", "2"),)),
        ("\ufeffa,b\n\u202e,\n", ("a", "b"), (("\\u202e", ""),)),
    ],
)
def test_a_csv_file_is_shown_as_texts(
    text: str, columns: tuple[str, ...], rows: tuple[tuple[str | None, ...], ...]
) -> None:
    table = tables.view_csv("a.csv", of(text.encode())).table
    assert table is not None
    assert (table.columns, table.rows, table.n_rows) == (columns, rows, len(rows))


def test_of_a_large_csv_file_the_first_rows_are_shown() -> None:
    text = "a,b\n" + "".join(f"{row},{'x' * 90}\n" for row in range(20_000))
    seen = tables.view_csv("a.csv", of(text.encode()))
    assert seen.table is not None
    assert (len(seen.table.rows), seen.table.n_rows, seen.is_cut) == (200, None, True)
    wide = ",".join(map(str, range(900)))
    seen = tables.view_csv("a.csv", of(f"{wide}\n{wide}\n".encode()))
    assert seen.table is not None
    assert (len(seen.table.columns), len(seen.table.rows[0]), seen.is_cut) == (200, 200, True)
    long = tables.view_csv("a.csv", of(f"a,b\n1,{'y' * (2 << 20)}".encode()))
    assert long.is_cut


@given(st.text(max_size=200))
@example('"')
@example("\0,a\n1,\0")
@example("\r\r\n")
def test_no_text_is_too_odd_for_a_table(text: str) -> None:
    try:
        seen = tables.view_csv("a.csv", of(text.encode("utf-8", "replace")))
    except Invalid:
        return
    assert seen.table is not None
    assert {len(row) for row in seen.table.rows} <= {len(seen.table.columns)}


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "it's.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"""COPY (SELECT range AS a, CASE WHEN range = 1 THEN NULL ELSE 'x' END AS "q""uoted",
            [1, 2] AS l, {{'k': 1}} AS s, 'NaN'::DOUBLE AS n, repeat('y', 999) AS t FROM range(1000))
            TO '{str(path).replace("'", "''")}' (FORMAT parquet)""")
    return path


def opened(path: Path, *, is_whole: bool = True) -> OpenFile:
    return OpenFile(io.BytesIO(), str(path), path.stat().st_size, is_whole)


def test_the_first_rows_of_a_parquet_file_and_how_many_there_are(parquet: Path) -> None:
    seen = tables.view_parquet("a.parquet", opened(parquet))
    table = seen.table
    assert table is not None
    assert table.columns[:3] == ("a (bigint)", 'q"uoted (varchar)', "l (integer[])")
    assert (table.rows[1][:5], table.n_rows, len(table.rows)) == (("1", None, "[1, 2]", "{'k': 1}", "nan"), 1000, 200)
    assert table.rows[0][5] == "y" * 200 + "…"
    assert seen.is_cut


def test_duckdb_may_open_that_one_file_and_no_other(parquet: Path) -> None:
    connection = tables._connect(str(parquet))
    with pytest.raises(duckdb.Error):
        connection.execute("SELECT * FROM read_csv('/etc/passwd')")
    with pytest.raises(duckdb.Error):
        connection.execute("SET enable_external_access = true")
    with pytest.raises(duckdb.Error):
        connection.execute(f"COPY (SELECT 1) TO '{parquet.parent}/written.csv'")
    connection.close()


def test_a_parquet_file_that_is_none_or_not_whole_says_so(parquet: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(parquet.read_bytes()[:-9])
    with pytest.raises(Invalid, match="can't be read as a Parquet file"):
        tables.view_parquet("a", opened(broken))
    with pytest.raises(Invalid, match="too large"):
        tables.view_parquet("a", opened(parquet, is_whole=False))


# -- notebooks ---------------------------------------------------------------------------------


def notebook(*cells: object, **more: object) -> ArtifactView:
    return notebooks.view("n.ipynb", of(json.dumps({"cells": cells, **more}).encode()))


def test_a_notebook_is_its_cells_and_what_was_printed() -> None:
    outputs = [
        {"output_type": "stream", "text": ["one\n", "two"]},
        {"output_type": "execute_result", "data": {"text/plain": "3", "image/png": "abcd", "text/html": "<script>"}},
        {"output_type": "error", "ename": "ValueError", "evalue": "no\x1b[31m"},
    ]
    seen = notebook(
        {"cell_type": "markdown", "source": ["# T"]},
        {"cell_type": "code", "source": "1 + 2", "execution_count": 7, "outputs": outputs},
    )
    assert seen.text == (
        "# T\n\nIn [7]:\n1 + 2\n\none\ntwo\n\nOut: 3\n[image/png, 4 characters]\n[text/html, 8 characters]\n\n"
        "ValueError: no\\x1b[31m"
    )


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"cells": 3}', b"[" * 100_000, b"\xff\xfe"])
def test_what_is_no_notebook_says_so(data: bytes) -> None:
    with pytest.raises(Invalid):
        notebooks.view("n.ipynb", of(data))


def test_odd_cells_are_passed_over() -> None:
    odd = (
        3,
        None,
        {},
        {"cell_type": "code"},
        {"cell_type": "code", "source": 4, "outputs": [4, {"data": 3}, {}], "execution_count": "x"},
    )
    assert notebook(*odd, metadata={"kernelspec": 3}).problem is None
    assert notebook(*[{"cell_type": "raw", "source": "x" * 1000}] * 2000).is_cut


# -- tensors and graphs ------------------------------------------------------------------------


def safetensors(header: object, length: int | None = None) -> bytes:
    written = json.dumps(header).encode()
    return struct.pack("<Q", len(written) if length is None else length) + written


def test_the_tensors_of_a_file_are_listed_in_their_order() -> None:
    header = {
        "__metadata__": {"format": "pt"},
        "w": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
        "b": {"dtype": "F16", "shape": []},
    }
    assert tensors.view("a", of(safetensors(header))).listing == (
        "2 tensors",
        "format: pt",
        "w  F32  2 × 3",
        "b  F16  ",
    )
    many = tensors.view("a", of(safetensors({str(n): {} for n in range(3000)})))
    assert (many.is_cut, many.listing[0]) == (True, "3,000 tensors")


@pytest.mark.parametrize(
    "data",
    [b"", b"\1\0", safetensors([1]), safetensors({}, 1 << 60), safetensors({}, 1), struct.pack("<Q", 9) + b"nonsense!"],
)
def test_what_are_no_tensors_says_so(data: bytes) -> None:
    with pytest.raises(Invalid):
        tensors.view("a", of(data))


def graph(n_nodes: int = 3) -> bytes:
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, "width", 4])
    y = helper.make_tensor_value_info("y", TensorProto.INT64, [])
    nodes = [helper.make_node("Relu", ["x"], [f"n{n}"]) for n in range(n_nodes)]
    weights = [helper.make_tensor("w", TensorProto.FLOAT, [1000], [0.0] * 1000)]
    made = helper.make_graph([*nodes, helper.make_node("ArgMax", ["n0"], ["y"])], "g", [x], [y], weights)
    model = helper.make_model(
        made, producer_name="me\u202e", producer_version="1.2", opset_imports=[helper.make_opsetid("", 17)]
    )
    data: bytes = model.SerializeToString()
    return data


def test_a_graph_is_told_as_the_library_made_it() -> None:
    assert onnx.load_from_string(graph()).graph.input[0].name == "x"
    assert graphs.view("m.onnx", of(graph())).listing == (
        "made by me\\u202e 1.2", "opset 17", "input x  float32  ? × width × 4", "output y  int64  scalar",
        "1 tensors of weights", "Relu × 3", "ArgMax × 1",
    )  # fmt: skip


def test_a_graph_of_very_many_parts_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "_MOST_FIELDS", 100)
    with pytest.raises(Invalid, match="more parts"):
        graphs.view("m.onnx", of(graph(200)))


@given(st.binary(max_size=120))
@example(b"\x80" * 40)
@example(graph()[:-7])
@example(b"\x3a\xff\xff\xff\xff\x0f")
def test_no_bytes_are_too_odd_for_a_graph(data: bytes) -> None:
    try:
        graphs.view("m.onnx", of(data))
    except DeskError:
        return


def test_a_graph_that_is_cut_off_is_none() -> None:
    with pytest.raises(Invalid, match="fit into one another"):
        graphs.view("m.onnx", of(graph()[:-7]))


@given(st.integers(0, 400), st.integers(0, 255))
def test_a_graph_with_a_wrong_byte_is_told_or_refused(place: int, byte: int) -> None:
    data = bytearray(graph())
    data[place % len(data)] = byte
    try:
        graphs.view("m.onnx", of(bytes(data)))
    except DeskError:
        return


@pytest.mark.slow
def test_a_zip_of_very_many_members_is_not_gone_through_but_told() -> None:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for number in range(40_000):
            archive.writestr(f"a/member-{number:08}", b"")
    with pytest.raises(Invalid, match=r"too many members to be listed here: its own list of them has .* are read"):
        archives.view("many.zip", of(held.getvalue()))
