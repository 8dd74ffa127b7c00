"""kill -9 while recorded points are flushed, merged and rolled up: what was flushed is there, once, in every tier."""

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.kit.storage.history.curve_reader import CurvesRequest
from mlops_desk.kit.storage.history.points import store as reader
from mlops_desk.kit.storage.history.points.store import PointStore
from mlops_desk.kit.storage.history.rollup import Rolled
from mlops_desk.machine.telemetry.history.disk import open_store
from tests.end2end.telemetry.point_writer import NAMES, START, place_of

pytestmark = pytest.mark.end2end

KILLS = 8
WRITER = Path(__file__).with_name("point_writer.py")


def rows_of(path: Path, number: int, tier: int) -> Rolled:
    store = open_store(path)
    try:
        points = PointStore(store.database)
        (known,) = points.find([NAMES[number]])
        if known is None:
            return Rolled(*[np.empty(0)] * 5)
        request = CurvesRequest((), 0.0, 1e11, tier, 0, time.monotonic() + 240)
        return reader.read(points, {NAMES[number]: known}, [], request)[0][NAMES[number]]
    finally:
        store.close()


def test_kill_9_loses_no_point_that_was_flushed_and_doubles_none(tmp_path: Path) -> None:
    path, following, chance = tmp_path / "telemetry.db", 0, random.Random(12)
    for _ in range(KILLS):
        writer = subprocess.Popen(
            [sys.executable, str(WRITER), str(path), str(following)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert writer.stdout is not None
        assert writer.stderr is not None
        for _ in range(chance.randint(10, 40)):
            assert writer.stdout.readline(), writer.stderr.read().decode()
        time.sleep(chance.random() * 0.05)  # anywhere in a flush or a merge
        writer.kill()
        said = [line for line in writer.stdout.read().split(b"\n")[:-1] if line]
        writer.communicate(timeout=240)
        counts = []
        for number in (0, 5):
            there = rows_of(path, number, 0)
            turns = len(there.times)
            expected = {place_of(turn): float(turn % 4096) for turn in range(turns)}
            seconds = np.rint(there.times - START).astype(int).tolist()
            assert dict(zip(seconds, there.mean.tolist(), strict=True)) == expected
            assert rows_of(path, number, 1).count.sum() == turns
            assert rows_of(path, number, 2).count.sum() == turns
            counts.append(turns)
        assert counts[0] == counts[1]
        assert not said or counts[0] > int(said[-1])
        following = counts[0] * 3 // 4  # the last quarter is recorded again: the same points change nothing
    assert following > 200
