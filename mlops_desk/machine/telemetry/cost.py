"""What watching costs, from /proc: processor time, memory and time inside the driver of agent and collector.

Not by psutil: two numbers of two files are no reason for agent and window to load it.
"""

import os
from collections import deque
from collections.abc import Iterable
from pathlib import Path

from mlops_desk.kit.records.agent import AgentCost

_SPAN_SECONDS = 30.0  # chosen: a share of a core of less time is noise
_EVERY_SECONDS = 5.0  # chosen: what watching costs must cost next to nothing to watch
_START_SECONDS = 10.0
"""What starting took (the database opened, all that is seldom asked asked at once) is not what watching costs."""
_MEMORY_EVERY_SECONDS = 60.0  # the kernel walks the whole process for it
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


class Cost:
    """Keeps the last half minute. One thread updates, any reads ``current``."""

    def __init__(self, proc: Path = Path("/proc")) -> None:
        self._proc = proc
        self._spent: dict[int, float] = {}
        self._total = 0.0
        self._marks: deque[tuple[float, float, float, int]] = deque()
        self._memory: int | None = None
        self._memory_due = 0.0
        self._due: float | None = None
        self.current = AgentCost()

    def update(self, now: float, pids: Iterable[int], driver_seconds: float, driver_calls: int = 0) -> None:
        """Measure the processes ``pids`` at monotonic time ``now``; what the driver cost counts from the start.

        It may be called at every tick: it looks every 5 s, and first when the start is over.
        """
        if self._due is None:
            self._due = now + _START_SECONDS
            self.current = AgentCost(None, self._measure_memory(pids), None)
        if now < self._due:
            return
        self._due = now + _EVERY_SECONDS
        pids = list(pids)
        spent = {pid: seconds for pid in pids if (seconds := processor_seconds(self._read(pid, "stat"))) is not None}
        self._total += sum(max(0.0, seconds - self._spent.get(pid, seconds)) for pid, seconds in spent.items())
        self._spent = spent
        self._marks.append((now, self._total, driver_seconds, driver_calls))
        while len(self._marks) > 2 and now - self._marks[0][0] > _SPAN_SECONDS:
            self._marks.popleft()
        if now >= self._memory_due:
            self._memory_due = now + _MEMORY_EVERY_SECONDS
            self._memory = self._measure_memory(pids)
        began, total, driver, calls = self._marks[0]
        span = now - began
        if span <= 0:
            self.current = AgentCost(None, self._memory, None)
            return
        self.current = AgentCost(
            (self._total - total) / span,
            self._memory,
            max(0.0, driver_seconds - driver) / span,
            max(0, driver_calls - calls) / span,
        )

    def _measure_memory(self, pids: Iterable[int]) -> int | None:
        sizes = [proportional_bytes(self._read(pid, "smaps_rollup")) for pid in pids]
        known = [size for size in sizes if size is not None]
        return sum(known) if known else None

    def _read(self, pid: int, name: str) -> str:
        try:
            return (self._proc / str(pid) / name).read_text(encoding="utf-8", errors="replace")
        except OSError:
            return ""


def processor_seconds(stat: str) -> float | None:
    """Return user and system time from proc(5) stat."""
    fields = stat[stat.rfind(")") + 2 :].split()
    try:
        return (int(fields[11]) + int(fields[12])) * _TICK
    except (IndexError, ValueError):
        return None


def proportional_bytes(smaps: str) -> int | None:
    """Return the proportional set size (shared pages divided among their users) from smaps_rollup."""
    for line in smaps.splitlines():
        words = line.split()
        if words[:1] == ["Pss:"] and len(words) > 1 and words[1].isdecimal():
            return int(words[1]) * 1024
    return None
