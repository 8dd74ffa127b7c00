"""Curves on a screen's axis: the right tier, gaps that stay gaps, memory and disk as one, times and names as typed."""

import math
import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.time_expressions import parse_moment
from mlops_desk.kit.storage.history import compaction
from mlops_desk.kit.storage.history.chunks import TIER_SECONDS
from mlops_desk.kit.storage.history.rollup import single
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.devices import resolve_device
from mlops_desk.machine.telemetry.history.buckets import binned, choose_tier
from mlops_desk.machine.telemetry.history.curves import CurveReader
from mlops_desk.machine.telemetry.history.disk import DiskHistory
from mlops_desk.machine.telemetry.history.memory import Ring

NOW = 1_794_999_600.0
POWER = ("GPU-1", "hw.power")


@given(st.floats(1, 2e8), st.integers(1, 5000))
def test_the_tier_is_the_coarsest_that_gives_enough_points(span: float, points: int) -> None:
    tier = choose_tier(span, points)
    assert tier == 0 or span / TIER_SECONDS[tier] >= points
    assert tier == len(TIER_SECONDS) - 1 or span / TIER_SECONDS[tier + 1] < points


VALUES = st.lists(st.one_of(st.none(), st.floats(-1e6, 1e6)), min_size=1, max_size=80)


@given(VALUES, st.integers(1, 40), st.floats(1.0, 9.0))
def test_buckets_are_what_numpy_says(values: list[float | None], buckets: int, step: float) -> None:
    times, array = NOW + np.arange(len(values), dtype=float), np.array(values, float)
    low, mean, high = binned(single(times, array), NOW, step, buckets, 0.0)
    for place in range(buckets):
        mine = array[np.floor((times - NOW) / step) == place]
        mine = mine[~np.isnan(mine)]
        if len(mine):
            assert (low[place], high[place]) == (mine.min(), mine.max())
            assert math.isclose(mean[place], mine.mean(), rel_tol=1e-9, abs_tol=1e-6)
        else:
            assert np.isnan(low[place])
            assert np.isnan(mean[place])


@given(npst.arrays(np.float64, st.integers(2, 50), elements=st.floats(-0.2, 0.2)))
def test_late_samples_make_no_gaps_and_a_gap_is_not_filled(jitter: np.ndarray) -> None:
    times = NOW + np.arange(len(jitter)) + jitter
    values = np.arange(len(jitter), dtype=float)
    values[len(values) // 2] = np.nan
    _, mean, _ = binned(single(times, values), NOW, 0.5, 2 * len(values), 1.0)
    begins = NOW + 0.5 * np.arange(2 * len(values))
    gap = len(values) // 2
    end = times[gap + 1] if gap + 1 < len(times) else np.inf
    inside = (begins > times[0]) & (begins < times[-1])
    missing = inside & (begins > times[gap]) & (begins + 0.5 <= end)
    assert np.isnan(mean[missing]).all()
    surely = inside & ((begins + 0.5 <= times[gap]) | (begins >= end))
    assert not np.isnan(mean[surely]).any()


class Rig:
    def __init__(self, folder: Path) -> None:
        self.ring = Ring()
        self.history = DiskHistory(folder / "telemetry.db", self.ring, lambda _: None)
        self.reader = CurveReader(self.ring, self.history)
        self.count = 0

    def run(self, start: float, seconds: int, *, flush: bool = True) -> None:
        for second in range(seconds):
            self.ring.append(start + second, [("GPU-1", {"hw.power": Reading(float(self.count % 1000), "W")})])
            self.count += 1
            if flush and second % 10 == 9:
                self.history.flush()

    def power(self, start: float, end: float, points: int) -> tuple[float, np.ndarray]:
        axis, (curve,) = self.reader.reduce([POWER], start, end, points)
        return axis.step, curve.mean


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


@pytest.mark.slow
def test_memory_and_disk_make_one_curve(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 12)
    rig.run(NOW, 600)
    rig.history.pack()
    rig.run(NOW + 600, 600)
    rig.history.pack()
    rig.run(NOW + 1200, 7, flush=False)
    step, mean = rig.power(NOW, NOW + 1207, 1207)
    assert step == 1.0
    np.testing.assert_array_equal(mean, np.arange(1207) % 1000)
    step, mean = rig.power(NOW + 400, NOW + 1207, 2000)
    assert (step, len(mean)) == (1.0, 807)  # no more points than were measured
    before = rig.history.find([POWER], _request(NOW, NOW + 2000), None)[0][0]
    assert sum(len(piece.times) for piece in before.pieces) == 1200


def _request(start: float, end: float):
    from mlops_desk.kit.storage.history.curve_reader import CurvesRequest

    return CurvesRequest((), start, end, 0, 0, time.monotonic() + 60)


@pytest.mark.slow
def test_a_clock_that_jumps_back_hides_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 12)
    rig.run(NOW + 3600, 300)  # the clock is an hour ahead
    rig.history.pack()
    rig.run(NOW, 1200)
    rig.history.pack()
    _, mean = rig.power(NOW + 3600, NOW + 3900, 300)
    np.testing.assert_array_equal(mean, np.arange(300))
    _, mean = rig.power(NOW, NOW + 1200, 1200)
    np.testing.assert_array_equal(mean, (np.arange(1200) + 300) % 1000)


