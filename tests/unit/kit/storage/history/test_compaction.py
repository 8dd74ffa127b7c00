"""Sealing, rolling up and forgetting: whatever the order of events and whenever the program dies, each row is there once."""

import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.storage.history import compaction
from mlops_desk.kit.storage.history.blocks import OK, Block, Key
from mlops_desk.kit.storage.history.chunks import FIRST, FRAMES_A_CHUNK
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest, find_series, holders_in, memory_of, read
from mlops_desk.kit.storage.history.holders import MemoryHolding
from mlops_desk.kit.storage.history.rollup import Rolled, join, roll, single
from mlops_desk.kit.storage.history.scales import CurveScale
from mlops_desk.kit.storage.history.store import TelemetryStore

POWER: Key = ("GPU-1", "hw.power", "W")
LOAD: Key = ("host", "load", "1")
FOREVER = time.monotonic() + 1e9


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make chunks so small that a test fills tiers."""
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 3)
    monkeypatch.setattr(compaction, "BLOCKS_LEFT", 1)
    monkeypatch.setattr(compaction, "CHUNKS_KEPT", (4, 3, 2))
    monkeypatch.setattr(compaction, "CHUNKS_A_ROLL", (2, 2))
    monkeypatch.setattr(compaction, "CHUNKS_LEFT", (1, 0))


def opened(folder: Path) -> TelemetryStore:
    return TelemetryStore(folder / "telemetry.db", lambda key: CurveScale(0.5 if key == POWER else 0.001))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TelemetryStore]:
    made = opened(tmp_path)
    yield made
    made.close()


def block_of(times: list[float], value: float, keys: tuple[Key, ...] = (POWER, LOAD)) -> Block:
    values = np.full((len(times), len(keys)), value, np.float32)
    return Block(keys, np.array(times), values, np.full(values.shape, OK, np.uint8))


def work(store: TelemetryStore) -> None:
    for _ in compaction.work(store):
        pass


def rows_of(store: TelemetryStore, key: Key = POWER, tier: int = 0, left_out: int = 0) -> Rolled:
    ((number, _),) = [found or (0, "") for found in find_series(store, [key[:2]])]
    found = read(store, CurvesRequest((number,), -1e9, 1e11, tier, left_out, FOREVER))
    return join(found.pieces[number])


def counts(store: TelemetryStore, table: str, where: str = "1") -> int:
    with store.database.transaction() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table} WHERE {where}")).scalar_one())


OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("flush"), st.integers(1, 5)),
        st.tuples(st.just("pack"), st.integers(0, 12)),
        st.tuples(st.just("die"), st.just(0)),
        st.tuples(st.just("jump"), st.sampled_from([-86_400.0, 86_400.0, 3.2e8, -3.2e8, 61.0])),
    ),
    max_size=40,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(OPERATIONS, st.integers(0, 9))
def test_every_row_is_there_once_whatever_happens(operations: list[tuple[str, float]], left_out: int) -> None:
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        small.__wrapped__(patch)
        patch.setattr(compaction, "CHUNKS_KEPT", (1000, 1000, 1000))
        store = opened(Path(folder))
        written: list[tuple[float, float]] = []
        at, steps = 1.7e9, compaction.work(store)
        for operation, amount in operations:
            if operation == "flush":
                rows = [(at + n, float(len(written) + n)) for n in range(int(amount))]
                block = block_of([time_ for time_, _ in rows], 0.0)
                block.values[:, 0] = [value for _, value in rows]
                store.append(block)
                written += rows
                at += amount
            elif operation == "jump":
                at += amount
            elif operation == "die":
                steps.close()
                store.close()
                store = opened(Path(folder))
                steps = compaction.work(store)
            else:
                for _ in range(int(amount)):
                    if next(steps, "end") == "end":
                        steps = compaction.work(store)
        if written:
            there = rows_of(store)
            got = sorted(zip(there.times.tolist(), there.mean.tolist(), strict=True))
            assert got == sorted(written)
            kept = max(0, len(written) - left_out)
            assert len(rows_of(store, left_out=left_out).times) == kept
            total = float(rows_of(store, tier=2).count.sum())
            assert total == len(written)
        store.close()


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_tiers_are_what_numpy_makes_of_the_rows(store: TelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "CHUNKS_KEPT", (100, 100, 100))
    rng = np.random.default_rng(5)
    times = 1.7e9 + np.arange(3000.0)
    power = np.round(rng.normal(300, 40, 3000) * 2) / 2
    gaps = rng.random(3000) < 0.2
    gaps[600:700] = True
    for start in range(0, 3000, 25):
        part = slice(start, start + 25)
        values = np.stack([np.where(gaps[part], np.nan, power[part]), np.ones(25)], axis=1).astype(np.float32)
        states = np.where(np.isnan(values), 6, OK).astype(np.uint8)
        store.append(Block((POWER, LOAD), times[part], values, states))
    for _ in range(12):
        work(store)
    assert counts(store, "chunks", "tier = 1") > 0
    assert counts(store, "chunks", "tier = 2") > 0
    for tier, seconds in ((1, 60.0), (2, 900.0)):
        there = roll(rows_of(store, tier=tier), seconds)
        order = np.argsort(there.times, kind="stable")
        for place in np.unique(np.floor(times / seconds)):
            mine = (np.floor(times / seconds) == place) & ~gaps
            rows = order[there.times[order] == place * seconds]
            assert there.count[rows].sum() == mine.sum()
            if mine.any():
                low, high = np.nanmin(there.low[rows]), np.nanmax(there.high[rows])
                full = rows[there.count[rows] > 0]
                mean = np.average(there.mean[full], weights=there.count[full])
                assert (low, high) == (power[mine].min(), power[mine].max())
                assert abs(mean - power[mine].mean()) <= tier * 0.5 / 8 + 1e-6


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_what_is_old_is_forgotten_tier_by_tier_and_coarser_rows_take_its_place(store: TelemetryStore) -> None:
    for number in range(400):
        store.append(block_of([1.7e9 + 10 * number + n for n in range(10)], 100.0))
        if number % 7 == 0:
            work(store)
    for _ in range(4):
        work(store)
    assert counts(store, "chunks", "tier = 0") <= 4 + 2
    assert counts(store, "chunks", "tier = 2") == 2
    assert counts(store, "frames") == sum(
        counts(store, "frames", f"id / {FRAMES_A_CHUNK} = {number}") for number in _numbers(store)
    )
    fine, coarse = rows_of(store), rows_of(store, tier=2)
    assert fine.count.sum() == coarse.count.sum()
    assert set(np.unique(fine.count)) - {1.0}  # the old part has rows of many
    assert fine.times.max() == 1.7e9 + 3999


@pytest.mark.usefixtures("small")
def test_where_no_chunk_is_due_one_question_says_so(store: TelemetryStore) -> None:
    store.append(block_of([0.0], 1.0))
    work(store)
    assert store.settled
    assert list(compaction.work(store)) == []
    for second in range(5):
        store.append(block_of([10.0 + second], 1.0))
    assert len(list(compaction.work(store))) > 1
    assert store.settled
    assert counts(store, "chunks", "tier = 0") == 1


def _numbers(store: TelemetryStore) -> list[int]:
    with store.database.transaction() as connection:
        return list(connection.execute(text("SELECT id FROM chunks")).scalars())


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_damaged_frame_costs_itself_only(store: TelemetryStore, caplog: pytest.LogCaptureFixture) -> None:
    keys = tuple(("GPU-1", f"m{n:02d}", "W") for n in range(20))
    for number in range(7):
        store.append(block_of([1.7e9 + 10 * number + n for n in range(10)], 100.0, keys))
    work(store)
    first = _numbers(store)[0]
    with store.database.transaction() as connection:
        connection.execute(text(f"UPDATE frames SET data = x'0102' WHERE id = {first * FRAMES_A_CHUNK + FIRST}"))
    assert len(rows_of(store, keys[0]).times) == 40
    assert len(rows_of(store, keys[19]).times) == 70
    assert "damaged" in caplog.text
    with store.database.transaction() as connection:
        connection.execute(text(f"UPDATE frames SET data = x'00' WHERE id = {first * FRAMES_A_CHUNK}"))
    assert len(rows_of(store, keys[19]).times) == 40
    for number in range(7, 20):
        store.append(block_of([1.7e9 + 10 * number + n for n in range(10)], 100.0, keys))
    for _ in range(3):
        work(store)  # the damage ends nothing
    assert rows_of(store, keys[19], tier=2).count.sum() == 170


@pytest.mark.usefixtures("small")
def test_a_damaged_block_costs_its_own_seconds_only(store: TelemetryStore) -> None:
    for number in range(5):
        store.append(block_of([1.7e9 + 10 * number + n for n in range(10)], 100.0))
    with store.database.transaction() as connection:
        connection.execute(text("UPDATE blocks SET data = x'0102' WHERE id = 2"))
    assert len(rows_of(store).times) == 40
    work(store)
    assert counts(store, "blocks") == 2
    assert len(rows_of(store).times) == 40


@pytest.mark.usefixtures("small")
def test_blocks_of_the_first_version_are_sealed_like_others(store: TelemetryStore) -> None:
    from tests.unit.kit.storage.history.test_integers import OLD_BLOCK

    with store.database.transaction() as connection:
        for device, metric in (("GPU-1", "hw.power"), ("host", "load")):
            connection.execute(text(f"INSERT INTO series (device, metric, unit) VALUES ('{device}', '{metric}', 'W')"))
        connection.execute(text("INSERT INTO layouts (series) VALUES ('1 2')"))
        for _ in range(5):
            connection.execute(
                text(
                    "INSERT INTO blocks (layout, started_at, ended_at, rows, data) "
                    f"VALUES (1, 1.7e9, 1700000001.0, 2, x'{OLD_BLOCK}')"
                )
            )
    assert len(rows_of(store).times) == 10
    work(store)
    assert counts(store, "blocks") == 2
    there = rows_of(store, LOAD)
    assert np.isnan(there.mean).sum() == 5
    np.testing.assert_allclose(np.nanmax(there.mean), 0.25)


def test_many_flushes_share_names_and_layout(store: TelemetryStore) -> None:
    for number in range(5):
        store.append(block_of([number * 10.0], 1.0))
    assert [counts(store, name) for name in ("series", "layouts", "blocks")] == [2, 1, 5]


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_devices_that_come_and_go_leave_no_layouts_behind(
    store: TelemetryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "CHUNKS_KEPT", (1000, 1000, 1000))
    plugged: list[Key] = [(f"/run/{number % 17}", f"use{number % 5}", "1") for number in range(150)]
    for number, key in enumerate(plugged):
        store.append(block_of([1.7e9 + number], float(number), (POWER, key) if number % 3 else (key, POWER)))
        if number % 4 == 0:
            work(store)
        if number % 40 == 0:
            assert rows_of(store).count.sum() == number + 1
    work(store)
    store.close()
    store = opened(tmp_path)
    assert counts(store, "layouts") <= counts(store, "blocks") + counts(store, "chunks")
    for tier in (0, 2):
        assert rows_of(store, tier=tier).count.sum() == len(plugged)
        for key in {*plugged}:
            mine = [number for number, other in enumerate(plugged) if other == key]
            there = rows_of(store, key, tier)
            assert there.count.sum() == len(mine)
            assert np.nanmax(there.high) == mine[-1]
    store.close()


def test_a_read_has_a_deadline(store: TelemetryStore) -> None:
    store.append(block_of([1.7e9], 1.0))
    with pytest.raises(TimedOut):
        read(store, CurvesRequest((1,), 0.0, 1e11, 0, 0, time.monotonic() - 1))


def holding(pid: int, ticks: int, gib: float, user: str = "bo") -> MemoryHolding:
    return MemoryHolding("GPU-1", pid, ticks, user, "python train.py", "train-7", int(gib * (1 << 30)))


@pytest.mark.usefixtures("small")
def test_who_held_memory_is_told_after_the_process_is_gone(store: TelemetryStore) -> None:
    for number in range(14):
        now = [holding(7, 100, 2 + number)] if number < 9 else [holding(7, 999, 1.0, "ada")]
        store.append(block_of([1.7e9 + 10 * number], 1.0), now)
        if number == 8:
            work(store)
    request = CurvesRequest((), 1.7e9 - 1, 1.7e9 + 200, 0, 0, FOREVER)
    grown = memory_of(store, "GPU-1", 7, request)
    assert len(grown.times) == 14
    np.testing.assert_allclose(grown.mean / (1 << 30), [*range(2, 11), *[1.0] * 5])
    found = holders_in(store, request)
    assert [(item.user, round(item.peak_bytes / (1 << 30))) for item in found] == [("bo", 10), ("ada", 1)]
    assert found[0].container == "train-7"
    assert found[0].last_at == 1.7e9 + 80
    late = CurvesRequest((), 1.7e9 + 100, 1.7e9 + 200, 0, 0, FOREVER)
    assert [item.user for item in holders_in(store, late)] == ["ada"]
    work(store)
    assert len(memory_of(store, "GPU-1", 7, request).times) == 14
    assert counts(store, "layouts") == 1


@pytest.mark.slow
@pytest.mark.usefixtures("small")
def test_a_process_is_known_as_long_as_a_chunk_has_it_and_no_longer(store: TelemetryStore) -> None:
    """Each chunk has three blocks, and each block a process of its own."""
    for number in range(40):
        store.append(block_of([1.7e9 + 10 * number], 1.0), [holding(number + 1, 100, 1.0)])
        work(store)
    kept = counts(store, "chunks", "tier = 0 AND state = 1")
    assert 0 < kept < 13, "the oldest are forgotten"
    assert counts(store, "processes", "seen_chunk IS NOT NULL") == 3 * kept


def test_the_newest_four_chunks_are_not_rolled_up_yet(store: TelemetryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 2)
    monkeypatch.setattr(compaction, "BLOCKS_LEFT", 0)
    monkeypatch.setattr(compaction, "CHUNKS_A_ROLL", (2, 1000))
    found = []
    for number in range(16):
        store.append(block_of([1.7e9 + 10 * number], 1.0))
        work(store)
        found.append((counts(store, "chunks", "tier = 0"), counts(store, "chunks", "tier = 1")))
    assert {(chunks, rolled) for chunks, rolled in found} >= {(4, 0), (5, 0), (6, 1), (7, 1), (8, 2)}


ROWS = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=60)


@given(ROWS, st.sampled_from([2.0, 7.0, 60.0]))
def test_rolling_up_twice_is_rolling_up_once(values: list[float | None], seconds: float) -> None:
    rows = single(1.7e9 + np.arange(len(values), dtype=float), np.array(values, float))
    once, twice = roll(rows, 4 * seconds), roll(roll(rows, seconds), 4 * seconds)
    np.testing.assert_array_equal(once.times, twice.times)
    np.testing.assert_array_equal(once.low, twice.low)
    np.testing.assert_array_equal(once.high, twice.high)
    np.testing.assert_array_equal(once.count, twice.count)
    np.testing.assert_allclose(once.mean, twice.mean, rtol=1e-9, atol=1e-6)


def test_until_a_chunk_may_be_due_a_turn_only_writes_its_block(small: None, store: TelemetryStore) -> None:
    asked: list[str] = []
    store.append(block_of([0.0], 0.0))
    work(store)
    event.listen(store.database._engine, "before_cursor_execute", lambda *said: asked.append(said[2]))
    for number in range(1, 3):
        store.append(block_of([float(number)], 0.0))
        work(store)
    assert [statement.split()[0] for statement in asked] == ["INSERT", "INSERT"]
    store.append(block_of([3.0], 0.0))
    work(store)
    assert counts(store, "chunks", "state = 1") == 1
    assert len(rows_of(store).times) == 4


def test_a_few_blocks_with_many_rows_are_a_chunk_too(
    small: None, store: TelemetryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compaction, "ROWS_A_CHUNK", 20)
    store.append(block_of([0.0], 0.0))
    work(store)
    store.append(block_of([float(second) for second in range(1, 21)], 0.0))
    work(store)
    assert counts(store, "chunks", "state = 1") == 0  # the newest blocks stay apart
    store.append(block_of([21.0], 0.0))
    work(store)
    assert counts(store, "chunks", "state = 1") == 1
