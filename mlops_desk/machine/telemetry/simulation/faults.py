"""Faults on purpose, for tests and for showing what failure looks like."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mlops_desk.machine.records.gpu import GpuState
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.table import measured, missing


class SimulatedFaults:
    """Faults read from a JSON file whenever it changes; no file, no faults.

    ``lost``, ``hang``, ``no_permission``: lists of indices; ``unsupported``: {index: [metric]};
    ``wild``: {index: {metric: impossible value}}; ``count``: how many GPUs there are; ``trouble``: why there is no
    driver; ``ended``: processes that were ended by hand, as [pid, start ticks, Unix time].
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self._faults: Mapping[str, Any] = {}

    def now(self) -> Mapping[str, Any]:
        """Return the faults that hold at this moment."""
        if self._path is None:
            return {}
        try:
            facts = self._path.stat()
            stamp = (facts.st_mtime_ns, facts.st_ino)
            if stamp != self._stamp:
                self._faults = json.loads(self._path.read_bytes())
                self._stamp = stamp
        except FileNotFoundError:
            self._faults, self._stamp = {}, None
        return self._faults


def failure(index: int, faults: Mapping[str, Any]) -> tuple[GpuState, MetricState | None]:
    """Return a GPU's state, and why it has no values, if it has none."""
    if index in faults.get("lost", ()):
        return GpuState.LOST, MetricState.LOST
    if index in faults.get("no_permission", ()):
        return GpuState.NO_PERMISSION, MetricState.NO_PERMISSION
    return GpuState.OK, None


def wild(index: int, faults: Mapping[str, Any]) -> dict[str, Reading]:
    """Return the readings that a fault puts in the place of a GPU's own."""
    unsupported = faults.get("unsupported", {}).get(str(index), ())
    values = faults.get("wild", {}).get(str(index), {})
    return {
        **{name: missing(GPU, name, MetricState.NOT_SUPPORTED) for name in unsupported},
        **{name: measured(GPU, name, value) for name, value in values.items()},
    }
