"""The journal beside a database: which frames are sound, and which unsound ones are damage."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from mlops_desk.kit.storage.pages import is_damaged, overlay

FRAME = 24 + 4096


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The journal of three commits, taken while its database was open."""
    path, copy = tmp_path / "a.db", tmp_path / "b.db-wal"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (a)")
        for text in ("one", "two"):
            with connection:
                connection.execute("INSERT INTO t VALUES (?)", (text,))
        shutil.copy(path.with_name("a.db-wal"), copy)
    return copy


def test_every_frame_of_a_whole_journal_counts(journal: Path) -> None:
    pages = overlay(journal, 4096)
    assert b"two" in pages[2]
    assert pages[1].startswith(b"SQLite format 3\0")
    assert not is_damaged(journal, 4096)


def test_a_last_frame_that_was_never_written_whole_is_no_damage(journal: Path) -> None:
    data = bytearray(journal.read_bytes())
    data[-10] ^= 1
    journal.write_bytes(data)
    assert not is_damaged(journal, 4096)
    assert b"one" in overlay(journal, 4096)[2]
    assert b"two" not in overlay(journal, 4096)[2]


@pytest.mark.parametrize("place", [32, 32 + 8, 32 + 16, 32 + 24 + 77])
def test_a_frame_that_is_damaged_anywhere_costs_itself_and_not_the_later_ones(journal: Path, place: int) -> None:
    data = bytearray(journal.read_bytes())
    data[place] ^= 1
    journal.write_bytes(data)
    assert is_damaged(journal, 4096)
    assert b"two" in overlay(journal, 4096)[2]


def test_frames_of_an_earlier_round_do_not_count(journal: Path) -> None:
    data = bytearray(journal.read_bytes())
    for place in range(32 + 2 * FRAME, len(data), FRAME):
        data[place + 8] ^= 1
    journal.write_bytes(data)
    assert not is_damaged(journal, 4096)
    assert b"two" not in overlay(journal, 4096).get(2, b"")


@pytest.mark.parametrize("data", [b"", b"x" * 10, b"x" * 5000])
def test_what_is_no_journal_has_no_pages(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.db-wal"
    assert overlay(path, 4096) == {}
    path.write_bytes(data)
    assert (overlay(path, 4096), is_damaged(path, 4096)) == ({}, False)
