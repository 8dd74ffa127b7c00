"""The one table of all metrics: name, unit, kind, help, device class, resolution and what a sensor can possibly say.

Names follow the OpenTelemetry hardware and system conventions where they have one. ``measured`` is the
only way a number becomes a reading: what lies outside its metric's limits (255 °C, 2^64-1 bytes,
900 % utilisation: all seen in the wild) is an error, never a value.
"""

import math
from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.records.metric import Metric, MetricState, Reading
from mlops_desk.telemetry.metrics.gpu import DEVICE_TABLE, GPU, GPU_TABLE, LINK, MIG
from mlops_desk.telemetry.metrics.host import CORE, DISK, FILESYSTEM, HOST, HOST_METRICS, NETWORK, SENSOR
from mlops_desk.telemetry.metrics.titles import TITLES

__all__ = [
    "CORE",
    "DISK",
    "FILESYSTEM",
    "GPU",
    "GPU_METRICS",
    "HOST",
    "LINK",
    "METRICS",
    "MIG",
    "NETWORK",
    "SENSOR",
    "TABLE",
    "Metric",
    "all_missing",
    "measured",
    "missing",
]

METRICS: tuple[Metric, ...] = tuple(
    replace(metric, title=TITLES[metric.device, metric.name]) for metric in (*DEVICE_TABLE, *HOST_METRICS)
)
TABLE: Mapping[tuple[str, str], Metric] = {(metric.device, metric.name): metric for metric in METRICS}
GPU_METRICS: tuple[str, ...] = tuple(metric.name for metric in GPU_TABLE)


def measured(device: str, name: str, value: float) -> Reading:
    """Return ``value`` as a reading of this metric, or an error when no sensor can mean it."""
    metric = TABLE[device, name]
    if not (math.isfinite(value) and metric.low <= value <= metric.high):
        return Reading(None, metric.unit, MetricState.ERROR)
    return Reading(float(value), metric.unit)


def missing(device: str, name: str, state: MetricState) -> Reading:
    """Return a reading without a value, for the reason ``state``."""
    return Reading(None, TABLE[device, name].unit, state)


def all_missing(state: MetricState, readings: Mapping[str, Reading] | None = None) -> dict[str, Reading]:
    """Return every GPU metric (or those of ``readings``) without a value."""
    if readings is None:
        return {name: missing(GPU, name, state) for name in GPU_METRICS}
    return {name: Reading(None, reading.unit, state) for name, reading in readings.items()}


class ReadingMaker:
    """Makes the readings of one device of the class ``device``."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._known: dict[str, Reading] = {}

    def measured(self, name: str, value: float) -> Reading:
        """Return ``value`` as a reading, the same object while the value stays the same."""
        known = self._known.get(name)
        if known is None or known.value != value:
            known = self._known[name] = measured(self._device, name, value)
        return known

    def missing(self, name: str, state: MetricState) -> Reading:
        """Return a reading without a value."""
        known = self._known.get(name)
        if known is None or known.state is not state:
            known = self._known[name] = missing(self._device, name, state)
        return known
