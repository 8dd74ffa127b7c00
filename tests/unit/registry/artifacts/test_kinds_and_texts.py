"""What kind a file is of, by how it begins more than by its name; and texts, made plain."""

import io
import json
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.registry.artifacts.views import texts
from mlops_desk.registry.artifacts.views.kinds import kind_of, language_of


@pytest.mark.parametrize(
    ("path", "head", "kind"),
    [
        ("a.png", b"\x89PNG\r\n\x1a\n", "image"), ("a.txt", b"\xff\xd8\xff\xe0", "image"), ("a.csv", b"PAR1", "parquet"),
        ("picture.png", b"<svg onload='x'>", "text"), ("a.svg", b"<svg>", "code"), ("a.md", b"# x", "markdown"),
        ("a.json", b"{}", "json"), ("n.ipynb", b"{}", "notebook"), ("p.html", b"<html>", "html"), ("t.tsv", b"a\tb", "csv"),
        ("m.pkl", b"\x80\x04\x95", "pickle"), ("m.txt", b"\x80\x05\x95", "pickle"), ("weights.pt", b"PK\x03\x04", "archive"),
        ("m.onnx", b"\x08\x08\x12", "onnx"), ("m.onnx", b"\x08\x00\x12", "onnx"), ("m.safetensors", b"\x10\0\0\0\0\0\0\0{", "safetensors"),
        ("m.joblib", b"\x78\x5e\xff\xfe", "pickle"), ("x", b"\0\1\2", "binary"), ("a.csv", b"\0\1", "binary"),
        ("a.h5", b"\x89HDF\r\n\x1a\n", "hdf5"), ("a.webp", b"RIFF\0\0\0\0WEBP", "image"), ("a.wav", b"RIFF\0\0\0\0WAVE", "binary"),
        ("a", b"\0" * 257 + b"ustar", "archive"), ("BMW.txt", b"BMW is a car", "text"), ("a.bmp", b"BM\x9a\0\0\0", "image"),
        ("empty", b"", "text"), ("cut", "ü".encode()[:1], "text"), ("latin", b"\xfcber alles", "binary"),
        ("u16.txt", "\ufeffhi".encode("utf-16-le"), "text"), ("train.py", b"import os", "code"), ("MLmodel", b"a: 1", "code"),
    ],
)  # fmt: skip
def test_a_file_is_what_it_begins_as(path: str, head: bytes, kind: str) -> None:
    assert kind_of(path, head) == kind


def test_languages_go_by_the_name() -> None:
    assert [language_of(name) for name in ("a/MLmodel", "x.py", "Dockerfile", "a.yml", "notes")] == [
        "yaml", "python", "dockerfile", "yaml", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("data", "text"),
    [(b"a\r\nb\rc", "a\nb\nc"), ("\u202eevil\x1b[2J".encode(), "\\u202eevil\\x1b[2J"), (b"\xef\xbb\xbfa", "a"),
     ("\ufeffhi".encode("utf-16-le"), "hi"), (b"\xff a", "\ufffd a"), (b"a\tb\0", "a\tb\\x00")],
)  # fmt: skip
def test_a_text_is_shown_with_what_is_invisible_made_visible(data: bytes, text: str) -> None:
    assert texts.read_text(io.BytesIO(data)) == (text, False)


def test_a_long_text_is_cut_and_says_so() -> None:
    text, is_cut = texts.read_text(io.BytesIO(b"a\n" * texts.SHOWN_BYTES))
    assert (len(text), is_cut) == (texts.SHOWN_BYTES, True)
    text, is_cut = texts.read_text(io.BytesIO(b"x" * 20_000))
    assert (len(text), text[-1], is_cut) == (10_001, "…", False)


@given(st.binary(max_size=300))
@example("a\u2028b\u2029".encode())
def test_nothing_that_steers_a_screen_is_left(data: bytes) -> None:
    text, _ = texts.read_text(io.BytesIO(data))
    assert not [c for c in text if c not in "\n\t" and unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"}]


def test_json_in_one_line_is_laid_out_and_any_other_left_as_it_is() -> None:
    assert texts.read_json(io.BytesIO(b'{"a":[1,"\xc3\xbc"]}')) == ('{\n  "a": [\n    1,\n    "ü"\n  ]\n}', False)
    written = json.dumps({"a": 1}, indent=4).encode()
    assert texts.read_json(io.BytesIO(written)) == (written.decode(), False)
    assert texts.read_json(io.BytesIO(b'{"a": nonsense')) == ('{"a": nonsense', False)
    assert texts.read_json(io.BytesIO(b"[" * 5000)) == ("[" * 5000, False)
    assert texts.read_json(io.BytesIO(b"[" + b"1,\n" * texts.SHOWN_BYTES))[1]
    assert texts.read_json(io.BytesIO(b"[" + b"1," * (texts.SHOWN_BYTES // 4) + b"1]"))[1]
