"""What all processes of a container take now, from the kernel's own counters of its cgroup, of either version.

A cgroup is followed only where its path names the container, so never on another machine. Reading one takes four small
files; the engine is not asked, for its own statistics take a second of waiting.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.jobs.records.job_activity import LiveUse

_ROOT = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_LEAST_SECONDS = 1.0
"""Chosen: of a shorter span the kernel's counting by ticks is a tenth of what is told."""
_UNLIMITED = 1 << 60
"""Version 1 says that there is no limit by the largest number of pages that it can count."""


@dataclass(frozen=True, slots=True)
class _Counters:
    """Where a container is counted: its folders, what the files are called, and in how many parts a second is told."""

    processor: Path
    memory: Path
    processes: Path
    used: tuple[str, str, float]
    held: str
    unused: str
    limit: str
    peak: str

    @classmethod
    def of_version_2(cls, folder: Path) -> "_Counters":
        used = ("cpu.stat", "usage_usec", 1e6)
        return cls(folder, folder, folder, used, "memory.current", "inactive_file", "memory.max", "memory.peak")

    @classmethod
    def of_version_1(cls, processor: Path, memory: Path, processes: Path) -> "_Counters":
        names = ("memory.usage_in_bytes", "total_inactive_file", "memory.limit_in_bytes", "memory.max_usage_in_bytes")
        return cls(processor, memory, processes, ("cpuacct.usage", "", 1e9), *names)


@dataclass(slots=True)
class _Followed:
    id: str
    pid: int | None
    counters: _Counters | None = None
    before: tuple[float, float] | None = None
    cpus: float | None = None


class LiveCounters:
    """``see`` is told which containers run; ``read`` may be called from any thread, one at a time for a container."""

    def __init__(self, proc: Path = _PROC, root: Path = _ROOT) -> None:
        self._proc = proc
        self._root = root
        self._followed: dict[str, _Followed] = {}

    def see(self, running: Iterable[ContainerFacts]) -> None:
        """Take note of the containers that run; of all others nothing is kept."""
        before = self._followed
        self._followed = {
            facts.name: known
            if (known := before.get(facts.name)) is not None and (known.id, known.pid) == (facts.id, facts.pid)
            else _Followed(facts.id, facts.pid)
            for facts in running
            if facts.id
        }

    def read(self, name: str) -> LiveUse | None:
        """Return what a container takes; None where its counters are not to be had here."""
        followed = self._followed.get(name)
        if followed is None or followed.pid is None:
            return None
        try:
            if followed.counters is None:
                followed.counters = self._counters(followed.pid, followed.id)
            return None if followed.counters is None else _use(followed, followed.counters)
        except (OSError, ValueError):  # it has ended meanwhile
            return None

    def _counters(self, pid: int, container_id: str) -> _Counters | None:
        """Find where a container is counted, by its process (cgroups(7)); None where that is nobody's own place."""
        places: dict[str, str] = {}
        for line in (self._proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
            _, controllers, path = line.split(":", 2)
            if container_id in path:
                places |= dict.fromkeys(controllers.split(","), _of_container(path.lstrip("/"), container_id))
        if places.keys() >= {"cpuacct", "memory", "pids"}:
            return _Counters.of_version_1(*(self._root / name / places[name] for name in ("cpuacct", "memory", "pids")))
        return _Counters.of_version_2(self._root / places[""]) if "" in places else None


def _of_container(path: str, container_id: str) -> str:
    """Return the container's own cgroup: an init inside may have put its processes into ones below."""
    parts = path.split("/")
    last = max(number for number, part in enumerate(parts) if container_id in part)
    return "/".join(parts[: last + 1])


def _use(followed: _Followed, counters: _Counters) -> LiveUse:
    now, at = time.monotonic(), time.time()
    file, name, parts = counters.used
    used = _field(counters.processor / file, name) / parts
    before = followed.before
    if before is None or now - before[0] >= _LEAST_SECONDS:
        if before is not None:
            followed.cpus = max(0.0, (used - before[1]) / (now - before[0]))
        followed.before = (now, used)
    held = int(_field(counters.memory / counters.held, ""))
    unused = int(_field(counters.memory / "memory.stat", counters.unused))
    return LiveUse(
        at,
        followed.cpus,
        max(0, held - unused),
        _limit(counters.memory / counters.limit),
        int(_field(counters.processes / "pids.current", "")),
        _peak(counters.memory / counters.peak),
    )


def _peak(file: Path) -> int | None:
    """Return the most memory so far; kernels before 5.19 don't tell it in cgroups of version 2."""
    return int(_field(file, "")) if file.exists() else None


def _field(file: Path, name: str) -> float:
    """Return one number of a file of names and numbers, its only one without a name. Raises OSError, ValueError."""
    for line in file.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(" ")
        if key == name or not name:
            return float(value or key)
    raise ValueError(name)


def _limit(file: Path) -> int | None:
    text = file.read_text(encoding="ascii").strip()
    return None if text == "max" or int(text) >= _UNLIMITED else int(text)
