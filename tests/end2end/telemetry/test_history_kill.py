"""kill -9 while history is flushed, sealed and rolled up: what was flushed is there, once, in every tier."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.kit.storage.history import compaction
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest, find_series, read
from mlops_desk.kit.storage.history.rollup import Rolled, join
from mlops_desk.machine.telemetry.history.disk import open_store
from tests.end2end.telemetry.history_writer import START

pytestmark = pytest.mark.end2end

KILLS = 8
WRITER = Path(__file__).with_name("history_writer.py")


def rows_of(path: Path, metric: str, tier: int) -> Rolled:
    store = open_store(path)
    try:
        ((number, _),) = [found or (0, "") for found in find_series(store, [("d", metric)])]
        found = read(store, CurvesRequest((number,), 0.0, 1e11, tier, 0, time.monotonic() + 240))
        return join(found.pieces[number])
    finally:
        store.close()


def test_kill_9_loses_nothing_that_was_flushed_and_doubles_nothing(tmp_path: Path) -> None:
    path, following, chance = tmp_path / "telemetry.db", 0, random.Random(11)
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(following)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stderr is not None
        for _ in range(chance.randint(20, 60)):
            assert writer.stdout.readline(), writer.stderr.read().decode()
        time.sleep(chance.random() * 0.05)  # anywhere in a flush, a seal or a roll-up
        writer.kill()
        said = [line for line in writer.stdout.read().split(b"\n")[:-1] if line]
        writer.communicate(timeout=240)
        for metric in ("m00", "m39"):
            there = rows_of(path, metric, 0)
            order = np.argsort(there.times, kind="stable")
            numbers = np.rint(there.times[order] - START).astype(int)
            np.testing.assert_array_equal(numbers, np.arange(len(numbers)))
            np.testing.assert_array_equal(there.mean[order], numbers % 4096)
            assert rows_of(path, metric, 2).count.sum() == len(numbers)
        assert not said or len(numbers) > int(said[-1])
        following = len(numbers)
    store = open_store(path)
    for _ in compaction.work(store):
        pass
    store.close()
    assert following > 1000
