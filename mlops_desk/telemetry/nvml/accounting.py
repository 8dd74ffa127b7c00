"""What the driver keeps account of, where an administrator wants that: each process's share of a GPU and most memory.

The driver keeps some thousand processes and overwrites the oldest. One that has ended is asked once, and who it was is
known if it was seen while it ran. Its pid may belong to another by now.
"""

import time
from collections.abc import Collection
from typing import Any

import pynvml

from mlops_desk.records.gpu import AccountedProcess
from mlops_desk.telemetry.host.processes import Processes
from mlops_desk.telemetry.nvml.device import NvmlDevice
from mlops_desk.telemetry.nvml.door import CallError

_SHOWN = 50  # chosen: as many lines as somebody reads
_ASKED_AT_ONCE = 64  # chosen: each costs a call; the rest has its turn at the next look
_HUNDRED = 100
_MOST_BYTES = 1 << 50  # chosen: beyond any GPU's memory; what is more is the driver's word for not known
_MICROSECONDS = 1e6
_MILLISECONDS = 1e3
_FUTURE_SECONDS = 60.0  # chosen: clocks differ by less; later ones are not times


class AccountingReader:
    """Reads the accounts of one GPU."""

    def __init__(self, device: NvmlDevice, processes: Processes) -> None:
        self._device = device
        self._lookup = processes
        self._ended: dict[int, AccountedProcess | None] = {}
        self._shown: tuple[AccountedProcess, ...] | None = None

    def read(self, running: Collection[int]) -> tuple[AccountedProcess, ...] | None:
        """Return the newest, those that run first; the same object while nothing changes, None while it is off.

        ``running`` are the pids on the GPU now: an account of one of them is of another process than it was.
        Raises NvmlError.
        """
        if not self._device.number(pynvml.nvmlDeviceGetAccountingMode):
            self._ended, self._shown = {}, None
            return None
        pids = dict.fromkeys(int(pid) for pid in self._device.ask(pynvml.nvmlDeviceGetAccountingPids))
        self._ended = {pid: one for pid, one in self._ended.items() if pid in pids and pid not in running}
        unknown = sorted((pid for pid in pids if pid not in self._ended), key=lambda pid: pid not in running)
        asked = {pid: self._ask(pid) for pid in unknown[:_ASKED_AT_ONCE]}
        self._ended |= {pid: one for pid, one in asked.items() if one is None or not one.running}
        known = [one for one in {**self._ended, **asked}.values() if one is not None]
        shown = tuple(sorted(known, key=_age)[:_SHOWN])
        if shown != self._shown:
            self._shown = shown
        return self._shown

    def _ask(self, pid: int) -> AccountedProcess | None:
        """Return one account; None when it was overwritten, or is not told. Raises NvmlError if all is gone."""
        try:
            stats = self._device.ask(pynvml.nvmlDeviceGetAccountingStats, pid)
        except CallError:
            return None
        now = time.time()
        started_at = stats.startTime / _MICROSECONDS
        known = 0.0 < started_at <= now + _FUTURE_SECONDS
        who = self._lookup.facts_at(pid, started_at if known else now)
        return AccountedProcess(
            pid,
            running=bool(stats.isRunning),
            started_at=started_at if known else None,
            seconds=None if stats.isRunning else stats.time / _MILLISECONDS,
            gpu_ratio=_ratio(stats.gpuUtilization),
            memory_ratio=_ratio(stats.memoryUtilization),
            max_memory_bytes=_bytes(stats.maxMemoryUsage),
            user=who.user,
            command=who.command,
            container=who.container,
        )


def _age(one: AccountedProcess) -> tuple[bool, float]:
    return not one.running, -(one.started_at or 0.0)


def _ratio(percent: int) -> float | None:
    return percent / _HUNDRED if percent <= _HUNDRED else None


def _bytes(value: Any) -> int | None:
    return int(value) if value is not None and value <= _MOST_BYTES else None
