"""Keeps the verdicts on GPUs: made anew every few seconds from the last minute in memory, and held in between.

A GPU is judged only by seconds in which its present holder was there: what went before is not his.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.status import Diagnosis, Status
from mlops_desk.machine.telemetry.history.memory import Ring
from mlops_desk.machine.telemetry.verdicts.diagnosis import IDLE, Idle, Means, diagnose

EVERY_SECONDS = 5.0  # chosen: the mean of a minute moves little in between
MINUTE_SECONDS = 60.0  # chosen: longer than the pauses between steps, epochs and saves that are nobody's fault
FEWEST_SECONDS = 20.0
"""Who has held a GPU for less is not judged yet: it still starts."""

_FEWEST_VALUES = 5  # chosen: a mean of fewer says what a moment was, not a minute
_CURVES_AT_ONCE = 256
"""A minute of so many takes 60 kB. All at once would be more than the allocator keeps for the next time (allocator)."""

Holder = frozenset[object]
"""Who computes on a GPU, each process by pid and start; without any, the lease."""


class Verdicts:
    """Used by the thread that samples; the newest may be read from any."""

    def __init__(self) -> None:
        self._current: tuple[Diagnosis, ...] = ()
        self._due = 0.0
        self._idle_since: dict[str, float] = {}
        self._held: dict[str, tuple[Holder, float]] = {}
        self._first = True

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
            block = ring.window(MINUTE_SECONDS)
            self._see(status, block, now, at)
            idle = {  # whatever the clock did
                uuid: at - (now - max(began, self._held[uuid][1]))
                for uuid, began in self._idle_since.items()
                if uuid in self._held
            }
            self._current = tuple(self._judged(status, block, Idle(idle, at), now))

    def _see(self, status: Status, block: Block, now: float, at: float) -> None:
        """Note who holds each GPU, and since when (monotonic): of whom it was seen first with, since his start."""
        before, self._held = self._held, {}
        for gpu in status.gpus:
            known = before.get(gpu.uuid)
            holder = _holder(gpu)
            if known is not None and not holder and not gpu.processes_known:
                self._held[gpu.uuid] = known  # who held it may do so still
            elif holder:
                same = known is not None and bool(known[0] & holder)
                since = known[1] if known is not None and same else now
                if self._first:
                    since -= _measured_already(gpu, block, at)
                self._held[gpu.uuid] = holder, since
        self._first = self._first and not status.gpus  # before the first measurement there is none

    def _judged(self, status: Status, block: Block, idle: Idle, now: float) -> Iterator[Diagnosis]:
        """Judge each GPU by the seconds in which its holder was there, beside those that were held as long."""
        held = {uuid: min(MINUTE_SECONDS, now - since) for uuid, (_, since) in self._held.items()}
        found: dict[str, Diagnosis] = {}
        for seconds in sorted({each for each in held.values() if each >= FEWEST_SECONDS}):
            gpus = tuple(gpu for gpu in status.gpus if held.get(gpu.uuid, 0.0) >= seconds)
            for verdict in diagnose(replace(status, gpus=gpus), means_of(_last(block, seconds)), idle):
                if held[verdict.device] == seconds:
                    found[verdict.device] = verdict
        return (found[gpu.uuid] for gpu in status.gpus if gpu.uuid in found)


def _holder(gpu: Gpu) -> Holder:
    computing = [(each.pid, each.start_ticks) for each in gpu.processes if each.kind != "graphics"]
    if computing or gpu.lease is None or gpu.lease.state != "leased":
        return frozenset(computing)
    return frozenset({gpu.lease.attempt or gpu.lease.label})


def _measured_already(gpu: Gpu, block: Block, at: float) -> float:
    """Return how many seconds of a holder that is older than this program are in memory already."""
    starts = [each.started_at for each in gpu.processes if each.kind != "graphics" and each.started_at is not None]
    if not starts or not len(block.times):
        return 0.0
    return max(0.0, at - max(min(starts), float(block.times[0])))


def _last(block: Block, seconds: float) -> Block:
    rows = block.times >= block.times[-1:] - seconds
    return block if rows.all() else Block(block.keys, block.times[rows], block.values[rows], block.states[rows])


def means_of(block: Block) -> Means:
    """Return the mean of each curve; one with only a few values has none."""
    few = min(_FEWEST_VALUES, max(1, len(block.times) // 2))
    means: dict[tuple[str, str], float] = {}
    for first in range(0, len(block.keys), _CURVES_AT_ONCE):
        values = block.values[:, first : first + _CURVES_AT_ONCE]
        known = np.isfinite(values)
        sums, counts = np.where(known, values, 0.0).sum(axis=0, dtype=np.float64), known.sum(axis=0)
        enough = np.flatnonzero(counts >= few)
        keys = (block.keys[first + place][:2] for place in enough.tolist())
        means.update(zip(keys, (sums[enough] / counts[enough]).tolist(), strict=True))
    return means