def test_a_second_at_another_date_is_read_as_finely_as_any(rig: Rig) -> None:
    rig.run(NOW - 86_400, 1)  # the clock was a day late for a moment
    rig.run(NOW, 1)
    step, mean = rig.power(NOW - 86_405, NOW - 86_340, 65)
    assert (step, mean[5]) == (1.0, 0.0)


@pytest.mark.slow
def test_a_year_is_answered_from_the_coarse_tiers(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CHUNKS_A_ROLL", (2, 2)), ("CHUNKS_LEFT", (1, 0))):
        monkeypatch.setattr(compaction, name, value)
    monkeypatch.setattr(compaction, "BLOCKS_A_CHUNK", 12)
    rig.run(NOW, 4000)
    rig.history.pack(60.0)
    _, mean = rig.power(NOW - 300 * 86_400, NOW + 65 * 86_400, 365)
    assert 1 <= np.isfinite(mean).sum() <= 2
    step, mean = rig.power(NOW, NOW + 4000, 60)
    assert step == pytest.approx(4000 / 60)
    assert mean[0] == pytest.approx(59.5, abs=0.25)  # a minute belongs to the bucket in which it begins
    answer = rig.reader.curves([POWER], NOW, NOW + 4000, 60)
    assert answer.tier_seconds == 60.0


@pytest.mark.parametrize("state", [MetricState.LOST, MetricState.STALE])
def test_a_gap_is_a_gap_in_memory_and_on_disk(rig: Rig, state: MetricState) -> None:
    for second in range(20):
        reading = Reading(None, "W", state) if 5 <= second < 9 else Reading(1.0, "W")
        rig.ring.append(NOW + second, [("GPU-1", {"hw.power": reading})])
    rig.history.flush()
    for start in (NOW, NOW - 50):
        _, mean = rig.power(start, NOW + 20, int(NOW + 20 - start))
        assert list(np.flatnonzero(np.isnan(mean[-20:]))) == [5, 6, 7, 8]


def test_what_can_not_be_answered_is_said(rig: Rig) -> None:
    for start, end, points in ((2.0, 1.0, 5), (0.0, math.inf, 5), (0.0, 1.0, 0), (0.0, 1.0, 10**9)):
        with pytest.raises(Invalid):
            rig.reader.reduce([POWER], start, end, points)
    with pytest.raises(Invalid):
        rig.reader.reduce([POWER] * 1000, 0.0, 1.0, 5)


UNITS = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}


@given(st.integers(0, 10_000), st.sampled_from(sorted(UNITS)), st.floats(1e9, 2e9))
def test_times_ago_are_what_they_say(amount: int, unit: str, now: float) -> None:
    try:
        assert parse_moment(f"-{amount}{unit}", now) == pytest.approx(now - amount * UNITS[unit])
    except Invalid:
        assert now < amount * UNITS[unit]


@given(st.floats(0, 4e9))
def test_unix_seconds_and_dates_are_read(at: float) -> None:
    assert parse_moment(at, 0.0) == at
    whole = float(int(at))
    assert parse_moment(str(int(at)), 0.0) == whole
    assert parse_moment(datetime.fromtimestamp(whole).astimezone().isoformat(), 0.0) == whole
    assert parse_moment("now", at) == at


@given(st.text(max_size=20))
def test_no_text_breaks_the_reading_of_times(text: str) -> None:
    try:
        at = parse_moment(text, 1e9)
    except Invalid:
        return
    assert 0 <= at <= 4e9


GPUS = {0: "GPU-aaaa1111", 1: "GPU-aaab2222"}


@pytest.mark.parametrize(
    ("given_", "device"),
    [("gpu0", GPUS[0]), ("1", GPUS[1]), (GPUS[1], GPUS[1]), ("GPU-aaab", GPUS[1]), ("aaaa", GPUS[0]), ("host", "host"),
     ("nvme0n1", "nvme0n1"), ("nvme0", "nvme0n1"), ("/data", "/data"), ("GPU-x/pid-7", "GPU-x/pid-7")],
)  # fmt: skip
def test_devices_are_found_as_people_name_them(given_: str, device: str) -> None:
    known = ["host", "nvme0n1", "/data", "GPU-aaaa1111/link-0"]
    assert resolve_device(given_, GPUS, known) == device


@pytest.mark.parametrize(("given_", "error"), [("GPU-a", Invalid), ("gpu7", NotFound), ("x", NotFound), ("", NotFound)])
def test_other_devices_are_refused_with_what_there_is(given_: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        resolve_device(given_, GPUS, ["host"])
