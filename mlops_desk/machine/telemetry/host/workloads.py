"""What the processes on GPUs take of the host: processor, memory, and with children and cgroup what they wait for.

Looked at every twenty seconds, the first time after ten, however many GPUs a process is on, through descriptors that
stay open: of a process that sleeps that costs a few microseconds. Loads are means of up to a minute. Who may not be
looked at, and a kernel that does not list children or keep pressures, leave a load unknown, which is never 0.
"""

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mlops_desk.machine.records.gpu import HostLoad
from mlops_desk.machine.telemetry.host.cgroups import Cgroups, CgroupTotals, growth, is_of_one

FIRST_SECONDS = 10.0  # chosen: soon enough for a person who has just started a job
EVERY_SECONDS = 20.0  # chosen: reading one stat or cgroup file takes about 50 µs (measured), and a tree has many
SPAN_SECONDS = 60.0  # chosen: verdicts look at a minute
_EARLY_SECONDS = 0.5  # a tick that comes a little early still counts
_FORGET_SECONDS = 60.0  # chosen: three looks that nobody asked for
_MOST_OPEN = 128  # chosen: a descriptor each or two, and a service's own limit is 1024
_MOST_IN_TREE = 256
"""Processes of one tree that are looked at: a loader has one for each core at most."""

THREADS_SECONDS = 60.0
"""So often every thread is asked for processes that it began: a list of each costs some microseconds, and a training
has a hundred threads. In between those are asked that had any, and the main thread."""
_MOST_THREADS = 512  # chosen: a training has a hundred

_STAT_BYTES = 1024  # chosen: three times the usual line of proc(5) stat
_LIST_BYTES = 1 << 15  # chosen: some four thousand children, of which fewer are looked at
_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ZOMBIE = b"Z"


@dataclass(frozen=True, slots=True)
class Stat:
    """What is used of proc(5) stat: ``state`` is its letter, ``cpu_seconds`` since the start, of all threads."""

    state: bytes
    parent: int
    cpu_seconds: float
    start_ticks: int
    memory_bytes: int
    threads: int


@dataclass(frozen=True, slots=True)
class HostUse:
    """What a process takes of the host; None where that is not known (yet). ``cpu_ratio`` is of one core."""

    cpu_ratio: float | None = None
    memory_bytes: int | None = None
    parent: int | None = None
    zombie: bool = False
    load: HostLoad | None = None


@dataclass(slots=True)
class _Look:
    """One look at a process and those below it; ``tree`` is None where the kernel does not list children."""

    at: float
    cpu_seconds: float
    tree: dict[tuple[int, int], float] | None
    cgroup: CgroupTotals | None


@dataclass(slots=True)
class _Step:
    """What went on between two looks."""

    seconds: float
    tree_seconds: float | None
    busiest_seconds: float | None


@dataclass(slots=True)
class _Watched:
    ticks: int
    cgroup: str | None
    due: float = 0.0
    use: HostUse = field(default_factory=HostUse)
    looks: deque[_Look] = field(default_factory=deque)
    steps: deque[_Step] = field(default_factory=deque)
    stat: int | None = None
    children: int | None = None
    lists_children: bool = True
    parents: dict[tuple[int, int], list[str]] = field(default_factory=dict)
    """The threads besides the main one that have children, of each process in the tree."""
    threads_due: float = 0.0
    asked_at: float = 0.0


