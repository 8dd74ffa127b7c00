"""Host: the machine without its GPUs: processors, memory, what waits, temperatures, their curves, and the processes."""

from functools import partial
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.base import agent_clock
from mlops_desk.base.text import plain
from mlops_desk.records.host import Host, HostProcess, Sensor
from mlops_desk.ui.actions import Action
from mlops_desk.ui.charts.chart import Chart
from mlops_desk.ui.charts.head import LegendLabel
from mlops_desk.ui.charts.stack import ChartStack
from mlops_desk.ui.curves.traces import Limit, Trace
from mlops_desk.ui.host import words
from mlops_desk.ui.host.cores import BUSY_SLOT, IOWAIT_SLOT, STEAL_SLOT, CoreBars
from mlops_desk.ui.host.processes import ProcessView
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.meters import Meters
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.tabs import Tabs
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import value_of

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
        views = words.cores(host)
        self.cores.show_cores(views, words.cores_told(views))
        self.memory.show_meters(words.memory(host))
        self.pressure.show_meters(words.pressure(host))
        self.load.show_facts(words.load(host))
        moment = self.context.past.moment if self.is_then() else None
        self.machine.show_facts(words.machine(host, agent_clock.now() if moment is None else moment))
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
    return Cell(text, -300.0 if heat is None else heat, words.sensor_tone(sensor))


def _limit_cell(sensor: Sensor) -> Cell:
    limit = value_of(sensor.metrics.get("hw.temperature.limit"))
    return Cell(numbers.celsius(limit), -300.0 if limit is None else limit, "muted")


_COLUMNS: tuple[Column[Sensor], ...] = (
    Column("sensor", "Sensor", lambda sensor: Cell(plain(sensor.name), tip=sensor.name), stretch=True, whole=True),
    Column("now", "Now", _heat_cell, right=True),
    Column("limit", "Critical", _limit_cell, right=True),
)
