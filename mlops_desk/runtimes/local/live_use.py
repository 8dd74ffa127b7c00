"""What all processes of a container take now, from the kernel's own counters of its cgroup (version 2).

A cgroup is followed only where its path names the container, so never on another machine. Reading one takes four small
files; the engine is not asked, for its own statistics take a second of waiting.
"""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.records.jobs.running import LiveUse

_ROOT = Path("/sys/fs/cgroup")
_PROC = Path("/proc")
_LEAST_SECONDS = 1.0
"""Chosen: of a shorter span the kernel's counting by ticks is a tenth of what is told."""
_MICROSECONDS = 1e6


@dataclass(slots=True)
class _Followed:
    id: str
    pid: int | None
    folder: Path | None = None
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
            if followed.folder is None:
                followed.folder = self._folder(followed.pid, followed.id)
            return None if followed.folder is None else _use(followed, followed.folder)
        except (OSError, ValueError):  # it has ended meanwhile
            return None

    def _folder(self, pid: int, container_id: str) -> Path | None:
        for line in (self._proc / str(pid) / "cgroup").read_text(encoding="utf-8", errors="replace").splitlines():
            hierarchy, _, path = line.partition("::")
            if hierarchy == "0" and container_id in path:
                return self._root / _of_container(path.lstrip("/"), container_id)
        return None


def _of_container(path: str, container_id: str) -> str:
    """Return the container's own cgroup: an init inside may have put its processes into ones below."""
    parts = path.split("/")
    last = max(number for number, part in enumerate(parts) if container_id in part)
    return "/".join(parts[: last + 1])


def _use(followed: _Followed, folder: Path) -> LiveUse:
    now, at = time.monotonic(), time.time()
    used = _field(folder / "cpu.stat", "usage_usec") / _MICROSECONDS
    before = followed.before
    if before is None or now - before[0] >= _LEAST_SECONDS:
        if before is not None:
            followed.cpus = max(0.0, (used - before[1]) / (now - before[0]))
        followed.before = (now, used)
    held = int((folder / "memory.current").read_text(encoding="ascii"))
    unused = int(_field(folder / "memory.stat", "inactive_file"))
    return LiveUse(
        at,
        followed.cpus,
        max(0, held - unused),
        _limit(folder / "memory.max"),
        int((folder / "pids.current").read_text(encoding="ascii")),
    )


def _field(file: Path, name: str) -> float:
    """Return one number of a file of names and numbers. Raises OSError, ValueError."""
    for line in file.read_text(encoding="ascii").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return float(value)
    raise ValueError(name)


def _limit(file: Path) -> int | None:
    text = file.read_text(encoding="ascii").strip()
    return None if text == "max" else int(text)
