"""The files of a snapshot as texts: nothing is read before it is asked for, and no link followed."""

import shutil

import pytest

from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.provenance.source.texts import kept_texts
from tests.unit.jobs.provenance.source.test_store import keep


@pytest.fixture
def store(tmp_path):
    return SnapshotStore(tmp_path / "sources")


def test_files_are_texts_and_what_is_none_says_so(store, monkeypatch):
    monkeypatch.setattr("mlops_desk.jobs.provenance.source.texts._LONGEST_BYTES", 10)
    files = {"a.py": "x = 'é'\n".encode(), "b.bin": b"\xff\xfe", "nul": b"a\0b", "big": b"x" * 11, "ten": b"x" * 10}
    found = kept_texts(store, keep(store, files, links={"link": "a.py"}).sha256)
    assert {path: one.read() for path, one in found.items()} == {
        "a.py": "x = 'é'\n", "b.bin": None, "nul": None, "big": None, "ten": "x" * 10, "link": "a link to a.py\n",
    }  # fmt: skip


def test_the_same_content_has_the_same_digest(store):
    sha256 = keep(store, {"a": b"1", "b": b"1", "c": b"2"}).sha256
    found = kept_texts(store, sha256)
    assert found["a"].digest == found["b"].digest != found["c"].digest


def test_what_is_not_kept_any_more_is_none(store):
    assert kept_texts(store, "a" * 64) is None
    sha256 = keep(store, {"a": b"1"}).sha256
    found = kept_texts(store, sha256)
    shutil.rmtree(store.tree(sha256))
    assert kept_texts(store, sha256) is None
    assert found["a"].read() is None
