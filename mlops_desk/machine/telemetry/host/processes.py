"""Who a process on a GPU is: user, command line, container and start, read from /proc and remembered.

Pid and start ticks together name a process; a later owner of the same pid is read afresh. A process
that /proc does not show (gone, or of another pid namespace) stays a bare pid.

Not by psutil: it tells neither container nor cgroup, and looks again each time whether a pid has a new owner, which the
kernel tells here (pidfd). To load it would make the collector larger by a twentieth.
"""

import os
import re
import select
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.telemetry.host.cgroups import ROOT as CGROUPS
from mlops_desk.machine.telemetry.host.cgroups import Cgroups
from mlops_desk.machine.telemetry.host.workloads import HostUse, Workloads

_COMMAND_LIMIT = 400  # chosen: a command line with its options, in a tool tip
_READ_LIMIT = 4096  # the kernel's page, which was all of a command line for long; stat and status are shorter
_REMEMBERED = 10_000  # chosen: more than a machine has on its GPUs; then all is looked up again
_WATCHED = 256  # chosen: each costs a descriptor, and a service's own limit is 1024
_CLOCK_SECONDS = 2.0
"""By so much two clocks may differ as to when a process began."""
_PROC = Path("/proc")
_NOTHING = HostUse()
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_CONTAINER = re.compile(rb"(?:^|[/:.-])([0-9a-f]{64})(?:\.scope)?(?=$|[/\n])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """What /proc tells; ``container`` is the engine's 64-digit id, ``started_at`` Unix time.

    ``cgroup`` is its path in the hierarchy of version 2.
    """

    user: str | None = None
    command: str | None = None
    container: str | None = None
    start_ticks: int | None = None
    started_at: float | None = None
    cgroup: str | None = None


class _Alive:
    """Processes whose end the kernel will tell, so that none has to be looked at to know that it lives."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._facts: dict[int, ProcessFacts] = {}
        self._pids: dict[int, int] = {}

    def now(self) -> Mapping[int, ProcessFacts]:
        """Return what was kept, by pid, of those that live on."""
        for descriptor, _ in self._poll.poll(0):
            self._facts.pop(self._pids.pop(descriptor), None)
            os.close(descriptor)  # which takes it out of the poll, too
        return self._facts

    def keep(self, pid: int, facts: ProcessFacts, still: Callable[[], bool]) -> None:
        """Keep ``facts`` until ``pid`` ends; ``still`` tells that it is the process they were read of."""
        if len(self._facts) >= _WATCHED or pid in self._facts:
            return
        try:
            descriptor = os.pidfd_open(pid)
        except OSError:
            return  # it has ended, or there are no descriptors left: it is looked at each time
        if not still():
            os.close(descriptor)
            return
        self._poll.register(descriptor, select.EPOLLIN)
        self._pids[descriptor] = pid
        self._facts[pid] = facts


class Processes:
    """Looks processes up under ``root``."""

    def __init__(self, root: Path = _PROC, cgroups: Path = CGROUPS) -> None:
        self._root = root
        self._workloads = Workloads(root, Cgroups(cgroups))
        self._known: dict[tuple[int, int], ProcessFacts] = {}
        self._alive = _Alive() if root == _PROC and hasattr(os, "pidfd_open") else None

    def facts(self, pid: int) -> ProcessFacts:
        """Return what is known of ``pid`` now."""
        (found,) = self.facts_of([pid])
        return found

    def facts_of(self, pids: Iterable[int]) -> list[ProcessFacts]:
        """Return what is known of each now."""
        alive = {} if self._alive is None else self._alive.now()
        return [alive.get(pid) or self._look_up_to_keep(pid) for pid in pids]

    def _look_up_to_keep(self, pid: int) -> ProcessFacts:
        found = self._look_up(pid)
        if self._alive is not None and found.start_ticks is not None and _is_settled(found):
            self._alive.keep(pid, found, lambda: self._ticks(pid) == found.start_ticks)
        return found

    def use(self, pid: int, facts: ProcessFacts) -> HostUse:
        """Return what the process ``pid``, of which ``facts`` are known, takes of the host."""
        return _NOTHING if facts.start_ticks is None else self._workloads.use(pid, facts.start_ticks, facts.cgroup)

    def facts_at(self, pid: int, at: float) -> ProcessFacts:
        """Return what is known of the process that had ``pid`` at Unix time ``at``; it may have ended since."""
        found = [self.facts(pid), *(facts for (its, _), facts in self._known.items() if its == pid)]
        begun = [facts for facts in found if facts.started_at is not None and facts.started_at <= at + _CLOCK_SECONDS]
        return max(begun, key=lambda facts: facts.started_at or 0.0, default=ProcessFacts())

    def _ticks(self, pid: int) -> int | None:
        return parse_start_ticks(_read(self._root / str(pid) / "stat"))

    def _look_up(self, pid: int) -> ProcessFacts:
        folder = self._root / str(pid)
        stat = _read(folder / "stat")
        ticks = parse_start_ticks(stat)
        if ticks is None:
            return ProcessFacts()
        known = self._known.get((pid, ticks))
        if known is None:
            if len(self._known) > _REMEMBERED:
                self._known.clear()
            known = _look(folder, stat, ticks)
            if _is_settled(known):
                self._known[pid, ticks] = known
        return known


def _is_settled(facts: ProcessFacts) -> bool:
    """Tell whether the process has its command line: one that is just being started has none yet."""
    return facts.command is not None and not facts.command.startswith("[")


def parse_start_ticks(stat: bytes) -> int | None:
    """Return field 22 of proc(5) stat; None for what is not one. The name in it may hold any character."""
    fields = stat[stat.rfind(b")") + 2 :].split()
    try:
        return int(fields[19])
    except (IndexError, ValueError):
        return None


def parse_container(cgroup: bytes) -> str | None:
    """Return the container's id from a cgroup file (v1 or v2; systemd, cgroupfs, rootless, podman), or None."""
    found = _CONTAINER.search(cgroup)
    return found[1].decode() if found else None


def parse_cgroup(cgroup: bytes) -> str | None:
    """Return the path in the hierarchy of version 2 from a cgroup file; None where there is none, or it is the root."""
    line = next((line for line in cgroup.split(b"\n") if line.startswith(b"0::")), b"")
    path = line[3:].decode("utf-8", "replace")
    return path if path.strip("/") else None


def parse_command(cmdline: bytes, stat: bytes) -> str | None:
    """Return the command line, or the kernel's name in brackets for a process that has none."""
    words = [word.decode("utf-8", "replace") for word in cmdline.split(b"\0") if word]
    if words:
        return plain(" ".join(words), _COMMAND_LIMIT)
    name = stat[stat.find(b"(") + 1 : stat.rfind(b")")]
    return plain(f"[{name.decode('utf-8', 'replace')}]", _COMMAND_LIMIT) if name else None


def _look(folder: Path, stat: bytes, ticks: int) -> ProcessFacts:
    try:
        user = user_name(folder.stat().st_uid)
    except OSError:
        return ProcessFacts()
    command = parse_command(_read(folder / "cmdline"), stat)
    cgroup = _read(folder / "cgroup")
    return ProcessFacts(user, command, parse_container(cgroup), ticks, _started_at(ticks), parse_cgroup(cgroup))


def _started_at(ticks: int) -> float:
    """Return the Unix time of so many ticks after the start of the machine."""
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + ticks / _TICKS_A_SECOND


def _read(path: Path) -> bytes:
    try:
        with path.open("rb", buffering=0) as file:
            return file.read(_READ_LIMIT) or b""
    except OSError:
        return b""
