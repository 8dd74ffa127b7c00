"""The worker that makes the demonstration's past: a process that is given a stretch on stdin.

Request: {"seed": number, "tier": 0-2, "start": Unix seconds, "end": Unix seconds, "every": seconds between samples,
"niceness": of nice(2)}. The answer is a MadeHistory. It is made by the simulated sources themselves, so it ends where
the live numbers begin; when samples are taken follows from the time alone, so it is the same whenever it is made.
"""

import math
import os
from collections.abc import Iterator
from typing import Any

import numpy as np

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.storage.history.backfill import MadeHistory, MadeHolders, MadeProcess
from mlops_desk.kit.storage.history.blocks import Block, coded
from mlops_desk.kit.storage.history.chunks import CURVES_A_FRAME, TIER_SECONDS, put_curves, put_rolled, put_times
from mlops_desk.kit.storage.history.rollup import Rolled, roll, single, stretches
from mlops_desk.kit.storage.history.scales import grouped
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry.history.memory import Ring, parts_of
from mlops_desk.machine.telemetry.history.precision import scale_of
from mlops_desk.machine.telemetry.simulation.gpus import samples_at
from mlops_desk.machine.telemetry.simulation.workloads import container_name

MODULE = "mlops_desk.machine.telemetry.past_worker"
_HOLDERS_SECONDS = (10.0, 60.0, 300.0)
"""By tier, how often it is noted who holds memory: live every ten seconds; a run of the shortest work lasts nine
minutes, so none is missed."""
_HOLDERS_TABLE_SECONDS = 86_400.0  # chosen: some hundred processes, a table of a megabyte
_HOLDING_BYTES = 64 << 20  # as live
_GOLDEN = 0.6180339887  # the multiples of the golden ratio are spread most evenly
_MEBIBYTE = 1 << 20  # the unit of the table


def make(seed: int, tier: int, start: float, end: float, every: float) -> MadeHistory:
    """Return the past from ``start`` to ``end``."""
    times = [*_times(tier, start, end, every)]
    ring = Ring(max(1, len(times)))
    held: dict[int, _HolderTable] = {}
    noted = -math.inf
    for sample in samples_at(seed, times):
        ring.append_parts(sample.sampled_at, parts_of(sample))
        moment = sample.sampled_at // _HOLDERS_SECONDS[tier]
        if moment != noted:
            noted = moment
            held.setdefault(int(sample.sampled_at // _HOLDERS_TABLE_SECONDS), _HolderTable()).take(sample)
    block, _ = ring.since(0)
    rows, packed_times, frames = _full_rate(block) if tier == 0 else _rolled(block, TIER_SECONDS[tier], every)
    return MadeHistory(
        tier, start, end, rows, block.keys, packed_times, tuple(frames), tuple(table.made() for table in held.values())
    )


def _times(tier: int, start: float, end: float, every: float) -> Iterator[float]:
    """Yield when samples are taken: live ones on the second, others anywhere in each ``every``.

    At an even pace they would meet the works, which come and go in quarters of an hour, always at the same point.
    """
    number = math.floor(start / every)
    while (first := number * every) < end:
        at = first + every * (number * _GOLDEN % 1.0) if tier else first
        if start <= at < end:
            yield at
        number += 1


def _full_rate(block: Block) -> tuple[int, bytes, Iterator[bytes]]:
    rows = coded(block, grouped([scale_of(key) for key in block.keys]))
    times = put_times(rows.times_ms, np.ones(len(rows.times_ms), np.int64))
    parts = (slice(first, first + CURVES_A_FRAME) for first in range(0, len(block.keys), CURVES_A_FRAME))
    return len(block.times), times, (put_curves(rows.codes[:, part], rows.states[:, part]) for part in parts)


def _rolled(block: Block, seconds: float, every: float) -> tuple[int, bytes, Iterator[bytes]]:
    """Roll samples up; each stands for as many seconds as it is from the next, which live are as many samples."""
    places = stretches(block.times, seconds)
    starts = np.floor(block.times[places] / seconds) * seconds
    weight = round(every)
    counts = weight * np.diff(np.append(places, len(block.times))).astype(np.int64)
    times = put_times(np.rint(starts * 1000).astype(np.int64), counts)

    def curve(column: int) -> Rolled:
        rolled = roll(single(block.times, block.values[:, column].astype(np.float64)), seconds)
        return Rolled(rolled.times, rolled.low, rolled.mean, rolled.high, weight * rolled.count)

    def frames() -> Iterator[bytes]:
        for first in range(0, len(block.keys), CURVES_A_FRAME):
            columns = range(first, min(first + CURVES_A_FRAME, len(block.keys)))
            scales = [scale_of(block.keys[column]) for column in columns]
            yield put_rolled([curve(column) for column in columns], counts, scales)

    return len(places), times, frames()


class _HolderTable:
    """Notes who holds GPU memory at some moments."""

    def __init__(self) -> None:
        self._times: list[int] = []
        self._found: dict[tuple[str, int, int], tuple[MadeProcess, dict[int, int]]] = {}

    def take(self, sample: Sample) -> None:
        row = len(self._times)
        self._times.append(round(sample.sampled_at * 1000))
        for gpu in sample.gpus:
            for process in gpu.processes:
                if (size := process.gpu_memory_bytes or 0) < _HOLDING_BYTES:
                    continue
                ticks, container = process.start_ticks or 0, process.container
                key = gpu.uuid, process.pid, ticks
                if key not in self._found:
                    name = container_name(container) if container else None
                    made = MadeProcess(*key, process.user, process.command, name, row, ())
                    self._found[key] = made, {}
                self._found[key][1][row] = round(size / _MEBIBYTE)

    def made(self) -> MadeHolders:
        processes = []
        for process, sizes in self._found.values():
            rows = range(process.first_row, max(sizes) + 1)
            held = tuple(sizes.get(row, -1) for row in rows)
            processes.append(
                MadeProcess(
                    process.gpu, process.pid, process.start_ticks, process.user, process.command, process.container,
                    process.first_row, held,
                )
            )  # fmt: skip
        return MadeHolders(tuple(self._times), tuple(processes))


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    made = make(
        int(request["seed"]), int(request["tier"]), float(request["start"]), float(request["end"]),
        float(request["every"]),
    )  # fmt: skip
    return wire.to_builtins(made)


def _answer_in_turn(request: dict[str, Any]) -> Any:
    os.nice(int(request["niceness"]))
    return answer(request)


if __name__ == "__main__":
    serve_one(_answer_in_turn)
