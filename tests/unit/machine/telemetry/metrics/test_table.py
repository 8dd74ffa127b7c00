"""The table of metrics, and the one way a number becomes a reading."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.host import DISK
from mlops_desk.machine.telemetry.metrics.table import GPU_METRICS, METRICS, TABLE, all_missing, measured


def test_every_metric_is_declared_once_and_explained() -> None:
    assert len(TABLE) == len(METRICS)
    for metric in METRICS:
        assert metric.help.endswith(".")
        assert metric.resolution > 0
        assert metric.low < metric.high


@given(st.sampled_from(METRICS), st.floats())
def test_a_reading_has_a_value_only_inside_the_limits(metric, value: float) -> None:
    reading = measured(metric.device, metric.name, value)
    possible = math.isfinite(value) and metric.low <= value <= metric.high
    assert reading.state is (MetricState.OK if possible else MetricState.ERROR)
    assert reading.value == (value if possible else None)
    assert reading.unit == metric.unit


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hw.gpu.utilization", 9.0),
        ("hw.temperature", 255.0),
        ("hw.gpu.memory.usage", float((1 << 64) - 1)),
        ("hw.temperature.memory", 9223372036854775794.0),
        ("hw.gpu.performance_state", 32.0),
        ("hw.power", -1.0),
    ],
)
def test_sentinels_seen_in_the_wild_are_no_values(name: str, value: float) -> None:
    assert measured(GPU, name, value).value is None


def test_zero_is_a_value_and_nothing_is_not() -> None:
    assert measured(DISK, "system.disk.read", 0.0).value == 0.0
    lost = all_missing(MetricState.LOST)
    assert set(lost) == set(GPU_METRICS)
    assert all(reading.value is None for reading in lost.values())
