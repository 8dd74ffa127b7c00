"""Who holds a context on a GPU and how much of its time each takes, into buffers that are used again.

Some drivers of the 535 series fill records of 32 bytes where 24 were agreed; that shows in bytes behind the last
agreed record, and the buffer has room for it. Shares of time above 100 % and times from the future, both seen in the
wild, are left out.

Clients of MPS, which share the GPU through a server process, have a list of their own; on some drivers they are in the
list of those that compute as well. That list is asked only when processes came or went, while there are clients, and
now and then.
"""

import ctypes
import struct
import time
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from mlops_desk.machine.telemetry.nvml.nvml_library import (
    UNABLE,
    UNABLE_SECONDS,
    CallError,
    ErrorKind,
    NvmlDevice,
    NvmlError,
)

_NOT_AVAILABLE = {(1 << 64) - 1, (1 << 32) - 1}
_NO_INSTANCE = 0xFFFF_FFFF  # what NVML writes where MIG is off
_FIRST_ROOM = 32  # chosen: more than a GPU usually has; a second call makes room
_MOST = 4096  # chosen: a driver that says there are more is not believed
_AGREED = struct.Struct("<I4xQII")
_LONGER = struct.Struct("<I4xQIIQ")
_WITHOUT_INSTANCE = struct.Struct("<I4xQ")
"""The first version's records; it knew no MIG."""
_SHARES = struct.Struct("<I4xQIIII")
_MICROSECONDS = 1_000_000
_FIRST_SPAN = 2 * _MICROSECONDS
_FUTURE = 60 * _MICROSECONDS
_VERSIONS = ("_v3", "_v2", "")
_CLIENTS_SECONDS = 10.0  # chosen: MPS is rare, and who is new is looked for at once


class Shares(NamedTuple):
    """A process's part of the GPU's time: its multiprocessors, its memory's bandwidth, its video engines."""

    sm: float | None = 0.0
    memory: float | None = 0.0
    encoder: float | None = 0.0
    decoder: float | None = 0.0


_NONE = Shares()
_UNSAID = Shares(None, None, None, None)


@dataclass(frozen=True, slots=True)
class RawProcess:
    """A process as the driver lists it. ``kind``: compute, graphics or mps; ``draws``: it is in the list of those too.

    A share that is None is not said.
    """

    pid: int
    memory_bytes: int | None
    kind: str
    instance: int | None = None
    draws: bool = False
    shares: Shares = _UNSAID


