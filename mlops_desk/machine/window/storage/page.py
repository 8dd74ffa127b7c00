"""Storage & network: disks, filesystems and interfaces as tables, and the curves of the chosen one below."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.stack import ChartStack
from mlops_desk.kit.window.curves.traces import Limit, Trace
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.numbers import value_of
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.window.storage import words


@dataclass(frozen=True, slots=True)
class DeviceChart:
    """A chart of a kind of device: its unit, its lines (name, metric), and the metric that limits it."""

    title: str
    unit: numbers.Written
    lines: tuple[tuple[str, str], ...]
    limit: str | None = None
    top: float | None = None
    step: float = 1.0


@dataclass(frozen=True, slots=True)
class DeviceKind:
    """A kind of device: where its records are, its columns and facts, its charts."""

    key: str
    title: str
    nothing: str
    columns: tuple[Any, ...]
    records: Callable[[Status], dict[str, Any]]
    facts: Callable[[Any], list[Fact]]
    curves: tuple[DeviceChart, ...]


KINDS = (
    DeviceKind(
        "disk", "Disks", "No disk is seen on this machine.", words.DISK_COLUMNS,
        lambda status: {disk.name: disk for disk in status.disks}, words.disk_facts,
        (
            DeviceChart("Throughput", numbers.byte_rate,
                  (("read", "system.disk.read"), ("write", "system.disk.write"))),
            DeviceChart("Operations", words.per_second,
                  (("reads", "system.disk.read.operations"), ("writes", "system.disk.write.operations"))),
            DeviceChart("Latency", numbers.seconds,
                  (("read", "system.disk.read.latency"), ("write", "system.disk.write.latency")), step=1e-6),
        ),
    ),
    DeviceKind(
        "filesystem", "Filesystems", "No filesystem is seen on this machine.", words.FILESYSTEM_COLUMNS,
        lambda status: {filesystem.mount: filesystem for filesystem in status.filesystems},
        words.filesystem_facts,
        (
            DeviceChart("Space used", numbers.size, (("", "system.filesystem.usage"),), "system.filesystem.limit",
                  step=1 << 30),
            DeviceChart("Time to answer", numbers.seconds, (("", "system.filesystem.latency"),), step=1e-6),
        ),
    ),
    DeviceKind(
        "network", "Networks", "No network interface is seen on this machine.", words.NETWORK_COLUMNS,
        lambda status: {network.name: network for network in status.networks}, words.network_facts,
        (
            DeviceChart("Traffic", numbers.bit_rate,
                  (("received", "system.network.receive"), ("sent", "system.network.transmit")), step=125_000),
            DeviceChart("Packets", words.per_second,
                  (("received", "system.network.receive.packets"), ("sent", "system.network.transmit.packets"))),
            DeviceChart("Errors and drops", words.per_second,
                  (("in", "system.network.receive.errors"), ("out", "system.network.transmit.errors"))),
        ),
    ),
)  # fmt: skip


class StoragePage(Page):
    """Three views, one at a time."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.STATUS, Topic.CONNECTION})
    goes_back: ClassVar[bool] = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._filter = filter_field("Filter devices")
        self._filter.textChanged.connect(self._narrow)
        self.tabs = Tabs("Kind of device", tuple((kind.key, kind.title) for kind in KINDS))
        self.views = {kind.key: DeviceView(kind, context) for kind in KINDS}
        self._stack = QStackedWidget()
        for view in self.views.values():
            self._stack.addWidget(view)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.tabs)
        row.addStretch(1)
        row.addWidget(self._filter, 1)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        whole.addLayout(row)
        whole.addWidget(self._stack, 1)
        self.tabs.chosen.connect(self._show_kind)
        self.tabs.choose("disk")

    def refresh(self, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - all of it is one sample
        status = self.seen_status()
        if status is None:
            self.wait_for_numbers()
            return
        self.show_content()
        for kind in KINDS:
            self.tabs.count(kind.key, len(kind.records(status)))
        if self.takes_numbers():
            self.views[self.tabs.current()].refresh(status, self.then_words())

    def main_table(self) -> RecordTable[Any]:
        return self.views[self.tabs.current()].table

    def show_thing(self, thing: str) -> bool:
        """Choose a device; the thing is its kind and its key."""
        kind, _, key = thing.partition(" ")
        if kind not in self.views:
            return False
        self.tabs.choose(kind)
        return self.show_in(self.views[kind].table, key)

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def _narrow(self, text: str) -> None:
        for view in self.views.values():
            view.table.narrow(text)

    def _show_kind(self, key: str) -> None:
        self._stack.setCurrentWidget(self.views[key])
        status = self.seen_status()
        if status is not None:
            self.views[key].refresh(status, self.then_words())


class DeviceView(QWidget):
    """One kind of device: table above, facts and curves of the chosen one below."""

    def __init__(self, kind: DeviceKind, context: Context) -> None:
        super().__init__()
        self._kind = kind
        self.table: RecordTable[Any] = RecordTable(kind.title, kind.columns, context.memory)
        self.table.chosen.connect(self._chose)
        self.facts = FactGrid()
        self._details = Card("Details")
        self._nothing = Label(kind.nothing, tone="muted", wrap=True)
        self._nothing.hide()
        self.charts = [Chart(curve.title, curve.unit, top=curve.top, step=curve.step) for curve in kind.curves]
        self.stack = ChartStack(self.charts, context, f"Curves of the chosen one of: {kind.title}", scrolls=True)
        self._arrange()

    def _arrange(self) -> None:
        card = self._details
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.facts)
        column.addStretch()
        card.column.addWidget(scrolled(inner, f"Details of the chosen one of: {self._kind.title}"), 1)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.addWidget(card)
        below.addWidget(self.stack)
        below.setSizes([theme.DETAIL_WIDTH, theme.READING_WIDTH])
        below.setStretchFactor(1, 1)
        below.setHandleWidth(theme.SPACE_8)
        above = framed(self.table)
        above.column.addWidget(self._nothing)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(above)
        split.addWidget(below)
        split.setSizes([theme.DIALOG_TALL // 3, theme.DIALOG_TALL * 2 // 3])
        split.setHandleWidth(theme.SPACE_8)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(split)

    def refresh(self, status: Status, when: str) -> None:
        """Show what holds; ``when`` says of what time it is, nothing for now."""
        records = self._kind.records(status)
        self._details.heading.show_text(f"Details{when}")
        self.table.show_records(records)
        self._nothing.setVisible(not records)
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def select(self, key: str) -> None:
        self.table.select(key)

    def _chose(self, _key: str | None) -> None:
        if self.isVisible():
            self._show_chosen()

    def _show_chosen(self) -> None:
        key = self.table.key()
        record = self.table.records.record(key) if key else None
        self.stack.subject = key or ""
        self.stack.of(key)
        self.facts.show_facts(self._kind.facts(record) if record is not None else [])
        changed = False
        for chart, curve in zip(self.charts, self._kind.curves, strict=True):
            traces = (
                [Trace(name, key, metric, slot) for slot, (name, metric) in enumerate(curve.lines, 2)] if key else []
            )
            limit = value_of(record.metrics.get(curve.limit)) if record is not None and curve.limit else None
            changed |= chart.show_traces(traces, (Limit("of", limit),) if limit else ())
        if changed:
            self.stack.look()
