"""Recorded series: whatever comes late, twice or in between two kills, each point counts once, in every tier."""

import math
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest
from mlops_desk.kit.storage.history.points import pages, store
from mlops_desk.kit.storage.history.points import store as module
from mlops_desk.kit.storage.history.points.batches import Batch, get_batch, put_batch
from mlops_desk.kit.storage.history.points.store import NamedPoints, PointStore
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.kit.storage.history.scales import CurveScale
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.machine.records.history import SeriesName

LATENCY = SeriesName("endpoint", "iris", "endpoint.latency")
SCORE = SeriesName("drift", "iris/petal width", "drift.psi")
SCALE = CurveScale(0.5)
DAY = 86_400
BEGIN = 19_700 * DAY  # a whole day, and so a whole quarter of an hour
FOREVER = time.monotonic() + 1e9
Points = list[tuple[int, float]]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pages and merges so small that a test fills them."""
    monkeypatch.setattr(module, "BATCHES_A_MERGE", 3)
    monkeypatch.setattr(pages, "ROWS_A_PAGE", 5)
    monkeypatch.setattr(store, "_PAGES_A_TURN", 2)


class Opened:
    """A database and its points, which can be killed and opened again."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "telemetry.db"
        self.open()

    def open(self) -> None:
        self.store = TelemetryStore(self._path)
        self.points = PointStore(self.store.database)

    def die(self) -> None:
        self.store.close()
        self.open()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Opened]:
    made = Opened(tmp_path)
    yield made
    made.store.close()


def named(points: Points, name: SeriesName = LATENCY) -> NamedPoints:
    """Return points at tenths of a second after the beginning."""
    times = np.array([BEGIN + step / 10 for step, _ in points], np.float64)
    return NamedPoints(name, "s", SCALE, times, np.array([value for _, value in points], np.float64))


def work(points: PointStore) -> None:
    for _ in points.work():
        pass


def read(
    points: PointStore,
    tier: int = 0,
    name: SeriesName = LATENCY,
    pending: list[NamedPoints] | None = None,
    span: tuple[float, float] = (0.0, 4e9),
) -> Rolled:
    (known,) = points.find([name])
    if known is None:
        return Rolled(*[np.empty(0)] * 5)
    request = CurvesRequest((), *span, tier, 0, FOREVER)
    found, _ = store.read(points, {name: known}, pending or [], request)
    return found[name]


def count(opened: Opened, table: str, where: str = "1") -> int:
    with opened.store.database.transaction() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


def assert_is(rows: Rolled, expected: dict[int, float], seconds: float) -> None:
    """Compare with what plain Python makes of the points, which are at tenths of a second."""
    assert (np.diff(rows.times) > 0).all()
    if seconds < 60:
        got = dict(zip(np.rint((rows.times - BEGIN) * 10).astype(int).tolist(), rows.mean.tolist(), strict=True))
        assert got == expected
        return
    stretches: dict[int, list[float]] = defaultdict(list)
    for step, value in expected.items():
        stretches[math.floor(step / 10 / seconds)].append(value)
    numbers = np.rint((rows.times - BEGIN) / seconds).astype(int).tolist()
    assert numbers == sorted(stretches)
    for place, number in enumerate(numbers):
        values = stretches[number]
        assert rows.count[place] == len(values)
        assert (rows.low[place], rows.high[place]) == (min(values), max(values))
        assert abs(rows.mean[place] - sum(values) / len(values)) <= 0.0625 + 1e-9  # half a step of a quarter of 0.5


