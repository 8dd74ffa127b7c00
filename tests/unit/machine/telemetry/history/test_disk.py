"""Ring and history: what was sampled is what is read, and a full disk is survived."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest
from sqlalchemy import text

from mlops_desk.kit.base.disk import free_space
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.storage.history import compaction
from mlops_desk.kit.storage.history.store import TelemetryStore
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.history import disk
from mlops_desk.machine.telemetry.history import disk as module
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring


def power(value: float) -> tuple[str, dict[str, Reading]]:
    return "GPU-1", {"hw.power": Reading(value, "W")}


def test_the_ring_keeps_the_newest_rows_and_the_gaps() -> None:
    ring = Ring(rows=4)
    for second in range(6):
        reading = Reading(float(second), "W") if second != 4 else Reading(None, "W", MetricState.STALE)
        ring.append(float(second), [("GPU-1", {"hw.power": reading})])
    ring.append(6.0, [("host", {"system.cpu.utilization": Reading(0.5, "1")})])
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
        ring.append(float(number), [(f"GPU-{number}", {"hw.power": Reading(float(number), "W")})])
    block = ring.window(1e9)
    assert len(block.keys) == 200
    assert block.values[150, 150] == 150.0
    assert np.isnan(block.values[10, 150])


def test_a_clock_that_jumps_ten_years_deletes_no_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ring = Ring()
    history = DiskHistory(tmp_path / "telemetry.db", ring, lambda _: None)
    now = time.time()
    for at in (now, now + 3e8, now - 3e8):
        ring.append(at, [power(1.0)])
        monkeypatch.setattr(time, "time", lambda at=at: at)
        history.flush()
    assert sum(len(block.times) for block in history.store.read(0.0, 1e10)) == 3
    history.stop()


def _limit_pages(store: TelemetryStore, pages: int) -> None:
    with store.database.transaction() as connection:
        connection.execute(text(f"PRAGMA max_page_count={pages}"))


@pytest.mark.slow
def test_a_full_disk_pauses_the_history_and_it_goes_on_by_itself(tmp_path: Path) -> None:
    ring, notices, now = Ring(), [], time.time()
    history = DiskHistory(tmp_path / "telemetry.db", ring, notices.append)

    def sample(rows: int) -> None:
        rng = np.random.default_rng(1)
        for _ in range(rows):
            ring.append(
                now + ring.since(0)[1],
                [(f"d{n}", {"x": Reading(float(value), "1")}) for n, value in enumerate(rng.random(800))],
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
    assert sum(len(block.times) for block in history.store.read(now, now + 99.0)) == 51
    history.stop()


def test_nothing_is_packed_for_a_disk_that_is_still_full_and_room_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices, ring, tried, now = [], Ring(), [], time.time()
    free: list[int | None] = [0]
    monkeypatch.setattr(free_space, "free_bytes", lambda _folder: free[0])
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(disk, "SOON_SECONDS", 0.01)
    monkeypatch.setattr(disk, "LONGEST_SECONDS", 1e6)

    class Full(TelemetryStore):
        def append(self, *arguments: object) -> None:
            tried.append(arguments)
            if free[0] == 0:
                _full()
            super().append(*arguments)

    history = DiskHistory(tmp_path / "telemetry.db", ring, notices.append, Full)
    for second in range(5):
        ring.append(now + second, [power(1.0)])
        history._turn()
    assert len(tried) == 1
    assert history.paused
    free[0] = 1 << 30
    history._turn()
    assert history.paused is None
    assert [notice.level for notice in notices] == ["alert", "info"]
    assert sum(len(block.times) for block in history.store.read(now, now + 9.0)) == 5
    history.stop()


def test_a_packing_that_failed_is_begun_anew_and_told_in_the_same_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices, ring, now = [], Ring(), time.time()
    history = DiskHistory(tmp_path / "telemetry.db", ring, notices.append)
    for second in range(30):
        ring.append(now + second, [power(1.0)])
        history.flush()
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 10)
    with monkeypatch.context() as full:
        full.setattr(compaction.chunk_writer, "fill", _full)
        history.pack()
    assert history.paused
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(disk.Retrying, "is_due", lambda *_, **__: True)
    history._turn()
    assert [notice.level for notice in notices] == ["alert", "info"]
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

    history = DiskHistory(tmp_path / "telemetry.db", ring, notices.append, open_store)
    for second in range(3):
        ring.append(now + second, [power(1.0)])
        history.flush()
        assert (history.paused is None) == (second == 2)
    assert len(history.store.read(now, now + 9.0)[0].times) == 3
    assert [notice.level for notice in notices] == ["alert", "info"]
    history.stop()


def test_nothing_opens_the_database_again_once_it_is_closed(tmp_path: Path) -> None:
    ring = Ring()
    history = DiskHistory(tmp_path / "telemetry.db", ring, lambda _: None)
    ring.append(time.time(), [power(1.0)])
    history.flush()
    store = history.store  # as a reader that is under way has it
    history.stop()
    ring.append(time.time(), [power(2.0)])
    history.flush()  # as the history's own thread does that was between two steps
    assert history.store is None
    with pytest.raises(Unavailable):
        store.size()
    assert not list(tmp_path.glob("*-wal"))


def test_a_damaged_database_is_set_aside_and_said_so(tmp_path: Path) -> None:
    path = tmp_path / "telemetry.db"
    path.write_bytes(b"this is no database" * 400)
    notices = []
    ring = Ring()
    history = DiskHistory(path, ring, notices.append)
    ring.append(1.0, [power(1.0)])
    history.flush()
    assert any("damaged" in notice.text for notice in notices)
    assert len(list(tmp_path.glob("telemetry.db.damaged-*"))) == 1
    history.stop()


def test_a_database_that_is_damaged_while_it_is_open_is_set_aside_and_writing_goes_on(tmp_path: Path) -> None:
    path, notices, ring = tmp_path / "telemetry.db", [], Ring()
    history = DiskHistory(path, ring, notices.append)
    now = time.time()
    ring.append(now, [power(1.0)])
    history.flush()
    history.store.database._engine.dispose()  # all of it is in the file now, none in the log
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)
    for second in range(1, 4):
        ring.append(now + second, [power(1.0)])
        history.flush()
    assert [notice.level for notice in notices] == ["alert", "warning", "info"]
    assert "damaged" in notices[0].text
    assert str(next(tmp_path.glob("telemetry.db.damaged-*"))) in notices[1].text
    assert history.paused is None
    assert sum(len(block.times) for block in history.store.read(now, now + 9)) == 3
    history.stop()


def test_a_disk_that_is_full_at_the_packing_pauses_it_without_a_flood_of_notices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notices, ring = [], Ring()
    history = DiskHistory(tmp_path / "telemetry.db", ring, notices.append)
    now = time.time()
    for second in range(30):
        ring.append(now + second, [power(1.0)])
        history.flush()
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 10)
    monkeypatch.setattr(compaction.chunk_writer, "fill", _full)
    for second in range(30, 34):
        ring.append(now + second, [power(1.0)])
        history.flush()
        history.pack()
    assert [notice.level for notice in notices] == ["alert"]
    monkeypatch.undo()
    history.pack()
    history.flush()
    assert [notice.level for notice in notices] == ["alert", "info"]
    assert sum(len(block.times) for block in history.store.read(0, 1e11)) == 34
    history.stop()


def _full(*_: object) -> int:
    raise Unavailable("The database can't be written: the disk is full.", "Free some space.")


def test_while_the_database_is_opened_memory_answers(tmp_path: Path) -> None:
    ring, opening = Ring(), Event()

    def open_store(path: Path) -> TelemetryStore:
        opening.wait(20)
        return TelemetryStore(path)

    history = DiskHistory(tmp_path / "telemetry.db", ring, lambda _: None, open_store)
    now = time.time()
    ring.append(now, [power(7.0)])
    flush = Thread(target=history.flush)
    flush.start()
    try:
        _, (curve,) = CurveReader(ring, history).reduce([("GPU-1", "hw.power")], now - 3600, now + 1, 10)
        assert curve.mean[-1] == 7.0
    finally:
        opening.set()
        flush.join()
    history.stop()