class ProcessLister:
    """Lists the processes of one GPU."""

    def __init__(self, device: NvmlDevice) -> None:
        self._device = device
        self._room = _FIRST_ROOM
        self._bytes = bytearray()
        self._buffer = self._make()
        self._version: dict[str, str] = {}
        self._asked_of: frozenset[int] = frozenset()
        self._has_clients = False
        self._ask_clients = 0.0
        self._seen_until = int(time.time() * _MICROSECONDS) - _FIRST_SPAN

    def read(self) -> list[RawProcess]:
        """Return who uses the GPU, each once: as client of MPS, else as computing, else drawing. Raises NvmlError."""
        found: dict[int, tuple[int | None, str, int | None, bool]] = {}
        for pid, memory, instance in self._list("Graphics"):
            found[pid] = memory, "graphics", instance, True
        for pid, memory, instance in self._list("Compute"):
            found[pid] = memory, "compute", instance, pid in found
        for pid, memory, instance in self._clients(frozenset(found), time.monotonic()):
            listed_memory, _, listed_instance, draws = found.get(pid, (None, "", None, False))
            memory = listed_memory if memory is None else memory  # noqa: PLW2901 - what either list says
            instance = listed_instance if instance is None else instance  # noqa: PLW2901 - likewise
            found[pid] = memory, "mps", instance, draws
        if not found:
            return []
        shares = self._shares()
        if shares is None:
            return [RawProcess(pid, *listed) for pid, listed in found.items()]
        return [RawProcess(pid, *listed, shares.get(pid, _NONE)) for pid, listed in found.items()]

    def _clients(self, pids: frozenset[int], now: float) -> list[tuple[int, int | None, int | None]]:
        """Return the clients of MPS, ``pids`` being in the other lists. Raises NvmlError when GPU or driver is gone."""
        if now < self._ask_clients and not self._has_clients and pids == self._asked_of:
            return []
        self._asked_of, self._ask_clients = pids, now + _CLIENTS_SECONDS
        try:
            found = self._list("MPSCompute")
        except CallError as error:
            self._has_clients = False
            if error.kind in UNABLE:
                self._ask_clients = now + UNABLE_SECONDS
            return []
        self._has_clients = bool(found)
        return found

    def _list(self, what: str) -> list[tuple[int, int | None, int | None]]:
        for version in _VERSIONS[_VERSIONS.index(self._version.get(what, _VERSIONS[0])) :]:
            try:
                count = self._fill(f"nvmlDeviceGet{what}RunningProcesses{version}")
            except NvmlError as error:
                if error.kind is ErrorKind.NOT_IN_DRIVER and version != _VERSIONS[-1]:
                    continue
                raise
            self._version[what] = version
            return self._records(version, count)
        return []

    def _records(self, version: str, count: int) -> list[tuple[int, int | None, int | None]]:
        data = memoryview(self._bytes)
        if not version:
            first = _WITHOUT_INSTANCE.iter_unpack(data[: _WITHOUT_INSTANCE.size * count])
            return [(pid, _bytes(memory), None) for pid, memory in first if pid]
        return [
            (record[0], _bytes(record[1]), None if record[2] == _NO_INSTANCE else record[2])
            for record in records(data, count)
            if record[0]
        ]

    def _fill(self, name: str) -> int:
        """Have the buffer filled, with more room when there is not enough; return how many there are."""
        while True:
            ctypes.memset(self._buffer, 0, len(self._bytes))
            count = ctypes.c_uint(self._room)
            try:
                self._device.invoke(name, ctypes.byref(count), self._buffer)
            except NvmlError as error:
                if error.kind is not ErrorKind.TOO_SMALL or self._room >= _MOST:
                    raise
                self._grow(max(count.value + 8, self._room * 2))
                continue
            return min(count.value, self._room)

    def _grow(self, room: int) -> None:
        self._room = min(room, _MOST)
        self._buffer = self._make()

    def _make(self) -> ctypes.Array[ctypes.c_char]:
        self._bytes = bytearray(_LONGER.size * self._room)
        return (ctypes.c_char * len(self._bytes)).from_buffer(self._bytes)

    def _shares(self) -> dict[int, Shares] | None:
        """Return each busy process's newest shares of the GPU's time; None when the driver does not tell."""
        count = ctypes.c_uint(self._room)
        now = int(time.time() * _MICROSECONDS)
        if self._seen_until > now + _FUTURE:  # the clock was set back, and every sample to come is older than these
            self._seen_until = now - _FIRST_SPAN
        try:
            self._device.invoke(
                "nvmlDeviceGetProcessUtilization",
                self._buffer,
                ctypes.byref(count),
                ctypes.c_ulonglong(self._seen_until),
            )
        except CallError as error:
            if error.kind is ErrorKind.TOO_SMALL and self._room < _MOST:
                self._grow(max(count.value + 8, self._room * 2))
            return {} if error.kind is ErrorKind.NOT_FOUND else None
        samples = list(_SHARES.iter_unpack(memoryview(self._bytes)[: _SHARES.size * min(count.value, self._room)]))
        found, self._seen_until = newest_shares(samples, self._seen_until, int(time.time() * _MICROSECONDS))
        return found


def newest_shares(
    samples: list[tuple[int, int, int, int, int, int]], seen_until: int, now: int
) -> tuple[dict[int, Shares], int]:
    """Return the shares of each pid in its newest sane sample, and until when samples have now been seen (µs)."""
    newest: dict[int, tuple[int, int, int, int, int, int]] = {}
    until = seen_until
    for sample in samples:
        pid, at = sample[:2]
        if not pid or sample[2] > 100 or at > now + _FUTURE or at <= seen_until:
            continue
        until = max(until, at)
        if pid not in newest or at >= newest[pid][1]:
            newest[pid] = sample
    return {pid: _shares_of(sample[2:]) for pid, sample in newest.items()}, until


@lru_cache(512)
def _shares_of(percents: tuple[int, ...]) -> Shares:
    return Shares(*(percent / 100 if percent <= 100 else None for percent in percents))


def records(buffer: memoryview, count: int) -> list[tuple[int, ...]]:
    """Return ``count`` process records of a buffer that was zero before, whichever of the two sizes they have."""
    longer = any(buffer[_AGREED.size * count : _LONGER.size * count])
    layout = _LONGER if longer else _AGREED
    return list(layout.iter_unpack(buffer[: layout.size * count]))


def _bytes(value: int) -> int | None:
    return None if value in _NOT_AVAILABLE or value > 1 << 50 else value
