"""What a cgroup took of the host and waited for, from the files that version 2 keeps for each.

The root is everybody, and so nobody's. Where there is no version 2, or a file is missing, that part stays unknown.

Load and pressure: how long tasks wait for processors, memory and disks, from /proc/loadavg and /proc/pressure.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.host.counters import Counters, KernelFile
from mlops_desk.machine.telemetry.metrics.host import HOST
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker

_PRESSURES = (("cpu", "some"), ("memory", "some"), ("memory", "full"), ("io", "some"), ("io", "full"))
_SPANS = ("1m", "5m", "15m")


class Pressure:
    """Reads load and pressure; a kernel without pressure files says so."""

    def __init__(self, proc: Path) -> None:
        self._load = KernelFile(proc / "loadavg")
        self._files = {name: KernelFile(proc / "pressure" / name) for name in ("cpu", "memory", "io")}
        self._stalls = Counters()
        self._kept = ReadingMaker(HOST)

    def read(self, now: float) -> dict[str, Reading]:
        """Read everything once; ``now`` is monotonic."""
        readings = {name: self._kept.measured(name, value) for name, value in load(self._load.read()).items()}
        found = {(name, who): v for name, file in self._files.items() for who, v in pressure(file.read()).items()}
        step = self._stalls.advance(now, {f"{name}.{who}": total for (name, who), (_, total) in found.items()})
        for name, who in _PRESSURES:
            metric = f"system.pressure.{name}.{who}"
            if (name, who) not in found:
                for each in (metric, f"{metric}.avg10"):
                    readings[each] = self._kept.missing(each, MetricState.NOT_SUPPORTED)
                continue
            readings[f"{metric}.avg10"] = self._kept.measured(f"{metric}.avg10", found[name, who][0])
            if step is not None and f"{name}.{who}" in step[1]:
                share = min(step[1][f"{name}.{who}"] / step[0], 1.0)
                readings[metric] = self._kept.measured(metric, share)
        return readings


def load(loadavg: str) -> dict[str, float]:
    """Return the three load averages from /proc/loadavg."""
    try:
        values = [float(word) for word in loadavg.split()[:3]]
    except ValueError:
        return {}
    return {f"system.cpu.load_average.{span}": value for span, value in zip(_SPANS, values, strict=False)}


def pressure(text: str) -> dict[str, tuple[float, float]]:
    """Return (10 s average as a ratio, stalled seconds since boot) for ``some`` and ``full`` of a pressure file."""
    found = {}
    for line in text.splitlines():
        who, _, rest = line.partition(" ")
        words = dict(word.partition("=")[::2] for word in rest.split())
        try:
            found[who] = (float(words["avg10"]) / 100, int(words["total"]) / 1e6)
        except (KeyError, ValueError):
            continue
    return found


ROOT = Path("/sys/fs/cgroup")
_HOLDS_SECONDS = 5.0
"""Of several processes in one cgroup each asks; within so long they get one answer."""

_REMEMBERED = 64
"""Each keeps five files open, and a process may have 1,024."""
_FORGET_SECONDS = 60.0
"""Processes are looked at every twenty seconds: a cgroup that nobody asked about for so long has ended."""

_OF_ONE = re.compile(r"[/:.-][0-9a-f]{64}(\.scope)?(/|$)|\.service$|/run-[^/]+\.scope$|/job_[0-9]+(/|$)")
_OF_A_USER = re.compile(r"/user@[0-9]+\.service$")
"""The service that keeps a user's other ones: beside those it holds what was started without any."""

_MICROSECONDS = 1e-6
_FILES = ("cpu.stat", "cpu.pressure", "io.pressure", "io.stat", "cpu.max")


@dataclass(frozen=True, slots=True)
class CgroupTotals:
    """Counters of a cgroup at monotonic time ``at``; None where there is no such file. Pressures count "some"."""

    at: float
    cpu_seconds: float | None
    cpu_stalled_seconds: float | None
    io_stalled_seconds: float | None
    read_bytes: float | None
    cores_limit: float | None