# A tick, a second, sparse hours, the borders of minutes and quarters, days: all of them late or early.
STEPS = st.one_of(
    st.integers(0, 40), st.integers(0, 100).map(lambda n: n * 10), st.integers(0, 48).map(lambda n: n * 36_000),
    st.sampled_from([599, 600, 8999, 9000, 9001, 863_999, 864_000]),
)  # fmt: skip
VALUES = st.integers(0, 40).map(lambda n: n / 2)
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("record"), st.lists(st.tuples(STEPS, VALUES), min_size=1, max_size=8)),
        st.tuples(st.just("again"), st.just([])),
        st.tuples(st.just("flush"), st.just([])),
        st.tuples(st.just("step"), st.lists(st.just((0, 0.0)), max_size=6)),
        st.tuples(st.just("die"), st.just([])),
    ),
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(OPERATIONS)
@example([("record", [(0, 1.0)]), ("flush", []), ("record", [(0, 2.0)]), ("flush", []), ("record", [(0, 1.0)])])
@example(
    [
        *[("record", [(0, 1.0), (9, 5.0)]), ("flush", [])] * 3, *[("step", [(0, 0.0)] * 6)] * 3,
        *[("record", [(4, 3.0), (300, 2.0)]), ("flush", [])] * 2,
    ]
)  # fmt: skip
@example(
    [*[("record", [(n, 1.0) for n in range(8)]), ("flush", [])] * 4, *[("step", [(0, 0.0)] * 6)] * 3, ("again", [])]
)
@example([("record", [(9000, 1.0), (8999, 3.0)]), ("flush", []), *[("step", [(0, 0.0)] * 6)] * 3, ("again", [])])
def test_every_point_counts_once_in_every_tier_whatever_happens(operations: list[tuple[str, Points]]) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        small.__wrapped__(patch)
        opened = Opened(Path(folder))
        expected: dict[SeriesName, dict[int, float]] = {LATENCY: {}, SCORE: {}}
        pending: list[NamedPoints] = []
        newest: list[tuple[SeriesName, Points]] = []
        steps, turn = opened.points.work(), 0
        for operation, given_points in operations:
            if operation == "record":
                name = (LATENCY, SCORE)[turn % 2]
                newest, turn = [*newest[-2:], (name, given_points)], turn + 1
                pending.append(named(given_points, name))
                expected[name].update(given_points)
            elif operation == "again":
                for name, earlier in newest:  # whoever was killed in the middle records it once more
                    pending.append(named(earlier, name))
                    expected[name].update(earlier)
            elif operation == "flush":
                opened.points.append(pending)
                pending = []
            elif operation == "die":
                steps.close()
                opened.points.append(pending)
                pending = []
                opened.die()
                steps = opened.points.work()
            else:
                for _ in given_points:
                    if next(steps, "end") == "end":
                        steps = opened.points.work()
        for name, points in expected.items():
            known = opened.points.find([name]) != [None]
            for tier, seconds in enumerate((1.0, 60.0, 900.0)):
                if known:
                    assert_is(read(opened.points, tier, name, pending), points, seconds)
        opened.points.append(pending)
        steps.close()
        for _ in range(2):
            opened.points._waiting = (3, 0)
            work(opened.points)
        assert count(opened, "point_batches") == 0
        for name, points in expected.items():
            if points:
                for tier, seconds in enumerate((1.0, 60.0, 900.0)):
                    assert_is(read(opened.points, tier, name), points, seconds)
        opened.store.close()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 3), st.lists(st.tuples(st.integers(0, DAY - 1), VALUES), max_size=6)), max_size=14
    ),
    st.tuples(st.integers(0, 20 * DAY), st.integers(1, 20 * DAY)),
)
@example([(1, [(0, 1.0)])] * 12, (0, 20 * DAY))
@example([(1, [(0, 0.0)])] * 8, (0, 193_141))
def test_tiers_age_by_days_and_a_span_has_each_time_once(days: list[tuple[int, Points]], span: tuple[int, int]) -> None:
    """Points of the day that is: the fine tier has the last 2 days with points, minutes 4, quarters 7."""
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        small.__wrapped__(patch)
        patch.setattr(module, "DAYS_KEPT", (2, 4, 7))
        opened, now = Opened(Path(folder)), float(BEGIN)
        patch.setattr(module.time, "time", lambda: now)
        expected: dict[int, float] = {}
        lived: list[int] = []
        for pause, points in days:
            now += pause * DAY
            if not points:
                continue
            day = int(now - BEGIN)
            lived.append(day)
            moved = [((day + second) * 10, value) for second, value in points]
            opened.points.append([named(moved)])
            expected.update(moved)
            opened.points._waiting = (3, 0)
            work(opened.points)
        if expected:
            since = [lived[-kept] if len(lived) >= kept else -1 for kept in (2, 4, 7)]
            for tier, seconds in enumerate((1.0, 60.0, 900.0)):
                start, end = float(BEGIN + span[0]), float(BEGIN + span[0] + span[1])
                rows = read(opened.points, tier, span=(start, end))
                edge = max(float(BEGIN + since[tier]), start) if tier < 2 else start
                mine = {step: value for step, value in expected.items() if step / 10 >= since[2]}
                fine = rows.only(rows.times >= edge)
                whole = {
                    step: value
                    for step, value in mine.items()
                    if edge <= BEGIN + math.floor(step / 10 / seconds if seconds > 1 else step / 10) * (max(1, seconds)) < end
                }  # fmt: skip
                assert_is(fine, whole, seconds)
                assert len(np.unique(rows.times)) == len(rows.times)
                older = rows.only(rows.times < edge)
                assert (np.diff(rows.times) > 0).all()
                lowest = BEGIN + since[2]
                assert not len(older.times) or older.times.min() >= lowest
        opened.store.close()


