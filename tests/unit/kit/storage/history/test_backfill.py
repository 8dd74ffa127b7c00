"""History that was made elsewhere: there whole or not at all, read as if it had been measured, forgotten in its turn."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import event, select

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.storage.history import backfill, compaction
from mlops_desk.kit.storage.history.backfill import MadeHistory, MadeHolders, MadeProcess, gaps, put_in
from mlops_desk.kit.storage.history.blocks import OK, Block, Key
from mlops_desk.kit.storage.history.chunk_writer import CHUNKS
from mlops_desk.kit.storage.history.chunks import put_curves, put_rolled, put_times
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest, find_series, holders_in, memory_of, read
from mlops_desk.kit.storage.history.holders import MemoryHolding
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.kit.storage.history.scales import CurveScale
from mlops_desk.kit.storage.history.store import TelemetryStore

POWER: Key = ("GPU-1", "hw.power", "W")
SCALE = CurveScale(0.5)
FOREVER = time.monotonic() + 1e9
MINUTE, QUARTER = 60.0, 900.0


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TelemetryStore]:
    made = TelemetryStore(tmp_path / "telemetry.db", lambda _: SCALE)
    yield made
    made.close()


def coarse(tier: int, starts: list[float], values: list[float], holders: tuple[MadeHolders, ...] = ()) -> MadeHistory:
    step = (1.0, MINUTE, QUARTER)[tier]
    times, mean = np.array(starts), np.array(values)
    counts = np.full(len(starts), int(step), np.int64)
    curve = Rolled(times, mean - 2, mean, mean + 4, counts.astype(np.float64))
    stamps = put_times(np.rint(times * 1000).astype(np.int64), counts)
    frames = (put_rolled([curve], counts, [SCALE]),)
    return MadeHistory(tier, starts[0], starts[-1] + step, len(starts), (POWER,), stamps, frames, holders)


def fine(starts: list[float], values: list[float]) -> MadeHistory:
    codes = np.rint(np.array(values) / SCALE.step).astype(np.int64)[:, None]
    stamps = put_times(np.rint(np.array(starts) * 1000).astype(np.int64), np.ones(len(starts), np.int64))
    frames = (put_curves(codes, np.full(codes.shape, OK, np.uint8)),)
    return MadeHistory(0, starts[0], starts[-1] + 1, len(starts), (POWER,), stamps, frames, ())


def measured(times: list[float], value: float) -> Block:
    values = np.full((len(times), 1), value, np.float32)
    return Block((POWER,), np.array(times), values, np.full(values.shape, OK, np.uint8))


def rows(store: TelemetryStore, tier: int, start: float = 0.0, end: float = 1e7, left_out: int = 0) -> list[float]:
    (found,) = find_series(store, [POWER[:2]])
    if found is None:
        return []
    pieces = read(store, CurvesRequest((found[0],), start, end, tier, left_out, FOREVER)).pieces[found[0]]
    return [value for piece in pieces for value in piece.mean.tolist()]


def process(pid: int, first_row: int, sizes: tuple[int, ...]) -> MadeProcess:
    return MadeProcess("GPU-1", pid, 7, "maria", "python train.py", "train-1", first_row, sizes)


@pytest.mark.slow
def test_what_was_made_is_read_in_charts_of_any_length(store: TelemetryStore) -> None:
    put_in(store, fine([3600.0, 3601.0], [1.0, 2.0]))
    put_in(store, coarse(1, [1800.0, 1860.0], [3.0, 4.0]))
    put_in(store, coarse(2, [0.0, 900.0], [5.0, 6.0]))
    for tier in (0, 1, 2):
        assert sorted(rows(store, tier)) == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], tier


def test_a_coarse_row_keeps_its_least_and_its_most(store: TelemetryStore) -> None:
    put_in(store, coarse(2, [900.0], [100.0]))
    (found,) = find_series(store, [POWER[:2]])
    assert found is not None
    (piece,) = read(store, CurvesRequest((found[0],), 0, 1e7, 2, 0, FOREVER)).pieces[found[0]]
    assert (piece.low[0], piece.mean[0], piece.high[0], piece.count[0]) == (98.0, 100.0, 104.0, 900.0)


def test_gaps_are_what_neither_blocks_nor_chunks_of_any_tier_have(store: TelemetryStore) -> None:
    assert gaps(store, 0.0, 10_000.0, 90.0) == [(0.0, 10_000.0)]
    put_in(store, coarse(2, [900.0, 1800.0], [1.0, 1.0]))
    put_in(store, coarse(1, [3600.0, 3660.0, 6000.0], [1.0, 1.0, 1.0]))
    store.append(measured([8000.0, 8001.0, 8005.0], 1.0))
    assert gaps(store, 0.0, 10_000.0, 90.0) == [
        (0.0, 900.0),
        (2700.0, 3600.0),
        (3720.0, 6000.0),
        (6060.0, 8000.0),
        (8005.0, 10_000.0),
    ]
    assert gaps(store, 950.0, 2650.0, 90.0) == []
    assert gaps(store, 900.0, 2790.0, 90.0) == []
    assert gaps(store, 900.0, 2791.0, 90.0) == [(2700.0, 2791.0)]


def test_a_demo_that_was_closed_for_days_within_one_chunk_left_a_gap(store: TelemetryStore) -> None:
    put_in(store, fine([100.0, 101.0, 5000.0, 5001.0], [1.0] * 4))
    assert gaps(store, 100.0, 5002.0, 90.0) == [(102.0, 5000.0)]


def test_killed_before_the_end_nothing_is_there_and_afterwards_it_is_there_once(store: TelemetryStore) -> None:
    held = MadeHolders((900_000, 1_000_000), (process(11, 0, (500, 600)),))
    made = coarse(2, [900.0, 1800.0], [1.0, 2.0], (held,))

    def killed(*args: object) -> None:
        if "UPDATE chunks" in str(args[2]) and "alone" in str(args[2]):
            raise DeskError("killed")

    event.listen(store.database._engine, "before_cursor_execute", killed)
    with pytest.raises(DeskError):
        put_in(store, made)
    event.remove(store.database._engine, "before_cursor_execute", killed)
    assert rows(store, 2) == []
    assert gaps(store, 900.0, 2700.0, 90.0) == [(900.0, 2700.0)]
    put_in(store, made)
    assert rows(store, 2) == [1.0, 2.0]
    assert gaps(store, 900.0, 2700.0, 90.0) == []
    (who,) = holders_in(store, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))
    assert (who.pid, who.user, who.container, who.peak_bytes) == (11, "maria", "train-1", 600.0 * (1 << 20))


def test_who_held_memory_is_told_with_their_curves(store: TelemetryStore) -> None:
    first = MadeHolders((1000_000, 1060_000, 1120_000), (process(11, 0, (500, 600)), process(12, 1, (100, 200))))
    later = MadeHolders((1180_000,), (process(12, 0, (50,)),))
    put_in(store, coarse(1, [960.0], [1.0], (first, later)))
    everybody = holders_in(store, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))
    assert [(item.pid, item.first_at, item.last_at, item.peak_bytes / (1 << 20)) for item in everybody] == [
        (11, 1000.0, 1060.0, 600.0),
        (12, 1060.0, 1180.0, 200.0),
    ]
    assert [item.pid for item in holders_in(store, CurvesRequest((), 1100.0, 1e7, 0, 0, FOREVER))] == [12]
    curve = memory_of(store, "GPU-1", 12, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))
    known = curve.count > 0
    assert curve.times[known].tolist() == [1060.0, 1120.0, 1180.0]
    assert (curve.mean[known] / (1 << 20)).tolist() == [100.0, 200.0, 50.0]


def test_a_process_that_runs_on_is_the_same_one(store: TelemetryStore) -> None:
    store.append(measured([2000.0], 1.0), [MemoryHolding("GPU-1", 11, 7, "maria", "python", None, 700 << 20)])
    put_in(store, coarse(1, [960.0], [1.0], (MadeHolders((1000_000,), (process(11, 0, (500,)),)),)))
    (who,) = holders_in(store, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))
    assert (who.first_at, who.last_at, who.peak_bytes) == (1000.0, 2000.0, 700.0 * (1 << 20))


def test_the_newest_processes_are_told_first_where_there_are_too_many(
    store: TelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_desk.kit.storage.history.curve_reader._PROCESSES_LIMIT", 1)
    store.append(measured([2000.0], 1.0), [MemoryHolding("GPU-1", 99, 1, "bo", "now", None, 1 << 30)])
    put_in(store, coarse(1, [960.0], [1.0], (MadeHolders((1000_000,), (process(11, 0, (500,)),)),)))
    assert [who.pid for who in holders_in(store, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))] == [99]


def test_rows_in_memory_are_left_out_of_measured_chunks_whatever_was_made_since(
    store: TelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 2)
    monkeypatch.setattr(compaction, "BLOCKS_LEFT", 0)
    for second in range(2):
        store.append(measured([5000.0 + second], 1.0))
    for _ in compaction.work(store):
        pass
    for number in range(5):
        held = MadeHolders((number * 1000 + 1,), (process(number, 0, (500,)),))
        put_in(store, coarse(1, [60.0 * number], [2.0], (held,)))
    assert rows(store, 0, 4000.0, 6000.0, left_out=1) == [1.0]


@pytest.mark.slow
def test_rolling_up_and_forgetting_leaves_it_until_its_turn(
    store: TelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 2)
    monkeypatch.setattr(compaction, "BLOCKS_LEFT", 0)
    monkeypatch.setattr(compaction, "CHUNKS_KEPT", (6, 4, 2))
    monkeypatch.setattr(compaction, "CHUNKS_A_ROLL", (2, 2))
    monkeypatch.setattr(compaction, "CHUNKS_LEFT", (1, 0))
    held = MadeHolders((901_000,), (process(11, 0, (500,)),))
    put_in(store, coarse(2, [900.0], [2.0], (held,)))
    put_in(store, coarse(1, [1800.0], [3.0]))
    put_in(store, fine([2800.0], [4.0]))
    day = 10_000.0
    for number in range(8):
        store.append(measured([day + 60.0 * number], 5.0))
        for _ in compaction.work(store):
            pass
    assert sorted(value for value in rows(store, 2) if value < 5.0) == [2.0, 3.0, 4.0]
    for number in range(8, 200):
        store.append(measured([day + 60.0 * number], 5.0))
        for _ in compaction.work(store):
            pass
    assert 2.0 not in rows(store, 2)
    assert [who.pid for who in holders_in(store, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))] == []


def test_tables_of_processes_are_no_source_of_a_roll_up(store: TelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "CHUNKS_A_ROLL", (2, 2))
    monkeypatch.setattr(compaction, "CHUNKS_LEFT", (0, 0))
    tables = tuple(MadeHolders(((901 + number) * 1000,), (process(11, 0, (500,)),)) for number in range(4))
    put_in(store, coarse(2, [900.0], [2.0], tables))
    for _ in compaction.roll_up(store, 0):
        pass
    with store.database.transaction() as connection:
        tiers = connection.execute(select(CHUNKS.c.tier).order_by(CHUNKS.c.tier)).scalars().all()
    assert tiers == [0, 0, 0, 0, 2]


@pytest.mark.slow
def test_many_processes_are_written_in_turns_that_no_flush_waits_for(store: TelemetryStore) -> None:
    many = tuple(replace(process(pid, 0, (500,)), start_ticks=pid) for pid in range(200))
    held = 0

    def counted(*args: object) -> None:
        nonlocal held
        held += "INSERT INTO processes" in str(args[2])

    most = [0]

    def committed(*_: object) -> None:
        nonlocal held
        most[0], held = max(most[0], held), 0

    event.listen(store.database._engine, "before_cursor_execute", counted)
    event.listen(store.database._engine, "commit", committed)
    put_in(store, coarse(1, [60.0], [1.0], (MadeHolders((61_000,), many),)))
    assert 0 < most[0] <= backfill._PROCESSES_A_TURN
    assert len(holders_in(store, CurvesRequest((), 0.0, 1e7, 0, 0, FOREVER))) == 200


def test_what_overlaps_leaves_no_gap(store: TelemetryStore) -> None:
    put_in(store, coarse(2, [900.0, 1800.0, 2700.0], [1.0] * 3))
    put_in(store, coarse(1, [1200.0, 1260.0], [1.0] * 2))
    assert gaps(store, 900.0, 3600.0, 90.0) == []
