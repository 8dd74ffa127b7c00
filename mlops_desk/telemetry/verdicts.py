"""Keeps the verdicts on GPUs: made anew every few seconds from the last minute in memory, and held in between."""

import numpy as np

from mlops_desk.records.diagnosis import Diagnosis
from mlops_desk.records.status import Status
from mlops_desk.storage.blocks import Block
from mlops_desk.telemetry.diagnosis import IDLE, Idle, Means, diagnose
from mlops_desk.telemetry.ring import Ring

EVERY_SECONDS = 5.0
MINUTE_SECONDS = 60.0
_FEWEST_VALUES = 5


class Verdicts:
    """Used by the thread that samples; the newest may be read from any."""

    def __init__(self) -> None:
        self._current: tuple[Diagnosis, ...] = ()
        self._due = 0.0
        self._idle_since: dict[str, float] = {}

    @property
    def current(self) -> tuple[Diagnosis, ...]:
        return self._current

    def look(self, status: Status, ring: Ring, now: float, at: float) -> None:
        """Take a new sample into account; ``now`` is monotonic, ``at`` Unix time."""
        for gpu in status.gpus:
            reading = gpu.metrics.get("hw.gpu.utilization")
            if reading is not None and reading.value is not None and reading.value < IDLE:
                self._idle_since.setdefault(gpu.uuid, now)
            else:
                self._idle_since.pop(gpu.uuid, None)
        if now >= self._due:
            self._due = now + EVERY_SECONDS
            means = means_of(ring.window(MINUTE_SECONDS))
            idle = {uuid: at - (now - began) for uuid, began in self._idle_since.items()}  # whatever the clock did
            self._current = diagnose(status, means, Idle(idle, at))


def means_of(block: Block) -> Means:
    """Return the mean of each curve; one with only a few values has none."""
    known = np.isfinite(block.values)
    counts = known.sum(axis=0)
    sums = np.where(known, block.values, 0.0).sum(axis=0, dtype=np.float64)
    few = min(_FEWEST_VALUES, max(1, len(block.times) // 2))
    return {
        (key[0], key[1]): float(total / count)
        for key, total, count in zip(block.keys, sums.tolist(), counts.tolist(), strict=True)
        if count >= few
    }
