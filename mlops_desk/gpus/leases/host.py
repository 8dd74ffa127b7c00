"""What the ledger has to know of the machine: which boot this is, how long it has been up, and who still lives."""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.kit.base.process import boot_id, start_ticks

_CONTAINER_ID = re.compile(rb"[0-9a-f]{64}")
_DEPTH = 64  # chosen: a launcher starts a worker that starts loaders, and no tree is as deep


@dataclass(frozen=True, slots=True)
class Process:
    """A process, named for the life of this boot. The namespace tells whose numbers these are."""

    pid: int
    start_ticks: int
    namespace: int


class ThisHost:
    """This machine, as the kernel shows it."""

    def __init__(self) -> None:
        self.boot_id = boot_id()
        self.ticks_per_second = os.sysconf("SC_CLK_TCK")
        self.namespace = Path("/proc/self/ns/pid").stat().st_ino

    def now(self) -> float:
        """Return seconds since boot, sleep included: the same in every process, untouched by clock changes."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def this_process(self) -> Process:
        return Process(os.getpid(), start_ticks(os.getpid()) or 0, self.namespace)

    def process(self, pid: int) -> Process | None:
        """Name a process that lives now; None when it is gone already."""
        ticks = start_ticks(pid)
        return None if ticks is None else Process(pid, ticks, self.namespace)

    def lives(self, process: Process) -> bool | None:
        """Tell whether ``process`` still runs; None when that can't be known from here."""
        if process.namespace != self.namespace:
            return None
        ticks = start_ticks(process.pid)
        if ticks is not None:
            return ticks == process.start_ticks
        return _hidden(process.pid)

    def works_for(self, pid: int, holder: Process) -> bool:
        """Tell whether a process is seen to be the holder's: in the same container, or the holder, or below it."""
        if holder.namespace != self.namespace:
            return False
        container = _container(holder.pid)
        if container is not None and container == _container(pid):
            return True
        for _ in range(_DEPTH):
            if pid == holder.pid:
                return start_ticks(pid) == holder.start_ticks
            pid = _parent(pid)
            if pid <= 1:
                break
        return False


def _container(pid: int) -> bytes | None:
    """Return the engine's id of the container in which a process is, as its cgroup is called; None: in none."""
    try:
        found = _CONTAINER_ID.findall(Path(f"/proc/{pid}/cgroup").read_bytes())
    except OSError:
        return None
    return found[-1] if found else None


def _parent(pid: int) -> int:
    """Return the pid of a process's parent; 0 when there is none to be seen."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        return int(stat.rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):
        return 0


def _hidden(pid: int) -> bool | None:
    """Return None for a process that exists but is hidden from us (/proc mounted with hidepid), else False."""
    if Path(f"/proc/{pid}").exists():
        return False  # a zombie: it runs no more
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return None
    return False  # ours, and gone between the two looks
