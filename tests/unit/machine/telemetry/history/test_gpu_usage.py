"""What a GPU did over a span of time."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.machine.telemetry.history.curves import Axis, Reduced
from mlops_desk.machine.telemetry.history.gpu_usage import counted, gpu_spent

NAN = math.nan


class Past:
    def __init__(self, **curves):
        self.curves = {name.replace("_", "."): values for name, values in curves.items()}

    def reduce(self, names, start, end, points):
        self.points = points
        found = []
        for gpu, metric in names:
            values = np.array(self.curves.get(metric, [NAN] * 4), dtype=float)
            found.append(Reduced(gpu, metric, "1", True, values, values, values))
        return Axis(start, (end - start) / 4, 4, 0), found


def test_nothing_is_known_of_what_was_not_measured():
    assert gpu_spent(Past(), "GPU-a", 0.0, 100.0) == GpuSpent()


def test_a_mean_a_peak_and_the_counter():
    past = Past(hw_gpu_utilization=[0.0, 0.5, 1.0, NAN], hw_gpu_memory_usage=[1, 9, 3, 2],
                hw_energy=[1000, 1100, 1200, 1500], hw_power=[1, 1, 1, 1])  # fmt: skip
    found = gpu_spent(past, "GPU-a", 0.0, 100.0)
    assert found == GpuSpent(0.5, 500.0, True, 9, None)
    assert past.points == 100


def test_without_a_counter_energy_is_power_over_time():
    found = gpu_spent(Past(hw_power=[100, NAN, 300, 200]), "GPU-a", 0.0, 50.0)
    assert (found.energy_joules, found.energy_measured) == (10_000.0, False)


def test_what_was_measured_for_less_than_half_is_not_told():
    assert gpu_spent(Past(hw_gpu_utilization=[1, NAN, NAN, NAN]), "GPU-a", 0.0, 9.0).utilization_mean is None
    assert gpu_spent(Past(hw_gpu_utilization=[1, 0, NAN, NAN]), "GPU-a", 0.0, 9.0).utilization_mean == 0.5


def test_time_lost_for_two_reasons_at_once_counts_once():
    past = Past(hw_gpu_throttle_thermal=[0.5, 0, 0, 0])
    past.curves["hw.gpu.throttle.power_brake"] = [0.5, 1.0, 0, NAN]
    assert gpu_spent(past, "GPU-a", 0.0, 100.0).throttled_seconds == pytest.approx(37.5)
    past.curves["hw.gpu.throttle.power_cap"] = [1, 1, 1, 1]
    assert gpu_spent(past, "GPU-a", 0.0, 100.0).throttled_seconds == pytest.approx(37.5)


def test_a_long_span_is_read_coarsely_and_a_short_one_at_all():
    past = Past()
    gpu_spent(past, "GPU-a", 0.0, 1e6)
    assert past.points == 2000
    gpu_spent(past, "GPU-a", 0.0, 0.3)
    assert past.points == 1


def test_a_counter_that_began_anew_counts_on():
    values = np.array([100.0, 150.0, 10.0, NAN, 30.0])
    assert counted(values, values) == 70.0
    assert counted(np.array([0.0, 12.0]), np.array([10.0, 25.0])) == 25.0
    assert counted(np.array([]), np.array([])) == 0.0


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_a_counter_never_runs_back(values):
    found = counted(np.array(values), np.array(values))
    assert found >= 0
    rising = np.array(sorted(values))
    assert counted(rising, rising) == pytest.approx(rising[-1] - rising[0], abs=1e-3)
