"""Processes that the kernel killed for lack of memory.

That it happened is told to everybody (a count in /proc/vmstat); to whom only the kernel's log knows, which on many
machines ordinary users may not read. The log is read without waiting, and only when the count grew.
"""

import os
import re
import time
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.text import plain
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.telemetry.metrics.table import HOST

_LINES_A_LOOK = 20_000  # chosen: more than the kernel keeps; a storm of lines must not hold up a tick for ever
_EVENTS_A_LOOK = 32  # chosen: more kills within a tick are one catastrophe
_RECORD_BYTES = 8192  # the kernel's own limit for a record of /dev/kmsg
_KILLED = re.compile(r"Killed process (\d{1,10}) \((.{0,64}?)\),? (?:UID[: ]?\d+|total-vm)")
_WHY = re.compile(r"oom-kill:constraint=(\w+).*?task_memcg=([^,]*),.*?pid=(\d{1,10})")
_CONTAINER = re.compile(r"([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class Victim:
    """Who was killed; ``container`` is its engine's id, ``limited`` says that a group's limit was the reason."""

    pid: int
    name: str
    container: str | None = None
    limited: bool = False


class OomKills:
    """Turns the kernel's count into events, each kill once."""

    def __init__(self, log: Path = Path("/dev/kmsg")) -> None:
        self._known: int | None = None
        self._owed = 0
        self._log = _open_at_end(log)

    def look(self, count: int | None) -> tuple[DeviceEvent, ...]:
        """Return what happened since the last look; ``count`` is the kernel's, None where it does not count."""
        before, self._known = self._known, count
        new = count - before if before is not None and count is not None else 0
        if new <= 0 and not self._owed:
            return ()
        at, owed = time.time(), self._owed
        grown = max(new, 0) + owed
        victims = victims_of(self._lines())[-min(grown, _EVENTS_A_LOOK) :]
        events = [
            DeviceEvent(
                at, "oom", HOST, pid=victim.pid, process=victim.name, container=victim.container, limited=victim.limited
            )
            for victim in victims
        ]
        unnamed = grown - len(events)
        self._owed = 0
        if self._log is not None:  # the kernel counts first and writes then: the name may be there at the next look
            self._owed = min(unnamed, max(new, 0))
            unnamed -= self._owed
        if unnamed:
            events.append(DeviceEvent(at, "oom", HOST, count=unnamed))
        return tuple(events)

    def _lines(self) -> list[str]:
        """Return what the log holds that was not read yet; nothing where it may not be read."""
        lines: list[str] = []
        if self._log is None:
            return lines
        for _ in range(_LINES_A_LOOK):
            try:
                record = os.read(self._log, _RECORD_BYTES)
            except BlockingIOError:
                break
            except BrokenPipeError:
                continue  # the log overran what was to be read next: it goes on with what is left
            except OSError:
                break
            if not record:
                break
            lines.append(record.decode("utf-8", "replace").partition(";")[2].partition("\n")[0])
        return lines


def victims_of(lines: list[str]) -> list[Victim]:
    """Return who was killed, in the log's order."""
    reasons: dict[int, tuple[bool, str | None]] = {}
    found = []
    for line in lines:
        if why := _WHY.search(line):
            container = _CONTAINER.search(why[2])
            reasons[int(why[3])] = why[1] == "CONSTRAINT_MEMCG", container[1] if container else None
        if killed := _KILLED.search(line):
            pid = int(killed[1])
            limited, inside = reasons.pop(pid, ("Memory cgroup" in line, None))
            found.append(Victim(pid, plain(killed[2]), inside, limited))
    return found


def _open_at_end(log: Path) -> int | None:
    """Open the kernel's log behind its last record; None where that is not permitted."""
    try:
        descriptor = os.open(log, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        os.lseek(descriptor, 0, os.SEEK_END)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor
