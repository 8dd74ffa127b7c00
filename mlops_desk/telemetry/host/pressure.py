"""Load and pressure: how long tasks wait for processors, memory and disks, from /proc/loadavg and /proc/pressure."""

from pathlib import Path

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.host.counters import Counters, KernelFile
from mlops_desk.telemetry.metrics.table import HOST, ReadingMaker

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
