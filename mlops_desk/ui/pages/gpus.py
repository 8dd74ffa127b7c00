"""GPUs: one GPU's curves on one time axis, its processes and its health beside."""

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.text import plain
from mlops_desk.records.status import Gpu, GpuProcess
from mlops_desk.ui import theme, views, words
from mlops_desk.ui.chartstack import ChartStack
from mlops_desk.ui.context import Context
from mlops_desk.ui.page import Page
from mlops_desk.ui.store import Store, Topic
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.text import Label
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.chart import Chart, Limit, Line
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.widgets.facts import Fact, Facts
from mlops_desk.ui.words import value_of

SECONDS = 300.0


class GpusPage(Page):
    """A list of GPUs at the left, the chosen one at the right."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.STATUS, Topic.CONNECTION})

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._list = RecordTable("GPUs", _COLUMNS, context.memory)
        self._list.chosen.connect(self._choose)
        self._chosen: str | None = None
        self._title = Label(points=theme.TITLE_POINTS, bold=True)
        tasks = context.tasks()
        self._charts = {
            "activity": Chart(tasks, "Activity", words.percent, top=1.0),
            "memory": Chart(tasks, "Memory", words.size, step=1 << 30),
            "power": Chart(tasks, "Power", words.watts),
            "temperature": Chart(tasks, "Temperature", words.celsius),
            "clock": Chart(tasks, "Clock", words.hertz, step=1e6),
        }
        self._facts = Facts()
        self._processes = RecordTable("Processes", _PROCESS_COLUMNS, context.memory)
        self._why = Label(wrap=True)
        self._command = CommandLine()
        self._arrange()

    def _arrange(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(framed(self._list), 3)
        health = Card("State")
        health.column.addWidget(self._facts)
        health.column.addStretch()
        column.addWidget(health)
        processes = Card("Processes")
        processes.column.addWidget(self._processes)
        column.addWidget(processes, 2)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.addWidget(left)
        split.addWidget(ChartStack(list(self._charts.values())))
        split.setStretchFactor(1, 1)
        split.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        split.setHandleWidth(theme.SPACE_8)
        row = QHBoxLayout(self.content)
        row.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        row.addWidget(split)

    def refresh(self, topics: frozenset[Topic]) -> None:
        store = self.context.store
        status = store.status
        if status is None:
            self.wait_for_numbers()
            return
        if not status.gpus:
            self.show_nothing(
                "No NVIDIA GPU is seen on this machine",
                status.gpu_note or "The agent has not said why. Everything else works without one.",
                status.gpu_hint,
            )
            return
        self.show_content()
        self._list.show_records({gpu.uuid: gpu for gpu in status.gpus})
        if self._chosen not in {gpu.uuid for gpu in status.gpus}:
            self._chosen = status.gpus[0].uuid
            self._list.select(self._chosen)
        if Topic.STATUS in topics and not store.paused:
            self._show_chosen()

    def reveal(self, thing: str) -> None:
        self._list.select(thing)
        self._choose(thing)

    def _choose(self, uuid: str | None) -> None:
        if uuid is not None and uuid != self._chosen:
            self._chosen = uuid
            self._show_chosen()

    def _show_chosen(self) -> None:
        store = self.context.store
        gpus = store.status.gpus if store.status else ()
        for slot, gpu in enumerate(gpus):
            if gpu.uuid == self._chosen:
                self._show_curves(store, gpu, slot)
                self._facts.show_facts(_facts(gpu))
                self._processes.show_records({str(process.pid): process for process in gpu.processes})

    def _show_curves(self, store: Store, gpu: Gpu, slot: int) -> None:
        def show(chart: str, *metrics: tuple[str, str], limits: tuple[Limit, ...] = ()) -> None:
            lines = [
                Line(name, store.curve(gpu.uuid, metric, SECONDS), slot + number)
                for number, (name, metric) in enumerate(metrics)
            ]
            self._charts[chart].show_lines(lines, SECONDS, limits)

        show("activity", ("", "hw.gpu.utilization"))
        show("memory", ("", "hw.gpu.memory.usage"), limits=_limit("of", gpu, "hw.gpu.memory.limit"))
        show("power", ("", "hw.power"), limits=_limit("limit", gpu, "hw.power.limit"))
        show("temperature", ("", "hw.temperature"))
        show("clock", ("SM", "hw.gpu.clock.sm"), ("memory", "hw.gpu.clock.memory"))


def _limit(name: str, gpu: Gpu, metric: str) -> tuple[Limit, ...]:
    value = value_of(gpu.metrics.get(metric))
    return (Limit(name, value),) if value else ()


def _facts(gpu: Gpu) -> list[Fact]:
    mark = views.gpu_mark(gpu)
    fan = gpu.metrics.get("hw.fan.speed_ratio")
    ratio = value_of(fan)
    return [
        Fact("State", mark.text, mark.token),
        Fact("Used by", views.who(gpu) or words.NOTHING),
        Fact("Slowed by", ", ".join(gpu.throttle_reasons) or "nothing"),
        Fact("Fan", words.percent(ratio) if ratio is not None else words.why_missing(fan)),
        Fact("UUID", gpu.uuid, fixed=True),
        Fact("PCI", gpu.pci_bus_id or words.NOTHING, fixed=True),
        *([Fact("Note", gpu.note, "warning")] if gpu.note else []),
    ]


def _state_cell(gpu: Gpu) -> Cell:
    mark = views.gpu_mark(gpu)
    return Cell(mark.text, mark.word, token=mark.token)


def _name_cell(gpu: Gpu) -> Cell:
    return Cell(f"{gpu.index}  {views.short_name(gpu.name)}", gpu.index, tip=gpu.name)


def _ratio_cell(gpu: Gpu) -> Cell:
    ratio = value_of(gpu.metrics.get("hw.gpu.utilization"))
    return Cell(words.percent(ratio), -1.0 if ratio is None else ratio)


_COLUMNS: tuple[Column[Gpu], ...] = (
    Column("gpu", "GPU", _name_cell, stretch=True),
    Column("activity", "Activity", _ratio_cell, right=True),
    Column("state", "State", _state_cell),
)


def _memory_cell(process: GpuProcess) -> Cell:
    used = process.gpu_memory_bytes
    return Cell(words.size(used), -1 if used is None else used)


_PROCESS_COLUMNS: tuple[Column[GpuProcess], ...] = (
    Column("pid", "pid", lambda process: Cell(str(process.pid), process.pid), right=True),
    Column("user", "User", lambda process: Cell(plain(process.user or words.NOTHING))),
    Column("command", "Command", lambda p: Cell(plain(p.command or words.NOTHING), tip=p.command or ""), stretch=True),
    Column("memory", "Memory", _memory_cell, right=True),
)
