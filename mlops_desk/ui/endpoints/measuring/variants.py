"""Variants of the version that answers, measured on this machine: a table, points, and one sentence of advice."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.serving import processor_words
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.records.serving.variants import Variant
from mlops_desk.ui.endpoints.measuring.scatter import VariantScatter, VariantSpot
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.undertaking import UndertakingBar
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.choice import CheckBox
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.flow import FlowLayout
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.records.serving.variants import VariantComparison

NAMES = ("float32", "float16", "int8")
_ASK = (
    "An ONNX model is measured as float32, float16 and int8, any other as it is, in a container beside everything else."
)


class VariantsPanel(QWidget):
    """What was found stays until another version is measured."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.names = {name: CheckBox(name) for name in NAMES}
        for box in self.names.values():
            box.setChecked(True)
        self.names[NAMES[0]].setEnabled(False)  # the others are compared with it
        self.threads = Field("Threads", "Threads: 1 and all, or 1,2,4")
        self.threads.setFixedWidth(theme.TILE_MINIMUM_WIDTH)
        self.start = Button("Measure", main=True, tip="It takes a minute or two, and keeps processors busy", asks=True)
        self.under_way = UndertakingBar(context, "How far the comparison is")
        self.says = Label(_ASK, wrap=True)
        self.table: RecordTable[Variant] = RecordTable("Variants", _COLUMNS, context.memory)
        self.scatter = VariantScatter()
        self._endpoint: Endpoint | None = None
        self._arrange()
        self.start.clicked.connect(self._begin)
        self.under_way.moved.connect(self._enable)

    def _arrange(self) -> None:
        asked = QWidget()
        flow = FlowLayout(asked)
        for widget in (*self.names.values(), self.threads, self.start):
            flow.addWidget(widget)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(framed(self.scatter))
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for part in (asked, self.under_way, self.says):
            column.addWidget(part)
        column.addWidget(split, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Know which version is meant."""
        before, self._endpoint = self._endpoint, endpoint
        if before is not None and (endpoint is None or endpoint.model != before.model):
            self.table.show_records({})
            self.scatter.show_spots([], "")
            self._ask()
        elif before is None:
            self._ask()
        self._enable()

    def _ask(self) -> None:
        able = "" if self._endpoint is None else f" Processor: {processor_words.told(self._endpoint.processor)}."
        self._say(f"{_ASK}{able}", "text")

    def _enable(self) -> None:
        is_model = self._endpoint is not None and self._endpoint.runtime != "image"
        self.start.setEnabled(is_model and not self.under_way.is_busy)

    def _begin(self) -> None:
        endpoint = self._endpoint
        if endpoint is None or self.under_way.is_busy:
            return
        model = f"{endpoint.model.name}/{endpoint.model.version}"
        variants = ",".join(name for name, box in self.names.items() if box.isChecked())
        threads = self.threads.text().strip()
        self._say(f"Variants of {model} are measured …", "text")
        self.under_way.begin(
            "comparison",
            lambda desk, ticket: desk.endpoints.compare(model, variants=variants, threads=threads, ticket=ticket),
            self._got,
            self._failed,
        )

    def _got(self, found: "VariantComparison") -> None:
        known = self._endpoint.model if self._endpoint is not None else None
        if known is None or (known.name, known.version) != (found.model, found.version):
            return
        able = f" Processor: {', '.join(map(plain, found.processor))}." if found.processor else ""
        note = "" if found.note is None else f" {plain(found.note)}"
        self._say(f"{numbers.INFO} {plain(found.advice)}{note}{able}", "info")
        self.table.show_records({f"{one.variant}#{one.threads}": one for one in found.variants})
        self.scatter.show_spots(*spots(found))

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip(), "warning")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)


def spots(found: "VariantComparison") -> tuple[list[VariantSpot], str]:
    """Return the variants whose latency and quality are known as points, and what the quality is."""
    has_labels = any(one.accuracy is not None for one in found.variants)
    order = {name: slot for slot, name in enumerate(dict.fromkeys(one.variant for one in found.variants))}
    drawn = []
    for one in found.variants:
        share = one.accuracy if has_labels else one.agreement
        if one.p50_seconds is None or share is None:
            continue
        name = f"{plain(one.variant, 20)} × {one.threads}"
        is_advised = found.advice.startswith(f"Take {one.variant} on {one.threads} thread")
        drawn.append(VariantSpot(name, one.p50_seconds, share, order[one.variant], is_advised))
    return drawn, "Rows answered right" if has_labels else "Rows answered as float32 does"


def _number(value: float | None, told: Callable[[float], str]) -> Cell:
    return Cell(numbers.NOTHING if value is None else told(value), -1.0 if value is None else value)


def _share(value: float) -> str:
    return f"{100 * value:.1f}{numbers.THIN}%"


def _name(one: Variant) -> Cell:
    if one.error is None:
        return Cell(plain(one.variant, 40))
    return Cell(f"{numbers.WARNING} {plain(one.variant, 40)}: {plain(one.error, 200)}", token="warning")  # noqa: S106 - a colour


_COLUMNS: tuple[Column[Variant], ...] = (
    Column("variant", "Variant", _name),
    Column("threads", "Threads", lambda one: Cell(str(one.threads), one.threads), right=True),
    Column("p50", "p50", lambda one: _number(one.p50_seconds, numbers.seconds), right=True),
    Column("p95", "p95", lambda one: _number(one.p95_seconds, numbers.seconds), right=True, hidden=True),
    Column("rows", "Rows/s", lambda one: _number(one.rows_per_second, lambda value: f"{value:,.0f}"), right=True),
    Column("memory", "Memory", lambda one: _number(one.memory_bytes, numbers.size), right=True),
    Column("file", "File", lambda one: _number(one.size_bytes, numbers.size), right=True),
    Column("same", "Same", lambda one: _number(one.agreement, _share), right=True),
    Column("accuracy", "Right", lambda one: _number(one.accuracy, _share), right=True, stretch=True),
)  # fmt: skip
