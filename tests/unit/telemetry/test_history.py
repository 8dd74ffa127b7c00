"""Ring, blocks and the telemetry database: what was sampled is what is read, and a full disk is survived."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from sqlalchemy import text

from mlops_desk.base.errors import Unavailable
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.storage.blocks import Block, DamagedBlock, pack, unpack
from mlops_desk.storage.telemetry import TelemetryStore
from mlops_desk.telemetry.history import History
from mlops_desk.telemetry.metrics import METRICS
from mlops_desk.telemetry.ring import Ring, quantised

POWER = ("GPU-1", "hw.power", "W")
LOAD = ("host", "system.cpu.utilization", "1")


@st.composite
def blocks(draw: st.DrawFn) -> Block:
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(0, 9))
    keys = tuple(("GPU-1", f"m{n}", "1") for n in range(columns))
    return Block(
        keys,
        draw(npst.arrays(np.float64, rows, elements=st.floats(0, 2e9))),
        draw(npst.arrays(np.float32, (rows, columns), elements=st.floats(width=32))),
        draw(npst.arrays(np.uint8, (rows, columns))),
    )


def assert_same(one: Block, other: Block) -> None:
    assert one.keys == other.keys
    np.testing.assert_array_equal(one.times, other.times)
    np.testing.assert_array_equal(one.values, other.values)
    np.testing.assert_array_equal(one.states, other.states)


@given(blocks())
def test_a_block_comes_back_as_it_was(block: Block) -> None:
    assert_same(unpack(pack(block), block.keys, len(block.times)), block)


@given(blocks(), st.data())
def test_a_damaged_block_is_noticed(block: Block, data: st.DataObject) -> None:
    packed = bytearray(pack(block))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        read = unpack(bytes(packed), block.keys, len(block.times))
    except DamagedBlock:
        return
    assert_same(read, block)  # a bit of the frame's header that carries nothing


def test_a_block_that_claims_to_be_huge_takes_no_memory() -> None:
    claims = bytes.fromhex("28b52ffdf4103d00000800010074") + b"x" * 9
    with pytest.raises(DamagedBlock):
        unpack(b"\x01" + claims, (), 2)


@given(st.sampled_from(METRICS), st.floats(0, 1))
def test_history_is_as_exact_as_the_metric_declares(metric, share: float) -> None:
    value = metric.low + share * min(metric.high - metric.low, metric.resolution * 1e5)
    block = Block(
        (("d", metric.name, metric.unit),), np.zeros(1), np.array([[value]], np.float32), np.ones((1, 1), np.uint8)
    )
    stored = float(quantised(block).values[0, 0])
    assert abs(stored - value) <= metric.resolution * 0.51 + abs(value) * 1e-6


def test_the_ring_keeps_the_newest_rows_and_the_gaps() -> None:
    ring = Ring(rows=4)
    for second in range(6):
        reading = Reading(float(second), "W") if second != 4 else Reading(None, "W", MetricState.STALE)
        ring.append(float(second), [(POWER, reading)])
    ring.append(6.0, [(LOAD, Reading(0.5, "1"))])
    block, following = ring.since(0)
    assert following == 7
    assert list(block.times) == [3.0, 4.0, 5.0, 6.0]
    np.testing.assert_array_equal(block.values[:, 0], np.array([3.0, np.nan, 5.0, np.nan], np.float32))
    np.testing.assert_array_equal(block.values[:, 1], np.array([np.nan, np.nan, np.nan, 0.5], np.float32))
    assert block.states[3, 0] == 0
    assert block.states[1, 0] not in {0, block.states[0, 0]}
    assert list(ring.window(1.5).times) == [5.0, 6.0]
    assert ring.since(7)[0].times.size == 0


def test_the_ring_grows_with_new_devices() -> None:
    ring = Ring()
    for number in range(200):
        ring.append(float(number), [((f"GPU-{number}", "hw.power", "W"), Reading(float(number), "W"))])
    block = ring.window(1e9)
    assert len(block.keys) == 200
    assert block.values[150, 150] == 150.0
    assert np.isnan(block.values[10, 150])


@pytest.fixture
def store(tmp_path: Path):
    made = TelemetryStore(tmp_path / "telemetry.db")
    yield made
    made.close()


def block_at(start: float, keys=(POWER, LOAD), rows: int = 10) -> Block:
    values = np.arange(rows * len(keys), dtype=np.float32).reshape(rows, len(keys))
    return Block(keys, start + np.arange(rows), values, np.ones((rows, len(keys)), np.uint8))


def test_blocks_are_read_by_time_and_forgotten_by_number(store: TelemetryStore) -> None:
    wide = block_at(200.0, (POWER, LOAD, ("nvme0n1", "system.disk.read", "By/s")))
    for block in (block_at(100.0), block_at(110.0), wide):
        store.append(block)
    found = store.read(112.0, 205.0)
    assert [block.times[0] for block in found] == [110.0, 200.0]
    assert_same(found[1], wide)
    assert store.forget(2) == 1
    assert [block.times[0] for block in store.read(0.0, 1e9)] == [110.0, 200.0]
    assert store.forget(2) == 0


def test_a_clock_that_jumps_ten_years_deletes_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Ring()
    history = History(tmp_path / "telemetry.db", ring, lambda _: None)
    now = time.time()
    for at in (now, now + 3e8, now - 3e8):
        ring.append(at, [(POWER, Reading(1.0, "W"))])
        monkeypatch.setattr(time, "time", lambda at=at: at)
        history._forget_at = 0.0
        history.flush()
    assert sum(len(block.times) for block in history.read(0.0, 1e10)) == 3
    history.stop()


def test_many_flushes_share_names_and_layout(store: TelemetryStore) -> None:
    for number in range(5):
        store.append(block_at(number * 10.0))
    with store._database.transaction() as connection:
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {name}")).scalar()
            for name in ("series", "layouts", "blocks")
        ]
    assert counts == [2, 1, 5]
    assert store.size()[0] == 5


def test_a_damaged_row_costs_its_own_seconds_only(store: TelemetryStore) -> None:
    store.append(block_at(0.0))
    store.append(block_at(10.0))
    with store._database.transaction() as connection:
        connection.execute(text("UPDATE blocks SET data = x'0102' WHERE id = 1"))
    assert [block.times[0] for block in store.read(0.0, 100.0)] == [10.0]


def _limit_pages(store: TelemetryStore, pages: int) -> None:
    with store._database.transaction() as connection:
        connection.execute(text(f"PRAGMA max_page_count={pages}"))


def test_a_full_disk_pauses_the_history_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    ring, notices, now = Ring(), [], time.time()
    history = History(tmp_path / "telemetry.db", ring, notices.append)

    def sample(rows: int) -> None:
        rng = np.random.default_rng(1)
        for _ in range(rows):
            ring.append(
                now + ring.since(0)[1],
                [((f"d{n}", "x", "1"), Reading(float(value), "1")) for n, value in enumerate(rng.random(800))],
            )

    sample(1)
    history.flush()
    with closing(sqlite3.connect(tmp_path / "telemetry.db")) as connection:
        used = connection.execute("PRAGMA page_count").fetchone()[0]
    _limit_pages(history._store, used)
    sample(50)
    history.flush()
    history.flush()
    assert history.paused
    assert [notice.level for notice in notices] == ["alert"]
    assert "full" in notices[0].text
    assert notices[0].hint
    _limit_pages(history._store, 1 << 30)
    history.flush()
    assert history.paused is None
    assert notices[-1].level == "info"
    assert sum(len(block.times) for block in history.read(now, now + 99.0)) == 51
    history.stop()


def test_a_database_that_can_not_be_opened_is_tried_again(tmp_path: Path) -> None:
    notices = []
    ring = Ring()
    attempts, now = [], time.time()

    def open_store(path: Path) -> TelemetryStore:
        attempts.append(path)
        if len(attempts) < 3:
            raise Unavailable("The database can't be opened.", "Free some space.")
        return TelemetryStore(path)

    history = History(tmp_path / "telemetry.db", ring, notices.append, open_store)
    for second in range(3):
        ring.append(now + second, [(POWER, Reading(1.0, "W"))])
        history.flush()
        assert (history.paused is None) == (second == 2)
    assert len(history.read(now, now + 9.0)[0].times) == 3
    assert [notice.level for notice in notices] == ["alert", "info"]
    history.stop()


def test_a_damaged_database_is_set_aside_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"this is no database" * 400)
    notices = []
    ring = Ring()
    history = History(path, ring, notices.append)
    ring.append(1.0, [(POWER, Reading(1.0, "W"))])
    history.flush()
    assert any("damaged" in notice.text for notice in notices)
    assert len(list(tmp_path.glob("telemetry.db.damaged-*"))) == 1
    history.stop()
