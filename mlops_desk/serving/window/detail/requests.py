"""The request log of the chosen endpoint, newest first: by time, code, revision and latency; one in full."""

import json
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QWidget

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.curves.spans import Span
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.textbox import TextBox
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.records.request import LoggedRequest
from mlops_desk.serving.window.detail.view import EndpointView

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from mlops_desk.kit.window.live.tasks import Task

PAGES = (200, 1000, 5000, 10_000)
"""Chosen: a screen or ten at once; the last is as many as the agent lists."""
_WAIT_MILLISECONDS = 300  # chosen: while one types a time, only where it rests is asked for
_CELL = 120  # characters of what was asked and answered in a row
_WHOLE = 200_000  # characters of one request that are shown: a megabyte of numbers is not read
_SINCE = (("Last hour", 3600.0), ("Last 24 hours", 86_400.0), ("Last 7 days", 7 * 86_400.0), ("All", None))
_OF_CHARTS = len(_SINCE)  # the place of the entry behind those: what the charts show
_STATUS = (("All codes", None), ("2xx", "2xx"), ("4xx", "4xx"), ("5xx", "5xx"), ("504, timeout", "504"))


class RequestsView(EndpointView):
    """Asked for when it is seen, when something else is wanted, and by F5; nothing announces requests."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.since = ChoiceBox("Since when")
        self.since.addItems([*(title for title, _ in _SINCE), "As the charts show"])
        self.since.setCurrentIndex(1)
        self.status = ChoiceBox("Status")
        self.status.addItems([title for title, _ in _STATUS])
        self.revision = ChoiceBox("Revision")
        self.slower = Field("Slower than", "Slower than: 100ms, 2s")
        self.slower.setFixedWidth(theme.TILE_MINIMUM_WIDTH)
        self.more = Button("More")
        self.again = Button("Look again", tip="Read the log anew (F5)")
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.table: RecordTable[LoggedRequest] = RecordTable("Logged requests", _COLUMNS, context.memory)
        self.whole = TextBox("The chosen request in full")
        self.whole.setReadOnly(True)
        self._name: str | None = None
        self._marked: Span | None = None
        self._page = 0
        self._task: Task | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_WAIT_MILLISECONDS)
        self._soon.timeout.connect(self.look)
        self._wire()
        self._arrange()

    def _wire(self) -> None:
        for box in (self.since, self.status, self.revision):
            box.currentIndexChanged.connect(lambda _index: self._begin())
        self.context.axis.changed.connect(self._moved)
        self.slower.textChanged.connect(lambda _text: self._soon.start())
        self.again.clicked.connect(self._begin)
        self.more.clicked.connect(self._show_more)
        self.table.chosen.connect(lambda _key: self._open())

    def _arrange(self) -> None:
        bar = QWidget()
        flow = FlowLayout(bar)
        for widget in (self.since, self.status, self.revision, self.slower, self.again, self.more):
            flow.addWidget(widget)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(self.whole)
        split.setStretchFactor(0, 3)
        split.setStretchFactor(1, 2)
        row = QHBoxLayout()
        row.addWidget(bar, 1)
        self.column.addLayout(row)
        self.column.addWidget(self.says)
        self.column.addWidget(split, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        name = endpoint.name if endpoint is not None else None
        self._offer(endpoint, is_other=name != self._name)
        if name != self._name:
            self._name = name
            self.table.show_records({})
            self._begin()

    def _offer(self, endpoint: Endpoint | None, *, is_other: bool) -> None:
        """Offer the revisions of the endpoint, the newest first; the one that is looked at stays, though it be gone."""
        chosen = None if is_other else self.revision.currentData()
        known = set() if endpoint is None else {endpoint.revision, *(one.revision for one in endpoint.revisions)}
        wanted = [None, *sorted(known | ({chosen} if chosen is not None else set()), reverse=True)]
        if [self.revision.itemData(place) for place in range(self.revision.count())] == wanted:
            return
        blocked = self.revision.blockSignals(True)
        self.revision.clear()
        for number in wanted:
            self.revision.addItem("Every revision" if number is None else f"Revision {number}", number)
        self.revision.setCurrentIndex(wanted.index(chosen))
        self.revision.blockSignals(blocked)

    def left(self) -> None:
        self._soon.stop()
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def show_span(self, start: float, end: float) -> None:
        """Show the requests between two times, until the charts show another span, or another time is chosen."""
        self._marked = Span(start, end)
        if self.since.currentIndex() == _OF_CHARTS:
            self._begin()
        else:
            self.since.setCurrentIndex(_OF_CHARTS)

    def _moved(self) -> None:
        """Follow the charts; the span that was marked in them is what they show with some room."""
        shown = self.context.axis.span()
        if self._marked is not None and not (shown.start <= self._marked.start and self._marked.end <= shown.end):
            self._marked = None
        if self.since.currentIndex() == _OF_CHARTS and self.isVisible():
            self._soon.start()

    def _wanted(self) -> tuple[float | None, float | None]:
        """Return from when on and until when requests are asked for."""
        place = self.since.currentIndex()
        if place != _OF_CHARTS:
            back = _SINCE[place][1]
            return None if back is None else agent_clock.now() - back, None
        axis = self.context.axis
        span = self._marked or axis.span()
        return span.start, None if self._marked is None and axis.live else span.end

    def _begin(self) -> None:
        self._page = 0
        self.look()

    def _show_more(self) -> None:
        self._page = min(self._page + 1, len(PAGES) - 1)
        self.look()

    def look(self) -> None:
        """Ask the log."""
        self.left()
        name, limit = self._name, PAGES[self._page]
        if name is None:
            return
        since, until = self._wanted()
        status = _STATUS[self.status.currentIndex()][1]
        slower, revision = self.slower.text().strip() or None, self.revision.currentData()
        self.says.tint("muted")
        self.says.show_text("Reading the log …")
        self._task = self.context.ask(
            "logged requests",
            lambda desk: desk.endpoints.requests(
                name, since=since, until=until, status=status, slower=slower, limit=limit, revision=revision
            ),
            self._got,
            self._failed,
        )

    def _got(self, found: "Sequence[LoggedRequest]") -> None:
        self._task = None
        self.table.show_records({f"{one.request_id}#{one.row}#{one.revision}": one for one in found})
        limit = PAGES[self._page]
        is_full = len(found) >= limit
        self.more.setEnabled(is_full and self._page < len(PAGES) - 1)
        cut = ", and there are older ones" if is_full else ""
        since, until = self._wanted()
        between = f" {numbers.day_and_clock(since)} – {numbers.day_and_clock(until)}:" if since and until else ""
        told = f"The newest {numbers.count(len(found), 'row')}{cut}." if found else "No request of this kind is logged."
        self.says.show_text(f"{between} {told}".strip())
        if self.table.key() is None:
            self.table.select_first()
        self._open()

    def _failed(self, error: DeskError) -> None:
        """Say why; what was read before stays."""
        self._task = None
        self.says.tint("warning")
        self.says.show_text(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip())

    def _open(self) -> None:
        key = self.table.key()
        one = self.table.records.record(key) if key else None
        text = "" if one is None else in_full(one)
        if text != self.whole.toPlainText():
            self.whole.setPlainText(text)


def in_full(one: LoggedRequest) -> str:
    """Return all that is known of a request, as plain text."""
    kind = " (shadow)" if one.is_shadow else " (sent by hand, no traffic)" if one.is_try else ""
    lines = [
        f"request    {plain(one.request_id, 80)}" + (f", row {one.row}" if one.row else ""),
        f"received   {numbers.absolute(one.received_at)}",
        f"revision   {one.revision}{kind}",
        f"status     {one.status}",
        f"took       {numbers.seconds(one.latency_seconds)}",
    ]
    for title, values in (("asked", one.inputs), ("answered", one.outputs), ("turned out", one.feedback)):
        if values:
            lines += ["", title, *_values(values)]
    if one.answer is not None:
        lines += ["", "answered", plain(one.answer, _WHOLE)]
    return "\n".join(lines)[:_WHOLE]


def _values(values: "Mapping[str, Any]") -> list[str]:
    return [f"  {plain(name or 'answer', 200)}: {plain(_written(value), _WHOLE)}" for name, value in values.items()]


def _written(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _brief(values: "Mapping[str, Any]") -> str:
    told = ", ".join(f"{name}={_written(value)}" if name else _written(value) for name, value in values.items())
    return plain(told, _CELL)


def _tone(status: int) -> str | None:
    return "alert" if status >= 500 else "warning" if status >= 400 else None


def _received(one: LoggedRequest) -> Cell:
    at = one.received_at
    return Cell(numbers.day_and_clock(at), at, tip=numbers.absolute(at))


def _revision(one: LoggedRequest) -> Cell:
    return Cell(f"{one.revision}{' shadow' if one.is_shadow else ''}", one.revision)


_COLUMNS: tuple[Column[LoggedRequest], ...] = (
    Column("received", "Received", _received),
    Column("status", "Status", lambda one: Cell(str(one.status), one.status, _tone(one.status)), right=True),
    Column("took", "Took", lambda one: Cell(numbers.seconds(one.latency_seconds), one.latency_seconds), right=True),
    Column("revision", "Revision", _revision),
    Column("answered", "Answered", lambda one: Cell(one.answer or _brief(one.outputs))),
    Column("asked", "Asked", lambda one: Cell(_brief(one.inputs)), stretch=True),
    Column("request", "Request", lambda one: Cell(one.request_id), fixed=True, hidden=True),
)  # fmt: skip
