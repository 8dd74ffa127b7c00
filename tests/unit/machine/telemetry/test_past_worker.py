"""The demonstration's past is what its live numbers would have been: the same each time, without a step at the seam."""

import math
from pathlib import Path

import numpy as np
import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.storage.history.backfill import MadeHistory, put_in
from mlops_desk.kit.storage.history.curve_reader import CurvesRequest, find_series, holders_in, read
from mlops_desk.kit.storage.history.rollup import Rolled, join
from mlops_desk.kit.storage.history.scales import error_limit
from mlops_desk.machine.telemetry.history.disk import open_store
from mlops_desk.machine.telemetry.history.memory import parts_of
from mlops_desk.machine.telemetry.history.precision import scale_of
from mlops_desk.machine.telemetry.past_worker import MODULE, _times, make
from mlops_desk.machine.telemetry.simulation.gpus import samples_at
from mlops_desk.machine.telemetry.simulation.workloads import WORKS, load, pid_of, rhythm, run_of, turn_at

NOON = 1.8e9
DAY = 86_400.0
SEED = 8


def curve(folder: Path, made: MadeHistory, device: str, metric: str) -> Rolled:
    store = open_store(folder / "telemetry.db")
    try:
        put_in(store, made)
        (found,) = find_series(store, [(device, metric)])
        assert found is not None
        request = CurvesRequest((found[0],), made.started_at - 900, made.ended_at, made.tier, 0, math.inf)
        return join(read(store, request).pieces[found[0]])
    finally:
        store.close()


@pytest.mark.slow
def test_a_row_of_the_past_is_what_would_have_been_measured_then(tmp_path: Path) -> None:
    at = NOON + 7.0
    made = make(SEED, 0, NOON, NOON + 10.0, 1.0)
    assert (made.rows, made.tier) == (10, 0)
    (sample,) = samples_at(SEED, [at])
    live = {
        (device, metric): reading.value
        for _, _, groups in parts_of(sample)
        for device, metrics in groups
        for metric, reading in metrics.items()
    }
    assert {key[:2] for key in made.keys} >= live.keys()
    units = {key[:2]: key for key in made.keys}
    gpu = sample.gpus[2].uuid
    wanted = [(gpu, "hw.power"), (gpu, "hw.energy"), ("host", "system.memory.usage"), ("nvme1n1", "system.disk.read")]
    for number, name in enumerate(wanted):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = curve(folder, made, *name)
        assert found.times.tolist() == [NOON + second for second in range(10)]
        value = live[name]
        assert value is not None
        assert found.mean[7] == pytest.approx(value, rel=1e-6, abs=2 * error_limit(value, scale_of(units[name])))


@pytest.mark.slow
def test_the_same_seed_makes_the_same_numbers_and_another_one_others() -> None:
    first = make(SEED, 1, NOON, NOON + 120.0, 20.0)
    assert make(SEED, 1, NOON, NOON + 120.0, 20.0) == first
    assert make(SEED + 1, 1, NOON, NOON + 120.0, 20.0).frames != first.frames
    later = make(SEED, 1, NOON + 60.0, NOON + 120.0, 20.0)
    assert (first.rows, later.rows) == (2, 1)


@pytest.mark.slow
def test_rows_of_minutes_and_quarters_have_a_least_and_a_most_and_weigh_as_live_ones(tmp_path: Path) -> None:
    made = make(SEED, 2, NOON, NOON + 1800.0, 150.0)
    (sample,) = samples_at(SEED, [NOON])
    found = curve(tmp_path, made, sample.gpus[4].uuid, "hw.power")
    assert found.times.tolist() == [NOON, NOON + 900.0]
    assert found.count.tolist() == [900.0, 900.0]
    assert (found.low < found.mean).all()
    assert (found.mean < found.high).all()


def test_samples_of_coarse_rows_meet_works_at_every_point_of_theirs() -> None:
    times = np.array([*_times(2, NOON, NOON + 86_400.0, 300.0)])
    assert len(times) == 288
    assert (np.diff(times) > 0).all()
    assert len(set(np.floor(times / 300.0))) == 288
    assert np.histogram(times % 1800.0, 12, (0.0, 1800.0))[0].min() > 12


@pytest.mark.slow
def test_a_row_that_the_gap_cuts_off_is_made_of_the_samples_inside(tmp_path: Path) -> None:
    made = make(SEED, 2, NOON + 500.0, NOON + 900.0, 150.0)
    (sample,) = samples_at(SEED, [NOON])
    found = curve(tmp_path, made, sample.gpus[4].uuid, "hw.power")
    assert (found.times.tolist(), found.count.tolist()) == ([NOON], [450.0])


@pytest.mark.slow
def test_who_ran_then_is_told_with_names_as_live(tmp_path: Path) -> None:
    made = make(SEED, 2, NOON, NOON + 2 * 3600.0, 150.0)
    store = open_store(tmp_path / "telemetry.db")
    put_in(store, made)
    found = holders_in(store, CurvesRequest((), NOON, NOON + 7200.0, 2, 0, math.inf))
    store.close()
    commands = {(item.user, (item.container or "").rpartition("-")[0]) for item in found}
    assert ("jonas", "vllm-mistral") in commands
    runs = [
        run_of(SEED, sweep(), turn) for turn in range(turn_at(SEED, sweep(), NOON), turn_at(SEED, sweep(), NOON + 7200))
    ]
    expected = {(pid_of(SEED, run, 7), run.work.command) for run in runs if run.end > NOON + 300.0}
    assert {(item.pid, item.command) for item in found} >= expected
    assert len(expected) >= 11


def sweep():  # type: ignore[no-untyped-def]  # one of WORKS
    return next(work for work in WORKS if work.name == "sweep")


def test_there_is_day_and_night() -> None:
    vllm = next(work for work in WORKS if work.name == "vllm-mistral")
    hours = [NOON + 3600.0 * hour for hour in range(7 * 24)]
    loads = [load(SEED, run_of(SEED, vllm, turn_at(SEED, vllm, at)), 4, at) for at in hours]
    waking = [rhythm(at) for at in hours]
    assert np.corrcoef(loads, waking)[0, 1] > 0.9
    assert max(loads) > 1.4 * min(loads)
    assert min(loads) > 0.0
    assert max(loads) < 1.0


def test_some_nights_a_long_training_rests_and_others_not() -> None:
    llama = next(work for work in WORKS if work.name == "llama-70b")
    first = turn_at(SEED, llama, NOON)
    runs = [run_of(SEED, llama, turn) for turn in range(first, first + 48 * 30)]
    left_out = [run for run in runs if run.until == run.start]
    assert 0 < len(left_out) < len(runs) / 4
    assert {run.until for run in runs} <= {run.start for run in left_out} | {run.end for run in runs}


@pytest.mark.slow
def test_the_worker_answers_what_the_history_takes() -> None:
    request = {"seed": SEED, "tier": 1, "start": NOON, "end": NOON + 60.0, "every": 20.0, "niceness": 0}
    assert wire.from_builtins(run_worker(MODULE, request, 60.0), MadeHistory) == make(SEED, 1, NOON, NOON + 60.0, 20.0)
