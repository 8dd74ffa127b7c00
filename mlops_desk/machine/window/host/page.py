"""Host: the machine without its GPUs: processors, memory, what waits, temperatures, their curves, and the processes."""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.chart_header import LegendLabel
from mlops_desk.kit.window.charts.stack import ChartStack
from mlops_desk.kit.window.curves.traces import Limit, Trace
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.widgets.meters import Meter, Meters
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import tone_of, value_of
from mlops_desk.machine.records.host import Core, Host, HostProcess, Sensor
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.window.host.cores import BUSY_SLOT, IOWAIT_SLOT, STEAL_SLOT, CoreBars, CoreView
from mlops_desk.machine.window.host.processes import ProcessView

# From the host's records to what its page shows: meters, facts and processors, in words. No Qt here.
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


_CPU = "system.cpu.utilization"


VIEWS = (("curves", "Curves"), ("processes", "Processes"))
_PALETTE = frozenset({"palette"})


class HostPage(Page):
    """Processors across the page; numbers at the left, curves or processes at the right."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.STATUS, Topic.CONNECTION})
    goes_back: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.cores = CoreBars()
        self._heading = Label("Processors", points=theme.CAPTION_POINTS, bold=True, tone="muted")
        self._reading = Label(points=theme.CAPTION_POINTS)
        self._legend = [
            LegendLabel(word, slot)
            for word, slot in (("busy", BUSY_SLOT), ("iowait", IOWAIT_SLOT), ("steal", STEAL_SLOT))
        ]
        self.memory = Meters("Memory")
        self.pressure = Meters("Waiting for")
        self.load = FactGrid()
        self.machine = FactGrid()
        self.sensors = RecordTable("Temperatures", _COLUMNS, context.memory)
        self._no_sensors = Label("This machine reports no temperatures.", tone="muted", wrap=True)
        self.charts = {
            "cpu": Chart("Processors", numbers.percent, top=1.0),
            "memory": Chart("Memory", numbers.size, step=1 << 30),
            "pressure": Chart("Waiting for", numbers.percent),
            "load": Chart("Load", numbers.number),
        }
        self.stack = ChartStack(list(self.charts.values()), context, "Curves of the host", scrolls=True)
        self.stack.of("host")
        self.processes = ProcessView(context)
        self.tabs = Tabs("What to show of the host", VIEWS)
        self.views = QStackedWidget()
        self.tabs.chosen.connect(self._turn)
        self._arrange()

    def _arrange(self) -> None:
        above = Card()
        head = QHBoxLayout()
        head.addWidget(self._heading)
        self._reading.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        head.addWidget(self._reading, 1)
        for label in self._legend:
            head.addWidget(label)
        head.setSpacing(theme.SPACE_12)
        above.column.addLayout(head)
        above.column.addWidget(self.cores)
        self.cores.read.connect(self._reading.show_text)
        split = QSplitter(Qt.Orientation.Horizontal)
        self._left = self._numbers()
        split.addWidget(self._left)
        split.addWidget(self._right())
        split.setStretchFactor(1, 1)
        split.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        split.setHandleWidth(theme.SPACE_8)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addWidget(above)
        whole.addWidget(split, 1)

    def _right(self) -> QWidget:
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignRight)
        column.addWidget(self.views, 1)
        for view in (self.stack, self.processes):
            self.views.addWidget(view)
        self.tabs.choose("curves")
        return right

    def _turn(self, view: str) -> None:
        self.views.setCurrentIndex([key for key, _ in VIEWS].index(view))
        self._left.setVisible(view == "curves")  # a table of processes needs the whole width for command lines

    def _sees_processes(self) -> bool:
        return self.tabs.current() == "processes"

    def main_table(self) -> RecordTable[HostProcess] | None:
        return self.processes.table if self._sees_processes() else None

    def filter_field(self) -> QLineEdit | None:
        return self.processes.filter if self._sees_processes() else None

    def actions_here(self) -> list[Action]:
        return [
            Action(f"host.{key}", f"Host: {title.lower()}", partial(self.tabs.choose, key), places=_PALETTE)
            for key, title in VIEWS
        ]

    def _numbers(self) -> QWidget:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for title, widget in (
            ("Memory", self.memory), ("Waiting for (pressure)", self.pressure), ("Load", self.load),
            ("Temperatures", self.sensors), ("Machine", self.machine),
        ):  # fmt: skip
            card = Card(title)
            card.column.addWidget(widget)
            column.addWidget(card)
            if widget is self.sensors:
                card.column.addWidget(self._no_sensors)
        column.addStretch()
        return scrolled(inner, "The host's numbers")

    def refresh(self, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - all of it is one sample
        status = self.seen_status()
        if status is None:
            self.wait_for_numbers()
            return
        self.show_content()
        if self.takes_numbers():
            self._show(status.host)

    def _show(self, host: Host) -> None:
        self._heading.show_text(f"Processors{self.then_words()}")
        views = cores(host)
        self.cores.show_cores(views, cores_told(views))
        self.memory.show_meters(memory(host))
        self.pressure.show_meters(pressure(host))
        self.load.show_facts(load(host))
        moment = self.context.past.moment if self.is_then() else None
        self.machine.show_facts(machine(host, agent_clock.now() if moment is None else moment))
        self._show_sensors(host)
        self._show_curves(host)

    def _show_sensors(self, host: Host) -> None:
        self.sensors.show_records({sensor.name: sensor for sensor in host.sensors})
        self.sensors.setVisible(bool(host.sensors))
        self._no_sensors.setVisible(not host.sensors)
        rows = min(len(host.sensors), SENSORS_SHOWN)
        height = (rows + 1) * theme.ROW_HEIGHT + theme.SPACE_4
        if self.sensors.height() != height:
            self.sensors.setFixedHeight(height)

    def _show_curves(self, host: Host) -> None:
        changed = False

        def show(chart: str, *lines: tuple[str, str, int], limits: tuple[Limit, ...] = ()) -> None:
            nonlocal changed
            traces = [Trace(name, "host", metric, slot) for name, metric, slot in lines]
            changed |= self.charts[chart].show_traces(traces, limits)

        show("cpu", ("busy", _CPU, BUSY_SLOT), ("iowait", f"{_CPU}.iowait", IOWAIT_SLOT),
             ("steal", f"{_CPU}.steal", STEAL_SLOT))  # fmt: skip
        limit = value_of(host.metrics.get("system.memory.limit"))
        show("memory", ("", "system.memory.usage", 1), limits=(Limit("of", limit),) if limit else ())
        show("pressure", *((title, f"system.pressure.{name}.some", slot) for title, name, slot in _WAITS))
        show("load", ("1 min", "system.cpu.load_average.1m", 4), ("15 min", "system.cpu.load_average.15m", 6))
        if changed:
            self.stack.look()


SENSORS_SHOWN = 8  # chosen: more scroll
_WAITS = (("CPU", "cpu", 0), ("disk", "io", 2), ("memory", "memory", 3))


def _heat_cell(sensor: Sensor) -> Cell:
    reading = sensor.metrics.get("hw.temperature")
    heat = value_of(reading)
    text = numbers.celsius(heat) if heat is not None else numbers.why_missing(reading)
    return Cell(text, -300.0 if heat is None else heat, sensor_tone(sensor))


def _limit_cell(sensor: Sensor) -> Cell:
    limit = value_of(sensor.metrics.get("hw.temperature.limit"))
    return Cell(numbers.celsius(limit), -300.0 if limit is None else limit, "muted")


_COLUMNS: tuple[Column[Sensor], ...] = (
    Column("sensor", "Sensor", lambda sensor: Cell(plain(sensor.name), tip=sensor.name), stretch=True, whole=True),
    Column("now", "Now", _heat_cell, right=True),
    Column("limit", "Critical", _limit_cell, right=True),
)
