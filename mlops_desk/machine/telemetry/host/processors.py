"""Processors: what each does, from /proc/stat, and its clock, from /sys.

Idle and iowait counters of the kernel run backwards at times (an idle processor's are estimated): that is no work
done, not a spike. Guests count as user already. Clocks are asked of a few processors a pass, in turns, for a kernel
may let each question wait 10 ms.

Not by psutil: it opens and reads the same file four times for what one read of an open one gives here (14 µs to 75 µs
for two processors), tells no tasks that run or wait, and asks every clock at once.
"""

import os
import time
from collections import deque
from pathlib import Path

from mlops_desk.machine.records.host import Core
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.telemetry.host.counters import Counters, KernelFile, integers
from mlops_desk.machine.telemetry.host.kernel_files import number
from mlops_desk.machine.telemetry.metrics.host import CORE, HOST
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker

Ticks = list[int]

_USER, _NICE, _SYSTEM, _IDLE, _IOWAIT, _IRQ, _SOFTIRQ, _STEAL = range(8)
_CLOCKS_A_PASS = 8
"""Chosen: each costs a system call into the driver of the clock, and 64 cores have a turn in 8 passes."""
_KHZ = 1000.0
_CLOCK = "cpufreq/scaling_cur_freq"
_MOVED_SECONDS = 2.0  # the kernel's btime, in whole seconds, wavers by one
_NO_CLOCKS_SECONDS = 60.0
"""A machine that tells no clock (most virtual ones) is asked again after this."""