@dataclass(frozen=True, slots=True)
class CgroupLoad:
    """Means between two readings: cores in use, the most it may use, shares of time in which some task waited."""

    cores: float | None = None
    cores_limit: float | None = None
    cpu_pressure: float | None = None
    io_pressure: float | None = None
    read_bytes: float | None = None


class Cgroups:
    """Reads cgroups by their path as /proc/PID/cgroup tells it."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._files: dict[str, Mapping[str, KernelFile]] = {}
        self._newest: dict[str, CgroupTotals] = {}

    def read(self, path: str, now: float) -> CgroupTotals | None:
        """Return a cgroup's counters; None for the root, and for what is no cgroup of version 2."""
        known = self._newest.get(path)
        if known is not None and 0 <= now - known.at < _HOLDS_SECONDS:
            return known
        files = self._opened(path, now)
        if files is None:
            return None
        totals = CgroupTotals(
            now,
            _seconds(_words(files["cpu.stat"].read()).get("usage_usec")),
            _stalled(files["cpu.pressure"].read()),
            _stalled(files["io.pressure"].read()),
            read_bytes(files["io.stat"].read()),
            cores_limit(files["cpu.max"].read()),
        )
        self._newest[path] = totals
        return totals

    def _opened(self, path: str, now: float) -> Mapping[str, KernelFile] | None:
        known = self._files.get(path)
        if known is not None:
            return known
        folder = self._root / path.strip("/")
        if not path.strip("/") or ".." in folder.parts or not (folder / "cpu.stat").is_file():
            return None
        self._forget([other for other, totals in self._newest.items() if now - totals.at > _FORGET_SECONDS])
        if len(self._files) >= _REMEMBERED:
            self._forget([*self._files])
        files = self._files[path] = {name: KernelFile(folder / name) for name in _FILES}
        return files

    def _forget(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._newest.pop(path, None)
            for file in self._files.pop(path, {}).values():
                file.close()


def is_of_one(path: str | None) -> bool:
    """Tell whether a cgroup is that of one workload: a container, a service, a command run as a unit, a batch job.

    A login's session or a user's slice holds all that somebody does, so what waits in there may be anything of theirs.
    """
    return path is not None and _OF_ONE.search(path) is not None and not _OF_A_USER.search(path)


def growth(first: CgroupTotals | None, last: CgroupTotals | None) -> CgroupLoad:
    """Return the means between two readings of one cgroup; nothing is known without both."""
    if first is None or last is None or last.at <= first.at:
        return CgroupLoad()
    seconds = last.at - first.at

    def mean(before: float | None, after: float | None) -> float | None:
        return None if before is None or after is None or after < before else (after - before) / seconds

    return CgroupLoad(
        _rounded(mean(first.cpu_seconds, last.cpu_seconds)),
        last.cores_limit,
        _share(mean(first.cpu_stalled_seconds, last.cpu_stalled_seconds)),
        _share(mean(first.io_stalled_seconds, last.io_stalled_seconds)),
        mean(first.read_bytes, last.read_bytes),
    )


def read_bytes(text: str) -> float | None:
    """Return the bytes read from all devices in an io.stat; None for an empty one: it may not be counted."""
    found = [word[7:] for word in text.split() if word.startswith("rbytes=")]
    try:
        return float(sum(int(word) for word in found)) if found else None
    except ValueError:
        return None


def cores_limit(text: str) -> float | None:
    """Return how many cores a cpu.max allows; None where it sets no limit."""
    try:
        quota, period = (int(word) for word in text.split())
    except ValueError:
        return None
    return quota / period if period > 0 else None


def _words(text: str) -> dict[str, str]:
    return dict(pair for line in text.splitlines() if len(pair := line.split(" ")) == 2)


def _seconds(word: str | None) -> float | None:
    return int(word) * _MICROSECONDS if word is not None and word.isdigit() else None


def _stalled(text: str) -> float | None:
    some = pressure(text).get("some")
    return None if some is None else some[1]


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _share(value: float | None) -> float | None:
    return None if value is None else round(min(1.0, value), 3)