class Workloads:
    """Looks at processes under ``root`` and at their cgroups."""

    def __init__(self, root: Path, cgroups: Cgroups, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._cgroups = cgroups
        self._clock = clock
        self._known: dict[int, _Watched] = {}
        self._tidy_at = 0.0

    def use(self, pid: int, start_ticks: int, cgroup: str | None) -> HostUse:
        """Return what a process takes of the host, as of twenty seconds ago at most."""
        now = self._clock()
        known = self._known.get(pid)
        if known is None or known.ticks != start_ticks:
            if known is not None:
                _close(known)
            known = self._known[pid] = _Watched(start_ticks, cgroup)
        known.asked_at = now
        if now >= known.due:
            known.due = now + (EVERY_SECONDS if known.looks else FIRST_SECONDS) - _EARLY_SECONDS
            self._look(pid, known, now)
        if now >= self._tidy_at:
            self._tidy_at = now + _FORGET_SECONDS
            self._forget(now)
        return known.use

    def _look(self, pid: int, known: _Watched, now: float) -> None:
        stat = self._stat(pid, known)
        if stat is None or stat.start_ticks != known.ticks:
            known.use = HostUse()
            _close(known)
            return
        tree = self._tree(pid, known, stat, now)
        look = _Look(now, stat.cpu_seconds, tree, self._cgroups.read(known.cgroup, now) if known.cgroup else None)
        before = known.looks[-1] if known.looks else None
        known.looks.append(look)
        while len(known.looks) > 2 and now - known.looks[1].at >= SPAN_SECONDS:
            known.looks.popleft()
        cpu = None
        if before is not None and now > before.at:
            cpu = max(0.0, stat.cpu_seconds - before.cpu_seconds) / (now - before.at)
            known.steps.append(_step(before, look))
            while len(known.steps) > len(known.looks) - 1:
                known.steps.popleft()
        use = HostUse(
            None if cpu is None else round(cpu, 3),
            stat.memory_bytes,
            stat.parent or None,
            stat.state == _ZOMBIE,
            _load(known) if known.steps else None,
        )
        if use != known.use:  # the same object tells that nothing has changed
            known.use = use

    def _stat(self, pid: int, known: _Watched) -> Stat | None:
        if known.stat is None and len(self._known) <= _MOST_OPEN:
            known.stat = _open(self._root / str(pid) / "stat")
        if known.stat is not None:
            return parse_stat(_pread(known.stat, _STAT_BYTES))
        return parse_stat(_read(self._root / str(pid) / "stat", _STAT_BYTES))

    def _tree(self, pid: int, known: _Watched, stat: Stat, now: float) -> dict[tuple[int, int], float] | None:
        """Return the processor seconds of a process and those below it; None where children are not listed."""
        if not known.lists_children:
            return None
        if known.children is None:
            known.children = _open(self._children(pid))
            if known.children is None:
                known.lists_children = False  # the kernel does not, and will not
                return None
        if anew := now >= known.threads_due:
            known.threads_due = now + THREADS_SECONDS
            known.parents.clear()
        found = {(pid, stat.start_ticks): stat.cpu_seconds}
        below = deque(_pids(_pread(known.children, _LIST_BYTES)))
        below.extend(self._of_threads(pid, stat, known.parents, anew=anew))
        if len(self._known) > _MOST_OPEN:
            os.close(known.children)
            known.children = None
        while below and len(found) < _MOST_IN_TREE:
            child = below.popleft()
            its = parse_stat(_read(self._root / str(child) / "stat", _STAT_BYTES))
            if its is not None and (child, its.start_ticks) not in found:
                found[child, its.start_ticks] = its.cpu_seconds
                below.extend(_pids(_read(self._children(child), _LIST_BYTES)))
                below.extend(self._of_threads(child, its, known.parents, anew=anew))
        return found

    def _of_threads(
        self, pid: int, stat: Stat, parents: dict[tuple[int, int], list[str]], *, anew: bool
    ) -> Iterator[int]:
        """Return the children of all threads but the main one: of those in ``parents``, or ``anew`` of every one."""
        threads = parents.get((pid, stat.start_ticks), [])
        if anew and stat.threads > 1:
            threads = self._threads(pid)
        for thread in threads:
            children = _pids(_read(self._children(pid, thread), _LIST_BYTES))
            if anew and children:
                parents.setdefault((pid, stat.start_ticks), []).append(thread)
            yield from children

    def _threads(self, pid: int) -> list[str]:
        try:
            threads = [thread.name for thread in (self._root / str(pid) / "task").iterdir()]
        except OSError:
            return []  # it has ended
        return [thread for thread in threads[:_MOST_THREADS] if thread != str(pid)]

    def _children(self, pid: int, thread: str | None = None) -> Path:
        return self._root / str(pid) / "task" / (thread or str(pid)) / "children"

    def _forget(self, now: float) -> None:
        for pid, known in [*self._known.items()]:
            if now - known.asked_at > _FORGET_SECONDS:
                _close(known)
                del self._known[pid]


def parse_stat(stat: bytes) -> Stat | None:
    """Return what proc(5) stat tells; None for what is not one. The name in it may hold any character."""
    fields = stat[stat.rfind(b")") + 2 :].split()
    try:
        cpu_seconds = (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND
        memory_bytes = max(0, int(fields[21])) * _PAGE_BYTES
        return Stat(fields[0], int(fields[1]), cpu_seconds, int(fields[19]), memory_bytes, int(fields[17]))
    except (IndexError, ValueError):
        return None


def _step(before: _Look, look: _Look) -> _Step:
    """Add up what was worked between two looks. Who is new began in between; who has ended is not told any more."""
    seconds = look.at - before.at
    if before.tree is None or look.tree is None:
        return _Step(seconds, None, None)
    earlier = before.tree
    worked = [max(0.0, spent - earlier.get(one, 0.0)) for one, spent in look.tree.items()]
    return _Step(seconds, sum(worked), max(worked))


def _load(known: _Watched) -> HostLoad:
    """Return the means over the looks that are kept."""
    first, last = known.looks[0], known.looks[-1]
    seconds = sum(step.seconds for step in known.steps)
    tree = [step.tree_seconds for step in known.steps if step.tree_seconds is not None]
    busiest = [step.busiest_seconds for step in known.steps if step.busiest_seconds is not None]
    whole = len(tree) == len(known.steps)
    grown = growth(first.cgroup, last.cgroup)
    return HostLoad(
        seconds=FIRST_SECONDS * round((last.at - first.at) / FIRST_SECONDS),
        cores=round(sum(tree) / seconds, 3) if whole else None,
        busiest_ratio=round(min(1.0, sum(busiest) / seconds), 3) if whole else None,
        processes=len(last.tree) if last.tree is not None else None,
        cgroup_cores=grown.cores,
        cores_limit=grown.cores_limit,
        cpu_pressure_ratio=grown.cpu_pressure,
        io_pressure_ratio=grown.io_pressure if is_of_one(known.cgroup) else None,
        read_bytes_per_second=grown.read_bytes if is_of_one(known.cgroup) else None,
    )


def _pids(text: bytes) -> list[int]:
    return [int(word) for word in text.split() if word.isdigit()]


def _close(known: _Watched) -> None:
    for descriptor in (known.stat, known.children):
        if descriptor is not None:
            os.close(descriptor)
    known.stat = known.children = None
    known.looks.clear()
    known.steps.clear()
    known.parents.clear()
    known.threads_due = 0.0


def _open(path: Path) -> int | None:
    try:
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None


def _pread(descriptor: int, limit_bytes: int) -> bytes:
    try:
        return os.pread(descriptor, limit_bytes, 0)
    except OSError:
        return b""  # it has ended


def _read(path: Path, limit_bytes: int) -> bytes:
    descriptor = _open(path)
    if descriptor is None:
        return b""
    try:
        return _pread(descriptor, limit_bytes)
    finally:
        os.close(descriptor)
