"""What a process held at most is kept whatever it held last, and no tier is emptied below what is promised."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.kit.storage.history import compaction
from mlops_desk.kit.storage.history.blocks import OK, Block
from mlops_desk.kit.storage.history.holders import MemoryHolding
from mlops_desk.kit.storage.history.store import TelemetryStore

GIB = 1 << 30


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TelemetryStore]:
    """A history whose chunks are so small that a test fills tiers."""
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 3)
    monkeypatch.setattr(compaction, "BLOCKS_LEFT", 1)
    monkeypatch.setattr(compaction, "CHUNKS_KEPT", (4, 3, 2))
    monkeypatch.setattr(compaction, "CHUNKS_A_ROLL", (2, 2))
    monkeypatch.setattr(compaction, "CHUNKS_LEFT", (1, 0))
    made = TelemetryStore(tmp_path / "telemetry.db")
    yield made
    made.close()


def append(store: TelemetryStore, number: int, held_gib: int | None = None) -> None:
    times = np.array([1000.0 + number])
    block = Block((("host", "load", "1"),), times, np.ones((1, 1), np.float32), np.full((1, 1), OK, np.uint8))
    held = [] if held_gib is None else [MemoryHolding("GPU-1", 7, 100, "bo", "python", None, held_gib * GIB)]
    store.append(block, held)
    for _ in compaction.work(store):
        pass


def value(store: TelemetryStore, query: str) -> float:
    with store.database.transaction() as connection:
        return float(connection.exec_driver_sql(query).scalar_one())


@pytest.mark.slow
def test_the_most_that_a_process_held_outlives_the_chunk_it_was_in(store: TelemetryStore) -> None:
    for number, held in enumerate([2, 10, 2, 1, 1, 1, 1, 1, 1]):
        append(store, number, held)
    assert value(store, "SELECT peak_bytes FROM processes") == 10 * GIB
    assert value(store, "SELECT last_at FROM processes") == 1005.0


@pytest.mark.slow
def test_no_tier_is_emptied_below_what_is_promised(store: TelemetryStore) -> None:
    most = 0
    for number in range(90):
        append(store, number)
        there = int(value(store, "SELECT count(*) FROM chunks WHERE tier = 0 AND state = 1"))
        assert there >= min(most, 4)
        most = max(most, there)
    assert most > 4
