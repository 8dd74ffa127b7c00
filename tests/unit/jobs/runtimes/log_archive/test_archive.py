"""A kept log has each line once, whatever the agent lives to write; and any part of it is read by itself."""

import os
import shutil
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.engines.log_lines import LONGEST_BYTES, LineFolder, shown
from mlops_desk.jobs.runtimes.log_archive import blocks, reader
from mlops_desk.jobs.runtimes.log_archive.blocks import KeptPart, LogWriter, has_ended, parts
from mlops_desk.jobs.runtimes.log_archive.budget import trim, was_removed

START = 1_700_000_000.0
ENOUGH = 1 << 30


def stamp_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def write(folder: Path, count: int, first: int = 0, most_bytes: int = ENOUGH) -> LogWriter:
    made = LogWriter(folder, most_bytes)
    for number in range(first, first + count):
        made.add(START + number, stamp_of(START + number), b"line %d" % number)
    return made


def texts(folder: Path, **wanted: object) -> list[str]:
    return [line.text.decode() for line in reader.lines(folder, **wanted)]


STEPS = st.lists(st.tuples(st.integers(0, 12), st.sampled_from(["kill", "tear", "flush", "go on"])), max_size=12)
GAPS = st.lists(st.sampled_from([0.0, 0.0, 0.001, 0.4, -0.3, 1.5, 30.0]), min_size=1, max_size=60)


@settings(max_examples=150)
@given(GAPS, STEPS, st.data())
@example([0.0, 0.0, 0.0], [(2, "flush"), (0, "kill")], None)
@example([1.5, -0.3, 0.001], [(1, "flush"), (0, "kill"), (1, "flush"), (0, "kill")], None)
def test_no_line_is_lost_and_none_comes_twice_whenever_the_agent_dies(gaps, steps, data):
    """The engine tells again what it has from two seconds before a time on; it never forgets here."""
    at, told = START, []
    for number, gap in enumerate(gaps):
        at = max([at + gap, *(earlier - 1.0 for earlier, *_ in told)])  # two streams are never further apart
        told.append((at, f"{stamp_of(at)}-{number if gap else 'same'}", b"%d" % number))
    with TemporaryDirectory() as name:
        folder = Path(name)
        log, source = LogWriter(folder, ENOUGH), iter(told)
        for count, then in steps:
            for piece in islice(source, count):
                log.add(*piece)
            if then == "flush":
                log.flush()
            elif then in {"kill", "tear"}:
                if then == "tear" and data is not None:
                    tear(folder, data)
                log = LogWriter(folder, ENOUGH)
                since = log.last_at - blocks.OVERLAP_SECONDS
                source = iter([piece for piece in told if piece[0] >= since])
        for piece in source:
            log.add(*piece)
        log.end()
        kept = [line.text for line in reader.lines(folder)]
    assert sorted(kept, key=int) == [text for *_, text in told]


def tear(folder: Path, data: st.DataObject) -> None:
    """Cut one of the files short, as a machine that loses its power may leave it."""
    files = sorted(path for part in parts(folder) for path in (part.data, part.index) if path.exists())
    if files:
        path = data.draw(st.sampled_from(files))
        os.truncate(path, data.draw(st.integers(0, path.stat().st_size)))


def test_what_is_kept_is_a_zstd_file_that_any_tool_reads(tmp_path):
    write(tmp_path, 3).flush()
    write(tmp_path, 2, first=3).end()
    with (tmp_path / "0.zst").open("rb") as file, zstandard.open(file, "rt") as text:
        lines = text.read().splitlines()
    assert [line.partition(" ")[2] for line in lines] == [f"line {number}" for number in range(5)]
    assert lines[0].startswith("2023-11-14T22:13:20")


def test_any_lines_are_read_by_themselves(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 200)
    write(tmp_path, 500).end()
    read = []
    real = KeptPart.read
    monkeypatch.setattr(KeptPart, "read", lambda self, block: read.append(block) or real(self, block))
    assert [line.text.decode() for line in reader.tail(tmp_path, 2)] == ["line 498", "line 499"]
    assert texts(tmp_path, first=250, end=253) == ["line 250", "line 251", "line 252"]
    assert texts(tmp_path, since=START + 497) == ["line 497", "line 498", "line 499"]
    assert len(read) <= 6
    assert list(reader.tail(tmp_path, 0)) == []
    assert len(list(reader.tail(tmp_path, 9000))) == 500
    assert texts(tmp_path / "nothing") == []