class Processors:
    """Reads all processors in one pass; ``booted_at`` is the Unix time of the machine's start."""

    def __init__(self, proc: Path, sys: Path) -> None:
        self._stat = KernelFile(proc / "stat")
        self._folder = sys / "devices" / "system" / "cpu"
        self._host = ReadingMaker(HOST)
        self._kept: dict[str, ReadingMaker] = {}
        self._before: dict[str, Ticks] = {}
        self._counters = Counters()
        self._clocks: dict[str, float] = {}
        self._named: list[str] = []
        self._turns: deque[str] = deque()
        self._ask_clocks_at = 0.0
        self._steals = False
        self.booted_at: float | None = None

    def read(self, now: float) -> tuple[dict[str, Reading], tuple[Core, ...]]:
        """Return the readings of all processors together, and each one's; shares are there from the second pass."""
        text = self._stat.read()
        ticks = processor_ticks(text)
        before, self._before = self._before, ticks
        self._steals = self._steals or any(len(each) > _STEAL and each[_STEAL] > 0 for each in ticks.values())
        names = [name for name in ticks if name != "cpu"]
        self._ask_clocks(names, now)
        readings = self._shares(self._host, before.get("cpu"), ticks.get("cpu"), whole=True)
        readings |= self._counts(text, now)
        readings["system.cpu.logical.count"] = self._host.measured(
            "system.cpu.logical.count", len(names) or os.cpu_count() or 1
        )
        known = [self._clocks[name] for name in names if name in self._clocks]
        if known:
            readings["system.cpu.frequency"] = self._host.measured("system.cpu.frequency", sum(known) / len(known))
        return readings, tuple(self._core(name, before.get(name), ticks[name]) for name in names)

    def _core(self, name: str, before: Ticks | None, ticks: Ticks) -> Core:
        kept = self._kept.get(name)
        if kept is None:
            kept = self._kept[name] = ReadingMaker(CORE)
        readings = self._shares(kept, before, ticks, whole=False)
        if name in self._clocks:
            readings["system.cpu.frequency"] = kept.measured("system.cpu.frequency", self._clocks[name])
        return Core(name, readings)

    def _shares(
        self, kept: ReadingMaker, before: Ticks | None, ticks: Ticks | None, *, whole: bool
    ) -> dict[str, Reading]:
        grown = spent(before, ticks) if before is not None and ticks is not None else None
        if grown is None:
            return {}
        total = sum(grown)
        working = total - grown[_IDLE] - grown[_IOWAIT]
        readings = {
            "system.cpu.utilization": kept.measured("system.cpu.utilization", working / total),
            "system.cpu.utilization.iowait": kept.measured("system.cpu.utilization.iowait", grown[_IOWAIT] / total),
        }
        if self._steals:  # a machine of its own has no one to take from it
            readings["system.cpu.utilization.steal"] = kept.measured(
                "system.cpu.utilization.steal", grown[_STEAL] / total
            )
        if whole:
            user = grown[_USER] + grown[_NICE]
            system = grown[_SYSTEM] + grown[_IRQ] + grown[_SOFTIRQ]
            readings["system.cpu.utilization.user"] = kept.measured("system.cpu.utilization.user", user / total)
            readings["system.cpu.utilization.system"] = kept.measured("system.cpu.utilization.system", system / total)
        return readings

    def _counts(self, text: str, now: float) -> dict[str, Reading]:
        """Return what stands below the processors: interrupts, switches, tasks, the time of the start."""
        names = ("ctxt", "intr", "processes", "procs_running", "procs_blocked", "btime")
        values = {name: value for name in names if (value := number_after(text, name)) is not None}
        self._note_start(values.get("btime"))
        readings = {}
        for name, metric in (("procs_running", "running"), ("procs_blocked", "blocked")):
            if name in values:
                readings[f"system.processes.{metric}"] = self._host.measured(f"system.processes.{metric}", values[name])
        step = self._counters.advance(now, {n: float(values[n]) for n in ("ctxt", "intr", "processes") if n in values})
        if step is not None:
            for name, metric in (
                ("ctxt", "system.cpu.context_switches"),
                ("intr", "system.cpu.interrupts"),
                ("processes", "system.processes.created"),
            ):
                if name in step[1]:
                    readings[metric] = self._host.measured(metric, step[1][name] / step[0])
        return readings

    def _note_start(self, btime: int | None) -> None:
        """Keep the start as it is unless the clock was set: the kernel's answer trembles by a second."""
        if btime is None or (self.booted_at is not None and abs(btime - self.booted_at) < _MOVED_SECONDS):
            return
        self.booted_at = float(btime)

    def _ask_clocks(self, names: list[str], now: float) -> None:
        if names != self._named:
            self._named, self._turns = names, deque(names)
            self._clocks = {name: clock for name, clock in self._clocks.items() if name in names}
        if not self._clocks and now < self._ask_clocks_at:
            return
        self._ask_clocks_at = now + _NO_CLOCKS_SECONDS
        for _ in range(min(_CLOCKS_A_PASS, len(self._turns))):
            name = self._turns[0]
            self._turns.rotate(-1)
            kilohertz = number(self._folder / name / _CLOCK)  # not kept open: there may be more than descriptors
            if kilohertz is None:
                self._clocks.pop(name, None)
            else:
                self._clocks[name] = kilohertz * _KHZ


def processor_ticks(stat: str) -> dict[str, Ticks]:
    """Return the eight counters of ``cpu`` (all together) and of each ``cpuN`` from /proc/stat."""
    found: dict[str, Ticks] = {}
    for line in stat.split("\n"):
        if not line.startswith("cpu"):
            break
        name, _, rest = line.partition(" ")
        try:
            numbers = integers(rest)[:8]
        except ValueError:
            continue
        if len(numbers) > _IOWAIT:
            found[name] = numbers + [0] * (8 - len(numbers))
    return found


def spent(before: Ticks, after: Ticks) -> Ticks | None:
    """Return the ticks between two readings, or None when there is nothing to divide or the counters were reset."""
    grown = [late - early for early, late in zip(before, after, strict=True)]
    if min(grown) < 0:
        grown[_IDLE], grown[_IOWAIT] = max(0, grown[_IDLE]), max(0, grown[_IOWAIT])
        if min(grown) < 0:
            return None
    return grown if sum(grown) > 0 else None


def number_after(text: str, name: str) -> int | None:
    """Return the number that follows ``name`` at the beginning of a line."""
    at = text.find(f"\n{name} ")
    if at < 0:
        return None
    word = text[at + len(name) + 2 : at + len(name) + 24].split(None, 1)[:1]
    return int(word[0]) if word and word[0].isdecimal() and word[0].isascii() else None


def uptime() -> float:
    """Return the seconds since the start, time asleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
