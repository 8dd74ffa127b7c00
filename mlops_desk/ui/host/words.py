"""From the host's records to what its page shows: meters, facts and processors, in words. No Qt here."""

from collections.abc import Mapping

from mlops_desk.base.text import plain
from mlops_desk.records.host import Core, Host, Sensor
from mlops_desk.records.metric import Reading
from mlops_desk.ui.host.cores import CoreView
from mlops_desk.ui.widgets.facts import Fact
from mlops_desk.ui.widgets.meters import Meter
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import tone_of, value_of

NUMA_NODES = 16  # as many as have metrics of their own
PRESSED, HARD_PRESSED = 0.05, 0.2  # chosen: waiting for a twentieth of the time is felt, for a fifth is trouble
HOT_BELOW_LIMIT = 10.0  # chosen: °C; at its limit a processor slows down
_PRESSURE = (
    ("cpu.some", "CPU, some wait", "at least one task"),
    ("memory.some", "Memory, some wait", "at least one task"),
    ("memory.full", "Memory, all wait", "every task"), ("io.some", "Disk, some wait", "at least one task"),
    ("io.full", "Disk, all wait", "every task"),
)  # fmt: skip


def cores(host: Host) -> tuple[CoreView, ...]:
    """Return every processor, in the kernel's order."""
    return tuple(_core(core) for core in host.cores)


def _core(core: Core) -> CoreView:
    name = "system.cpu.utilization"
    busy, iowait, steal = (value_of(core.metrics.get(name + end)) for end in ("", ".iowait", ".steal"))
    clock = numbers.hertz(value_of(core.metrics.get("system.cpu.frequency")))
    told = f"{plain(core.name, 20)}   busy {numbers.percent(busy)}   iowait {numbers.percent(iowait)}"
    stolen = f"   steal {numbers.percent(steal)}" if steal else ""
    return CoreView(core.name, busy, iowait, steal, f"{told}{stolen}   {clock}")


def cores_told(views: tuple[CoreView, ...]) -> str:
    """Return all processors in a sentence, for a screen reader."""
    known = [view for view in views if view.busy is not None]
    if not known:
        return "Not known"
    mean = sum(view.busy or 0.0 for view in known) / len(known)
    top = max(known, key=lambda view: view.busy or 0.0)
    most = f"{top.name} busiest with {numbers.percent(top.busy)}"
    return f"{numbers.count(len(views), 'processor')}, mean {numbers.percent(mean)}, {most}"


def memory(host: Host) -> list[Meter]:
    """Return memory, huge pages, swap and each NUMA node's memory; what the machine lacks is left out."""
    rows = [_filled(host.metrics, "Memory", "system.memory", _memory_tip(host.metrics))]
    for title, name in (("Huge pages", "system.memory.huge_pages"), ("Swap", "system.paging")):
        if value_of(host.metrics.get(f"{name}.limit")):
            rows.append(_filled(host.metrics, title, name))
        else:
            rows.append(Meter(title, None, "none set up" if f"{name}.limit" in host.metrics else "not measured"))
    nodes = [node for node in range(NUMA_NODES) if f"system.memory.node{node}.limit" in host.metrics]
    return rows + [_filled(host.metrics, f"NUMA node {node}", f"system.memory.node{node}") for node in nodes]


def _filled(metrics: Mapping[str, Reading], title: str, name: str, tip: str = "") -> Meter:
    used, limit = value_of(metrics.get(f"{name}.usage")), value_of(metrics.get(f"{name}.limit"))
    if used is None or not limit:
        return Meter(title, None, numbers.why_missing(metrics.get(f"{name}.usage")), tip=tip)
    return Meter(title, used / limit, numbers.size_of(used, limit), tone_of(used / limit), tip)


def _memory_tip(metrics: Mapping[str, Reading]) -> str:
    names = ("available", "cached", "dirty", "shared", "locked", "slab")
    return "\n".join(f"{name}: {numbers.size(value_of(metrics.get(f'system.memory.{name}')))}" for name in names)


def pressure(host: Host) -> list[Meter]:
    """Return for how much of the time tasks waited for a resource."""
    rows = []
    for name, title, who in _PRESSURE:
        reading = host.metrics.get(f"system.pressure.{name}")
        share = value_of(reading)
        calm = value_of(host.metrics.get(f"system.pressure.{name}.avg10"))
        tone = "accent" if (share or 0.0) < PRESSED else "warning" if (share or 0.0) < HARD_PRESSED else "alert"
        text = numbers.percent(share, 1) if share is not None else numbers.why_missing(reading)
        tip = f"Share of time in which {who} waited for it; over 10 s: {numbers.percent(calm, 1)}"
        rows.append(Meter(title, share, text, tone, tip))
    return rows


def load(host: Host) -> list[Fact]:
    """Return load, clock and what the kernel does."""
    metrics = host.metrics

    def number(name: str) -> str:
        return numbers.number(value_of(metrics.get(name)))

    averages = " · ".join(number(f"system.cpu.load_average.{span}") for span in ("1m", "5m", "15m"))
    swapped = [value_of(metrics.get(f"system.paging.{way}")) for way in ("in", "out")]
    return [
        Fact("Load", f"{averages} of {number('system.cpu.logical.count')}", tip="Over 1, 5 and 15 min; of processors"),
        Fact(
            "Tasks", f"{number('system.processes.running')} run, {number('system.processes.blocked')} wait for a disk"
        ),
        Fact("Clock", numbers.hertz(value_of(metrics.get("system.cpu.frequency")))),
        Fact(
            "Switches", f"{number('system.cpu.context_switches')}/s", tip="From one task to another, on all processors"
        ),
        Fact("Interrupts", f"{number('system.cpu.interrupts')}/s"),
        Fact("Swapping", f"{numbers.byte_rate(swapped[0])} in, {numbers.byte_rate(swapped[1])} out"),
        Fact("Killed for memory", number("system.memory.oom_kills"), tip="Processes killed since the machine started"),
    ]


def machine(host: Host, now: float) -> list[Fact]:
    """Return what the machine is: name, how long it is up, kernel, processor, NUMA and more."""
    up = now - host.booted_at if host.booted_at else value_of(host.metrics.get("system.uptime"))
    since = numbers.absolute(host.booted_at) if host.booted_at else ""
    facts = [Fact("Name", host.name), Fact("Up for", numbers.duration(up), tip=since)]
    return [*facts, *(Fact(plain(title, 40), text) for title, text in host.facts.items())]


def sensor_tone(sensor: Sensor) -> str:
    """Return the colour token for a temperature, by the maker's limit."""
    heat, limit = (value_of(sensor.metrics.get(name)) for name in ("hw.temperature", "hw.temperature.limit"))
    if heat is None:
        return "muted"
    if limit is None or heat < limit - HOT_BELOW_LIMIT:
        return "text"
    return "alert" if heat >= limit else "warning"
