"""What the stream of a log has skipped is put in its place, from the engine's own log."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mlops_desk.engines.engine import LogPiece
from mlops_desk.jobs.runtimes.local.log_capture import tees as listening
from mlops_desk.jobs.runtimes.local.log_capture.tees import Tee
from mlops_desk.jobs.runtimes.log_archive import blocks, reader
from mlops_desk.jobs.runtimes.log_archive.attempt_log import KeptLog
from mlops_desk.jobs.runtimes.log_archive.blocks import LogWriter, parts
from mlops_desk.jobs.runtimes.log_archive.log_gaps import Comparison, compared_to, note_compared, told_lines

START = 1_700_000_000.0
ENOUGH = 1 << 30
STEP_SECONDS = 0.1


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "_BLOCK_BYTES", 64)


class EngineWithLog:
    """An engine that has lines ``first`` … ``count`` of a log, one each tenth of a second."""

    def __init__(self, count: int, first: int = 0) -> None:
        self.pieces = [piece(number) for number in range(first, count)]
        self.asked: list[float] = []

    def log_pieces(self, _name: str, *, since: float = 0.0) -> Iterable[LogPiece]:
        self.asked.append(since)
        return [one for one in self.pieces if one.at >= since - 2.0]


def stamp_of(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat()


def texts(folder: Path, first: int = 0) -> list[str]:
    return [line.text.decode() for line in reader.lines(folder, first=first)]


def piece(number: int, text: bytes | None = None) -> LogPiece:
    at = START + number * STEP_SECONDS
    return LogPiece(at, stamp_of(at), text or b"line %d\n" % number)


def heard(folder: Path, numbers: Iterable[int]) -> LogWriter:
    """Return what has heard just these lines."""
    made = LogWriter(folder, ENOUGH)
    for number in numbers:
        one = piece(number)
        made.add(one.at, one.stamp, one.data.rstrip(b"\n"))
    return made


def named(numbers: Iterable[int]) -> list[str]:
    return [f"line {number}" for number in numbers]


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 120), st.sets(st.integers(0, 119)), st.integers(0, 60))
@example(10, {3, 4}, 0)
@example(10, set(range(10)), 0)
@example(10, {0}, 0)
@example(10, {9}, 0)
@example(50, {40}, 20)
def test_a_log_that_is_over_is_whole_and_in_order_whatever_the_stream_has_skipped(count, skipped, forgotten):
    """What the engine has forgotten stays as it was heard."""
    with TemporaryDirectory() as name:
        folder = Path(name) / "log"
        heard(folder, [number for number in range(count) if number not in skipped]).flush()
        forgotten = min(forgotten, count)
        KeptLog(folder, Path(name) / "old").complete(EngineWithLog(count, forgotten), "c", ENOUGH)
        before = [number for number in range(forgotten) if number not in skipped]
        assert texts(folder) == named([*before, *range(forgotten, count)])


def test_while_a_job_runs_the_log_is_mended_up_to_what_was_heard_last(tmp_path):
    log = heard(tmp_path, [*range(20), *range(30, 40)])
    log.flush()
    comparison = Comparison(log, tmp_path, 0.0)
    comparison.mend(told_lines(EngineWithLog(60).pieces, to_the_end=False), piece(39).stamp)
    assert comparison.cut_at == 20
    for number in range(40, 60):  # the stream goes on where it was
        one = piece(number)
        log.add(one.at, one.stamp, one.data.rstrip(b"\n"))
    log.end()
    assert texts(tmp_path) == named(range(60))


def test_a_log_without_a_hole_is_left_as_it_is(tmp_path):
    log = heard(tmp_path, range(40))
    log.flush()
    written = [(part.data.read_bytes(), part.index.read_bytes()) for part in parts(tmp_path)]
    comparison = Comparison(log, tmp_path, 0.0)
    comparison.mend(told_lines(EngineWithLog(60).pieces, to_the_end=False), piece(39).stamp)
    log.flush()
    assert comparison.cut_at is None
    assert [(part.data.read_bytes(), part.index.read_bytes()) for part in parts(tmp_path)] == written


def test_a_line_without_an_end_is_one_only_once_the_log_is_over(tmp_path):
    torn = [*EngineWithLog(3).pieces, piece(3, b"still go")]
    assert [line.text for line in told_lines(torn, to_the_end=False)] == [b"line 0", b"line 1", b"line 2"]
    assert [line.text for line in told_lines(torn, to_the_end=True)][-1] == b"still go"


def test_what_was_compared_is_not_asked_for_again(tmp_path):
    assert compared_to(tmp_path) == 0.0
    log = heard(tmp_path, range(300))
    log.flush()
    note_compared(tmp_path, log.last_at)
    engine = EngineWithLog(310)
    KeptLog(tmp_path, tmp_path / "old").complete(engine, "c", ENOUGH)
    assert engine.asked == [pytest.approx(START + 29.9, abs=0.001)]
    assert texts(tmp_path) == named(range(310))


def test_a_mark_that_nobody_can_read_means_all_is_compared(tmp_path):
    (tmp_path / "compared").write_bytes(b"\xff\x00")
    assert compared_to(tmp_path) == 0.0


def test_a_damaged_block_is_had_from_the_engine_again(tmp_path):
    heard(tmp_path, range(100)).flush()
    first = parts(tmp_path)[0]
    with first.data.open("r+b") as file:
        file.seek(first.blocks()[3].offset + 12)
        file.write(b"\xff\xff\xff")
    KeptLog(tmp_path, tmp_path / "old").complete(EngineWithLog(100), "c", ENOUGH)
    assert texts(tmp_path) == named(range(100))


def test_lines_that_were_dropped_for_room_are_not_told_again(tmp_path):
    log = LogWriter(tmp_path, 1500)
    for number in range(800):
        one = piece(number)
        log.add(one.at, one.stamp, one.data.rstrip(b"\n"))
    log.flush()
    kept = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert texts(tmp_path)[0] != "line 0"
    KeptLog(tmp_path, tmp_path / "old").complete(EngineWithLog(800), "c", 1500)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir() if path.name != "ended"} == kept


@pytest.mark.parametrize("number", [0, 1, 5, 39, 40])
def test_what_is_cut_off_is_gone_and_lines_keep_their_numbers(tmp_path, number):
    log = heard(tmp_path, range(40))
    log.cut(number)
    assert log.count == number
    assert texts(tmp_path) == named(range(number))
    log.put(START + 99, stamp_of(START + 99), b"new")
    log.end()
    assert texts(tmp_path) == [*named(range(number)), "new"]
    assert texts(tmp_path, first=number) == ["new"]


class SkippingEngine:
    """Its stream skips lines 20 … 29 of 50; its log has them."""

    def log_pieces(
        self, _name: str, *, since: float = 0.0, follow: bool = False, hand: object = None
    ) -> list[LogPiece]:
        numbers = [*range(20), *range(30, 50)] if follow else range(50)
        return [one for one in map(piece, numbers) if one.at >= since - 2.0]


def test_who_follows_is_told_that_lines_were_missing_and_gets_them_with_all_that_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(
        listening, "_COMPARED_BYTES", sum(len(piece(number).data) for number in [*range(20), *range(30, 40)])
    )
    tee = Tee(SkippingEngine(), "c", tmp_path, ENOUGH)
    following = tee.follow(None)
    taken: list[str] = []
    take, seen = tee._take, []

    def take_and_look(one: LogPiece) -> bool:
        went_on = take(one)
        seen.append(one)
        if len(seen) == 28:  # a person has read so far
            taken.extend(next(following) for _ in range(28))
        return went_on

    monkeypatch.setattr(tee, "_take", take_and_look)
    tee.run()
    taken.extend(following)
    notice = "--- The engine has skipped lines. Those from the first missing one on follow, once more. ---"
    assert taken == [*named(range(20)), *named(range(30, 38)), notice, *named(range(20, 50))]
    assert texts(tmp_path) == named(range(50))
    assert compared_to(tmp_path) == pytest.approx(START + 3.9, abs=0.001)


def test_a_log_is_not_written_while_it_is_compared(tmp_path):
    """What surveys all containers waits for none of them."""
    tee = Tee(SkippingEngine(), "c", tmp_path, ENOUGH)
    tee.run()
    tee._waiting_since = float("-inf")
    with ThreadPoolExecutor(1) as pool, tee._changed:
        pool.submit(tee.flush_if_due).result(timeout=5)
