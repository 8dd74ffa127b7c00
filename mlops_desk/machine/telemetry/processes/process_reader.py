"""Every process of the machine, and which of them take most of it.

Of each process one file is read, stat; who it is, is asked of psutil, only of those that are shown, once a minute.
psutil would read stat and statm of all of them as well, at several times the cost, for it checks each time whether a
pid has a new owner: here pid and start ticks are compared.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.host import HostProcess, HostProcesses
from mlops_desk.machine.telemetry.host.processes import parse_command, parse_container
from mlops_desk.machine.telemetry.host.workloads import Stat, parse_stat

_STAT_BYTES = 1024  # a line of some fifty numbers
_CGROUP_BYTES = 4096  # a line for each hierarchy, and what is shown of a command line
_REMEMBER_SECONDS = 60.0  # chosen: a process that has become another program (exec) is shown as such a minute later
_NAME_LIMIT = 80  # longer than any name of a user
_STATES = {
    b"R": "running", b"S": "sleeping", b"D": "waiting", b"T": "stopped", b"t": "stopped", b"Z": "zombie", b"I": "idle",
}  # fmt: skip
_HIDING = ("hidepid=1", "hidepid=2", "hidepid=noaccess", "hidepid=invisible", "hidepid=4", "hidepid=ptraceable")

Identity = tuple[int, int]
"""Pid and start ticks."""


@dataclass(frozen=True, slots=True)
class _Facts:
    user: str | None
    command: str | None
    started_at: float | None
    container: str | None


class ProcessReader:
    """Reads all processes again and again; shares of the processors are of the time between two readings."""

    def __init__(self, root: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._before: Mapping[int, Stat] = {}
        self._at: float | None = None
        self._known: dict[Identity, _Facts] = {}
        self._looked_up_at = clock()

    def read(self, most: int, also: Iterable[int] = ()) -> HostProcesses:
        """Return those that take most of processors and memory, and those of the pids ``also`` that are there."""
        now, stats = self._clock(), self._stats()
        seconds = None if self._at is None or now <= self._at else now - self._at
        ratios = {pid: _ratio(self._before.get(pid), stat, seconds) for pid, stat in stats.items()}
        self._before, self._at = stats, now
        chosen = top(stats, ratios, most) | (stats.keys() & set(also))
        if now - self._looked_up_at >= _REMEMBER_SECONDS:
            self._known.clear()
            self._looked_up_at = now
        shown = tuple(self._process(pid, stats[pid], ratios[pid]) for pid in sorted(chosen))
        return HostProcesses(shown, len(stats), most, time.time(), seconds, self._note())

    def _stats(self) -> dict[int, Stat]:
        found = {}
        with os.scandir(self._root) as entries:
            pids = [int(entry.name) for entry in entries if entry.name.isdigit()]
        for pid in pids:
            stat = parse_stat(_read(self._root / str(pid) / "stat", _STAT_BYTES))
            if stat is not None:  # else it has ended meanwhile, or may not be looked at
                found[pid] = stat
        return found

    def _process(self, pid: int, stat: Stat, ratio: float | None) -> HostProcess:
        key = pid, stat.start_ticks
        facts = self._known.get(key)
        if facts is None:
            facts = self._known[key] = self._facts(pid)
        return HostProcess(
            pid, stat.start_ticks, facts.user, facts.command, ratio, stat.memory_bytes, stat.threads, facts.started_at,
            stat.parent or None, _STATES.get(stat.state), facts.container,
        )  # fmt: skip

    def _facts(self, pid: int) -> _Facts:
        """Return who a process is; what may not be asked, or has ended, is missing."""
        folder = self._root / str(pid)
        container = parse_container(_read(folder / "cgroup", _CGROUP_BYTES))
        try:
            process = psutil.Process(pid)
            with process.oneshot():
                user, started_at = process.username(), process.create_time()
        except psutil.Error:
            return _Facts(None, None, None, container)
        command = parse_command(_read(folder / "cmdline", _CGROUP_BYTES), _read(folder / "stat", _STAT_BYTES))
        return _Facts(plain(user, _NAME_LIMIT), command, started_at, container)

    def _note(self) -> str | None:
        """Say whether the kernel hides the processes of others."""
        mounts = _read(self._root / "self" / "mountinfo", 1 << 20).decode("utf-8", "replace")
        line = next((line for line in mounts.splitlines() if f" {self._root} " in line and " - proc " in line), "")
        if os.geteuid() == 0 or not any(option in line for option in _HIDING):
            return None
        return "Processes of other users are hidden on this machine (hidepid), so they are not among these."


def top(stats: Mapping[int, Stat], ratios: Mapping[int, float | None], most: int) -> set[int]:
    """Return the pids of those that take most of the processors and of those that take most of the memory."""

    def largest(value: Callable[[int], float]) -> Sequence[int]:
        return sorted((pid for pid in stats if value(pid) > 0), key=lambda pid: (-value(pid), pid))[:most]

    return {*largest(lambda pid: ratios[pid] or 0.0), *largest(lambda pid: stats[pid].memory_bytes)}


def _ratio(before: Stat | None, stat: Stat, seconds: float | None) -> float | None:
    """Return the share of a core since the last look; who is new began in between."""
    if seconds is None:
        return None
    known = before is not None and before.start_ticks == stat.start_ticks
    spent = stat.cpu_seconds - (before.cpu_seconds if before is not None and known else 0.0)
    return round(max(0.0, spent) / seconds, 3)


def _read(path: Path, limit_bytes: int) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(descriptor, limit_bytes)
    except OSError:
        return b""  # it has ended
    finally:
        os.close(descriptor)
