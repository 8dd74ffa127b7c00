"""The machine in one line: how many GPUs work, their memory and power together, and whether all is well."""

from collections.abc import Iterable, Sequence

from mlops_desk.desk.window.overview.strip import Statement
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words import disks, gpus, numbers
from mlops_desk.kit.window.words.alerts import alert_mark, firing, gravest
from mlops_desk.kit.window.words.numbers import Mark, value_of
from mlops_desk.machine.records.alert import Alert
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.status import Status

KILO = 1000.0


def pieces(status: Status) -> tuple[Statement, ...]:
    """Return what is said of the whole machine, of its GPUs where it has any."""
    if not status.gpus:
        return _of_host(status)
    known = [gpu for gpu in status.gpus if value_of(gpu.metrics.get("hw.gpu.utilization")) is not None]
    working = sum(gpus.busy(gpu) for gpu in known)
    silent = [f"GPU {gpu.index}" for gpu in status.gpus if gpu not in known]
    without = f"\nWithout {', '.join(silent)}, which can't be read." if silent else ""
    at_work = f"A kernel runs on {working} of them now.{without}"
    found = [Statement("GPUs busy", f"{working} of {len(status.gpus)}", None, at_work)]
    used, limit = _sum(status.gpus, "hw.gpu.memory.usage"), _sum(status.gpus, "hw.gpu.memory.limit")
    share = used / limit if used is not None and limit else None
    found.append(Statement("GPU memory", numbers.size_of(used, limit), share, f"Used of all GPUs together.{without}"))
    power, most = _sum(status.gpus, "hw.power"), _sum(status.gpus, "hw.power.limit")
    of = f"\nTheir limits together: {watts(most)}." if most else ""
    drawn = power / most if power is not None and most else None
    found.append(Statement("power", watts(power), drawn, f"Drawn by all boards.{of}{without}"))
    hottest = max(known, key=lambda gpu: value_of(gpu.metrics.get("hw.temperature")) or -1.0, default=None)
    if hottest is not None:
        heat = numbers.celsius(value_of(hottest.metrics.get("hw.temperature")))
        found.append(Statement("hottest", f"{heat} (GPU {hottest.index})", None, gpus.short_name(hottest.name)))
    return tuple(found)


def _of_host(status: Status) -> tuple[Statement, ...]:
    """Return what no tile of the host says."""
    found = []
    full = {filesystem.mount: disks.space(filesystem) for filesystem in status.filesystems}
    mount, share = max(full.items(), key=lambda item: item[1] or 0.0, default=("", None))
    if share is not None:
        found.append(
            Statement("fullest disk", f"{numbers.percent(share)} of {plain(mount, 30)}", share, "Space used on it.")
        )
    heats = [(value_of(sensor.metrics.get("hw.temperature")), sensor.name) for sensor in status.host.sensors]
    heat, name = max(((heat, name) for heat, name in heats if heat is not None), default=(None, ""))
    if heat is not None:
        found.append(Statement("hottest", numbers.celsius(heat), None, f"Sensor: {plain(name, 60)}"))
    return tuple(found)


def verdict(alerts: Iterable[Alert] | None, wrong: Sequence[Line] = ()) -> Mark:
    """Return whether all is well, by the alerts that fire and what else is wrong; the gravest of both colours it."""
    if alerts is None:
        return Mark("unknown", numbers.UNKNOWN, "alerts not known")
    now = firing(alerts)
    worst = gravest([*(alert_mark(alert) for alert in now), *(line.mark for line in wrong)])
    if worst is None:
        return Mark("ok", numbers.OK, "no alert")
    text = numbers.count(len(now), "alert") if now else f"{len(wrong)} to look at"
    return Mark(worst.token, worst.shape, text)


def watts(value: float | None) -> str:
    """Return power, in kilowatts from one on."""
    return numbers.watts(value) if value is None or value < KILO else f"{value / KILO:.1f}{numbers.THIN}kW"


def _sum(gpus: Iterable[Gpu], metric: str) -> float | None:
    values = [value for gpu in gpus if (value := value_of(gpu.metrics.get(metric))) is not None]
    return sum(values) if values else None