def test_of_a_log_that_never_ends_the_end_is_kept_and_lines_keep_their_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 100)
    log = write(tmp_path, 2000, most_bytes=8000)
    log.end()
    kept = texts(tmp_path)
    assert kept == [f"line {number}" for number in range(2000 - len(kept), 2000)]
    assert len(kept) >= 50
    assert sum(part.size_bytes() for part in parts(tmp_path)) <= 10_000
    assert texts(tmp_path, first=1990, end=1991) == ["line 1990"]
    assert LogWriter(tmp_path, 8000).count == 2000


def test_a_damaged_block_is_told_and_costs_only_itself(tmp_path):
    log = write(tmp_path, 3)
    log.flush()
    write(tmp_path, 2, first=3).end()
    with (tmp_path / "0.zst").open("r+b") as file:
        file.seek(20)
        file.write(b"\xff\xff")
    assert texts(tmp_path) == ["--- 3 lines of the log are damaged and can't be read ---", "line 3", "line 4"]
    write(tmp_path, 1, first=5).end()
    assert texts(tmp_path)[-1] == "line 5"


def test_a_full_disk_loses_nothing_that_was_written_and_keeps_the_rest_waiting(tmp_path, monkeypatch):
    log = write(tmp_path, 3)
    log.flush()
    append = KeptPart.append

    def half(self, lines, *rest):
        with self.data.open("ab") as file:
            file.write(b"half a frame")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(KeptPart, "append", half)
    log.add(START + 3, stamp_of(START + 3), b"line 3")
    with pytest.raises(OSError, match="No space"):
        log.end()
    assert not has_ended(tmp_path)
    assert texts(tmp_path) == ["line 0", "line 1", "line 2"]
    monkeypatch.setattr(KeptPart, "append", append)
    log.end()
    assert texts(tmp_path) == ["line 0", "line 1", "line 2", "line 3"]
    assert has_ended(tmp_path)
    with (tmp_path / "0.zst").open("rb") as file, zstandard.open(file, "rt") as text:
        assert len(text.read().splitlines()) == 4  # nothing stands between the frames


def test_the_logs_that_ended_first_go_first_and_what_runs_keeps_its_own(tmp_path):
    folders = [tmp_path / name for name in ("old", "new", "runs")]
    for number, folder in enumerate(folders):
        log = write(folder, 50)
        log.flush()
        if folder.name != "runs":
            log.end()
            os.utime(folder / "ended", (START + number, START + number))
    sizes = {folder.name: sum(part.size_bytes() for part in parts(folder)) for folder in folders}
    assert trim(folders, sum(sizes.values())) == 0
    assert trim(folders, sum(sizes.values()) - 1) == 1
    assert [was_removed(folder) for folder in folders] == [True, False, False]
    assert trim(folders, 0) == 1
    assert (texts(folders[0]), texts(folders[1]), len(texts(folders[2]))) == ([], [], 50)
    assert trim(folders, 0) == 0
    shutil.rmtree(folders[0])


def test_a_progress_bar_does_not_grow_the_log(tmp_path):
    folded, log = LineFolder(), LogWriter(tmp_path, ENOUGH)
    for number in range(20_000):
        for line in folded.feed(f"\r{number // 200:3d}%|####  | {number}/20000".encode()):
            log.add(START, stamp_of(START), line)
    assert folded.painted == b" 99%|####  | 19999/20000"
    for line in folded.feed(b"\r100%|#####| 20000/20000\n"):
        log.add(START, stamp_of(START), line)
    log.end()
    assert texts(tmp_path) == ["100%|#####| 20000/20000"]


@given(st.lists(st.binary(max_size=300), max_size=20), st.data())
def test_lines_are_the_same_however_they_come_in_pieces(chunks, data):
    whole = b"".join(chunks)
    place = data.draw(st.integers(0, len(whole)))
    one, two = LineFolder(), LineFolder()
    assert one.feed(whole) == two.feed(whole[:place]) + two.feed(whole[place:])
    assert one.painted == two.painted
    assert all(len(line) <= LONGEST_BYTES and b"\n" not in line for line in one.feed(b"\n"))


@given(st.binary(max_size=300))
@example(b"\x1b[1;31mred\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07")
def test_what_is_shown_commands_no_terminal(line):
    assert not set(shown(line)) & {chr(code) for code in [*range(32), *range(127, 160)]}


def test_colours_are_kept_in_the_log_and_left_out_where_it_is_shown(tmp_path):
    log = LogWriter(tmp_path, ENOUGH)
    log.add(START, stamp_of(START), b"\x1b[31mred\x1b[0m")
    log.end()
    (line,) = reader.lines(tmp_path)
    assert (line.text, shown(line.text)) == (b"\x1b[31mred\x1b[0m", "red")