@pytest.mark.usefixtures("small")
def test_a_point_older_than_the_fine_tier_goes_into_its_minute_once(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DAYS_KEPT", (1, 3, 5))
    for day in range(3):
        monkeypatch.setattr(module.time, "time", lambda day=day: float(BEGIN + day * DAY))
        others = [(3000, 6.0)] if day == 0 else []
        opened.points.append([named([(day * DAY * 10, 4.0), *others])])
        opened.points._waiting = (3, 0)
        work(opened.points)
    late = [(700, 1.0), (710, 3.0), (50, 8.0)]  # of day 0: a minute without points, and one that was rolled up
    for _ in range(2):
        opened.points.append([named(late)])
        opened.points._waiting = (3, 0)
        work(opened.points)
        rows = read(opened.points, 1)
        minutes = dict(
            zip(((rows.times - BEGIN) / 60).tolist(), zip(rows.low, rows.high, rows.count, strict=True), strict=True)
        )
        assert minutes[1.0] == (1.0, 3.0, 2.0)
        assert minutes[0.0] == (8.0, 8.0, 1.0)  # its points are gone: what comes later takes its place, whole
        quarter = read(opened.points, 2)
        assert (quarter.low[0], quarter.high[0], quarter.count[0]) == (1.0, 8.0, 4.0)
        assert read(opened.points, 0).times.tolist() == [*rows.times.tolist()[:-1], float(BEGIN + 2 * DAY)]


@pytest.mark.usefixtures("small")
def test_a_clock_that_jumps_deletes_nothing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAYS_KEPT", (3, 4, 5))
    for day in (0, 1, 4000, 2, -4000):
        monkeypatch.setattr(module.time, "time", lambda day=day: float(BEGIN + day * DAY))
        opened.points.append([named([(day * DAY * 10, 4.0)])])
        opened.points._waiting = (3, 0)
        work(opened.points)
    for day in (0, 1, 2, 4000, -4000):
        rows = read(opened.points, 2)
        assert float(BEGIN + day * DAY) in rows.times.tolist()


@pytest.mark.usefixtures("small")
def test_a_clock_that_ran_ahead_for_long_does_not_age_what_comes_after(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "DAYS_KEPT", (2, 3, 4))
    for day in (0, 1000, 1001, 1002, 1003, 1, 2):
        monkeypatch.setattr(module.time, "time", lambda day=day: float(BEGIN + day * DAY))
        opened.points.append([named([(day * DAY * 10, float(day % 7))])])
        opened.points._waiting = (3, 0)
        work(opened.points)
    work(opened.points)
    fine = read(opened.points, 0, span=(BEGIN + DAY, BEGIN + 3 * DAY))
    assert (fine.times - BEGIN).tolist() == [DAY, 2 * DAY]
    assert fine.mean.tolist() == [1.0, 2.0]
    opened.points.append([named([((2 * DAY + 10) * 10, 3.0)])])  # a point of today is kept as exactly as any
    assert read(opened.points, 0, span=(BEGIN + 2 * DAY, BEGIN + 3 * DAY)).mean.tolist() == [2.0, 3.0]


@pytest.mark.usefixtures("small")
def test_a_tier_never_claims_what_it_threw_away(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAYS_KEPT", (2, 5, 9))
    monkeypatch.setattr(pages, "ROWS_A_PAGE", 1)
    for day in (0, 1, 2, 3):
        monkeypatch.setattr(module.time, "time", lambda day=day: float(BEGIN + day * DAY))
        opened.points.append([named([(day * DAY * 10 + 5, 4.0)])])
        opened.points._waiting = (3, 0)
        work(opened.points)
    with opened.store.database.transaction() as connection:
        connection.execute(text("DELETE FROM point_days WHERE day > (SELECT min(day) FROM point_days) + 1"))
    opened.points._tidied = None
    work(opened.points)
    rows = read(opened.points, 0)
    assert len(rows.times) == 4  # full rate, or minutes where that is gone: each day once


@pytest.mark.usefixtures("small")
def test_what_waits_is_merged_when_it_is_many_batches_or_much(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    for second in range(3):
        work(opened.points)
        assert count(opened, "point_batches") == second
        opened.points.append([named([(second * 10, 1.0)])])
    work(opened.points)
    assert count(opened, "point_batches") == 0
    monkeypatch.setattr(module, "ROWS_A_MERGE", 5)
    opened.points.append([named([(n, 1.0) for n in range(5)])])
    work(opened.points)
    assert count(opened, "point_batches") == 0
    assert len(read(opened.points).times) == 7


@pytest.mark.usefixtures("small")
def test_what_is_flushed_during_a_merge_stays(opened: Opened) -> None:
    opened.points.append([named([(0, 1.0)]), named([(0, 2.0)], SCORE)])
    opened.points._waiting = (3, 0)
    steps = opened.points.work()
    for _ in range(5):  # into the merge, past its reading of what waits
        next(steps, None)
    opened.points.append([named([(0, 5.0), (10, 6.0)])])
    for _ in steps:
        pass
    assert read(opened.points).mean.tolist() == [5.0, 6.0]
    opened.points._waiting = (3, 0)
    work(opened.points)
    assert read(opened.points).mean.tolist() == [5.0, 6.0]
    assert count(opened, "point_batches") == 0


def test_a_flush_that_fails_leaves_no_number_behind(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_batch: Batch) -> bytes:
        raise OSError("no")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="no"):
        patch.setattr(module, "put_batch", refuse)
        opened.points.append([named([(0, 1.0)])])
    assert count(opened, "point_series") == 0
    opened.points.append([named([(0, 2.0)])])
    assert read(opened.points).mean.tolist() == [2.0]
    assert count(opened, "point_series") == 1


@pytest.mark.usefixtures("small")
def test_a_series_whose_last_row_is_gone_is_forgotten(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DAYS_KEPT", (1, 1, 2))
    for day in range(4):
        monkeypatch.setattr(module.time, "time", lambda day=day: float(BEGIN + day * DAY))
        opened.points.append([named([(day * DAY * 10, 4.0)], SCORE if day == 0 else LATENCY)])
        opened.points._waiting = (3, 0)
        work(opened.points)
    assert opened.points.find([SCORE]) == [None]
    assert count(opened, "point_series") == 1
    assert count(opened, "point_days") == 2
    opened.points.append([named([(3 * DAY * 10, 6.0)], SCORE)])
    assert read(opened.points, 0, SCORE).mean.tolist() == [6.0]


@pytest.mark.usefixtures("small")
def test_a_late_point_rewrites_one_page(opened: Opened) -> None:
    opened.points.append([named([(n * 10, float(n)) for n in range(100)])])
    opened.points._waiting = (3, 0)
    work(opened.points)
    with opened.store.database.transaction() as connection:
        before = set(connection.execute(text("SELECT id FROM point_pages WHERE tier = 0")).scalars())
    assert len(before) == 20
    opened.points.append([named([(255, 9.5)])])
    opened.points._waiting = (3, 0)
    work(opened.points)
    with opened.store.database.transaction() as connection:
        after = set(connection.execute(text("SELECT id FROM point_pages WHERE tier = 0")).scalars())
    assert len(before - after) == 1
    assert len(after - before) == 2
    assert len(read(opened.points).times) == 101


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("table", ["point_pages", "point_batches"])
def test_damage_costs_its_own_rows(opened: Opened, table: str, caplog: pytest.LogCaptureFixture) -> None:
    opened.points.append([named([(n * 10, float(n)) for n in range(10)])])
    if table == "point_pages":
        opened.points._waiting = (3, 0)
        work(opened.points)
    else:
        opened.points.append([named([(1000, 1.0)])])
    with opened.store.database.transaction() as connection:
        connection.execute(
            text(f"UPDATE {table} SET data = x'00112233445566778899' WHERE id = (SELECT min(id) FROM {table})")
        )
    rows = read(opened.points)
    assert rows.mean.tolist() == ([5.0, 6.0, 7.0, 8.0, 9.0] if table == "point_pages" else [1.0])
    assert "damaged" in caplog.text


def test_a_batch_is_what_was_put_and_says_when_it_is_not() -> None:
    batch = Batch(np.array([2, 1, 1]), np.array([5, 7, 6]), np.array([-1, 1 << 40, 0]))
    again = get_batch(put_batch(batch))
    assert again.series.tolist() == [1, 1, 2]
    assert again.steps.tolist() == [6, 7, 5]
    assert again.codes.tolist() == [0, 1 << 40, -1]


def test_a_second_of_a_steady_series_takes_less_than_a_third_of_a_byte(opened: Opened) -> None:
    rng = np.random.default_rng(3)
    seconds = 6 * 3600
    times = BEGIN + np.arange(seconds) + rng.normal(0, 0.01, seconds)
    values = 49.0 + np.where(rng.random(seconds) < 0.05, np.round(rng.random(seconds)), 0.0)  # mostly even
    for first in range(0, seconds, 600):
        part = slice(first, first + 600)
        opened.points.append([NamedPoints(LATENCY, "s", SCALE, times[part], values[part])])
    opened.points._waiting = (90, 0)
    work(opened.points)
    with opened.store.database.transaction() as connection:
        size = connection.execute(text("SELECT sum(length(data)) FROM point_pages WHERE tier = 0")).scalar_one()
    assert len(read(opened.points).times) == seconds
    assert size / seconds < 0.3


def test_reading_keeps_its_deadline(opened: Opened) -> None:
    opened.points.append([named([(0, 1.0)])])
    opened.points._waiting = (90, 0)
    work(opened.points)
    (known,) = opened.points.find([LATENCY])
    assert known is not None
    request = CurvesRequest((), 0.0, 4e9, 0, 0, time.monotonic() - 1)
    with pytest.raises(TimedOut):
        store.read(opened.points, {LATENCY: known}, [], request)
