"""Filling what the history lacks: exactly that, newest first, finest where it is new, and once."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError, Unavailable
from mlops_desk.kit.storage.history.backfill import MadeHistory, MadeHolders, MadeProcess
from mlops_desk.kit.storage.history.chunks import put_curves, put_times
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.telemetry.history.backfill import Backfill, Stretch, stretches
from mlops_desk.machine.telemetry.history.curves import PROCESS_METRIC, CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring
from mlops_desk.machine.telemetry.metrics.host import HOST
from mlops_desk.machine.telemetry.metrics.table import measured

NOW = 1_800_000_123.0
HOUR, DAY = 3600.0, 86_400.0
KEY = ("host", "system.uptime", "s")


@st.composite
def gaps(draw: st.DrawFn) -> list[tuple[float, float]]:
    edges = sorted(draw(st.sets(st.integers(0, 30 * 86_400), min_size=2, max_size=8)))
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return [(NOW - 30 * DAY + first, NOW - 30 * DAY + last) for first, last in pairs]


@given(gaps())
@example([(NOW - 30 * DAY, NOW)])
@example([(NOW - 30 * DAY, NOW - 29 * DAY), (NOW - 2 * HOUR, NOW - 600.0)])
@example([(NOW - 100.0, NOW)])
def test_stretches_are_the_gaps_and_nothing_twice(lacking: list[tuple[float, float]]) -> None:
    found = stretches(lacking, NOW)
    assert [stretch.start for stretch in found] == sorted((stretch.start for stretch in found), reverse=True)
    merged: list[tuple[float, float]] = []
    for stretch in sorted(found, key=lambda stretch: stretch.start):
        assert stretch.start < stretch.end
        if merged and merged[-1][1] == stretch.start:
            merged[-1] = merged[-1][0], stretch.end
        else:
            merged.append((stretch.start, stretch.end))
    assert merged == lacking


def test_the_older_the_coarser_and_no_piece_is_more_than_a_worker_makes_in_seconds() -> None:
    found = stretches([(NOW - 30 * DAY, NOW)], NOW)
    for stretch in found:
        age = NOW - stretch.end
        tier = 0 if age < HOUR - 1 else 1 if age < DAY - 1 else 2
        assert stretch.tier == tier, stretch
        assert (stretch.end - stretch.start) / stretch.every <= 1440
    assert sum((stretch.end - stretch.start) / stretch.every for stretch in found) < 13_500
    assert {(stretch.tier, stretch.every) for stretch in found} == {(0, 1.0), (0, 2.0), (1, 30.0), (2, 300.0)}


def test_a_coarse_row_is_in_one_stretch_only() -> None:
    found = stretches([(NOW - 30 * DAY, NOW)], NOW)
    inner = [stretch for stretch in found if stretch.start > NOW - 30 * DAY]
    assert all(stretch.start % (60.0, 60.0, 900.0)[stretch.tier] == 0 for stretch in inner)
    assert all(stretch.start % 900.0 == 0 for stretch in inner if stretch.tier)


class Maker:
    """Makes rows a minute apart, and remembers for what."""

    def __init__(self, after: int | None = None) -> None:
        self.asked: list[Stretch] = []
        self._left = after

    def __call__(self, stretch: Stretch) -> MadeHistory:
        if self._left is not None:
            if self._left == 0:
                raise Unavailable("killed")
            self._left -= 1
        self.asked.append(stretch)
        first = np.ceil(stretch.start / 60.0) * 60.0
        times = np.arange(first, stretch.end, 60.0)
        codes = np.full((len(times), 1), 5, np.int64)
        frame = put_curves(codes, np.ones(codes.shape, np.uint8))
        stamps = put_times(np.rint(times * 1000).astype(np.int64), np.ones(len(times), np.int64))
        return MadeHistory(0, stretch.start, stretch.end, len(times), (KEY,), stamps, (frame,), ())


def reading(value: float) -> dict[str, Reading]:
    return {KEY[1]: measured(HOST, KEY[1], value)}


@pytest.fixture
def history(tmp_path: Path) -> Iterator[tuple[Ring, DiskHistory]]:
    ring = Ring(100)
    disk = DiskHistory(tmp_path / "telemetry.db", ring, lambda _: None)
    ring.append(NOW, [("host", reading(5.0))])
    disk.flush()
    yield ring, disk
    disk.stop()


def test_a_filling_that_was_broken_off_is_completed_and_nothing_is_made_twice(
    history: tuple[Ring, DiskHistory],
) -> None:
    backfill = Backfill(*history)
    first, second, third = Maker(after=7), Maker(), Maker()
    with pytest.raises(DeskError):
        backfill.fill(first, 30 * DAY, Event())
    backfill.fill(second, 30 * DAY, Event())
    assert len(first.asked) == 7
    assert not set(first.asked) & set(second.asked)
    whole = [*first.asked, *second.asked]
    assert sum(stretch.end - stretch.start for stretch in whole) == pytest.approx(30 * DAY, abs=200.0)
    assert backfill.fill(third, 30 * DAY, Event()) == 0
    assert third.asked == []


def test_it_ends_with_the_agent(history: tuple[Ring, DiskHistory]) -> None:
    ending = Event()
    maker = Maker()

    def make(stretch: Stretch) -> MadeHistory:
        ending.set()
        return maker(stretch)

    assert Backfill(*history).fill(make, 30 * DAY, ending) == 1
    assert len(maker.asked) == 1


def test_without_a_database_it_waits_and_ends_with_the_agent(tmp_path: Path) -> None:
    ending = Event()
    ending.set()
    ring = Ring(10)
    assert Backfill(ring, DiskHistory(tmp_path / "telemetry.db", ring, lambda _: None)).fill(Maker(), DAY, ending) == 0


def test_nothing_is_written_after_the_end(history: tuple[Ring, DiskHistory]) -> None:
    _, disk = history
    disk.stop()
    disk.put_in(Maker()(Stretch(0, NOW - 200.0, NOW - 100.0, 1.0)))
    assert disk.store is None


def test_the_memory_of_a_process_of_old_days_is_a_line_and_no_dots(history: tuple[Ring, DiskHistory]) -> None:
    ring, disk = history
    times = tuple(round((NOW - 7200.0 + 300.0 * row) * 1000) for row in range(13))
    process = MadeProcess("GPU-1", 11, 7, "maria", "python", None, 0, (500,) * 13)
    empty = Maker()(Stretch(0, NOW - 7200.0, NOW - 7100.0, 1.0))
    disk.put_in(replace(empty, holders=(MadeHolders(times, (process,)),)))
    name = ("GPU-1/pid-11", PROCESS_METRIC)
    _, (curve,) = CurveReader(ring, disk).reduce([name], NOW - 7200.0, NOW - 3700.0, 100)
    assert len(curve.mean) == 100
    assert not np.isnan(curve.mean).any()
