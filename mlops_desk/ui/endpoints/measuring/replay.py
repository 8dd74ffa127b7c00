"""Logged requests against a revision that gets none: which, how many, and how its answers and latencies differ."""

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base import agent_clock
from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.serving.asking import ReplayDifference
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.undertaking import UndertakingBar
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import framed
from mlops_desk.ui.widgets.choice import ChoiceBox
from mlops_desk.ui.widgets.flow import FlowLayout
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.records.serving.asking import LatencyFigures, Replayed

_SINCE = (("Of the last hour", 3600.0), ("Of the last 24 hours", 86_400.0), ("Of the last 7 days", 7 * 86_400.0))
_COUNTS = (50, 200, 1000, 5000)
"""Chosen: a first look, a difference in one of a hundred, of five hundred; the last is as many as the agent sends."""
_RATE = 20.0  # chosen: a second; beside the traffic it takes a model little, and 200 are sent in ten seconds
_ASK = "Logged requests are sent to a revision that is kept and gets none: nobody sees its answers."


class ReplayPanel(QWidget):
    """What was found stays until another replay, or another endpoint."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.revision = ChoiceBox("Revision that is asked")
        self.since = ChoiceBox("Requests of which time")
        for title, seconds in _SINCE:
            self.since.addItem(title, seconds)
        self.since.setCurrentIndex(1)
        self.count = ChoiceBox("How many requests")
        for count in _COUNTS:
            self.count.addItem(f"the newest {count:,}", count)
        self.count.setCurrentIndex(1)
        self.start = Button("Replay", main=True, tip="Send them one after the other, twenty a second", asks=True)
        self.under_way = UndertakingBar(context, "How far the replay is")
        self.says = Label(_ASK, wrap=True)
        self.table: RecordTable[ReplayDifference] = RecordTable("Largest differences", _COLUMNS, context.memory)
        self._endpoint: Endpoint | None = None
        self._offered: tuple[object, ...] = ()
        asked = QWidget()
        flow = FlowLayout(asked)
        for widget in (self.revision, self.since, self.count, self.start):
            flow.addWidget(widget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        for part in (asked, self.under_way, self.says):
            column.addWidget(part)
        column.addWidget(framed(self.table), 1)
        self.start.clicked.connect(self._begin)
        self.under_way.moved.connect(self._enable)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Offer the revisions that can be asked; the newest that does not answer all requests first."""
        before, self._endpoint = self._endpoint, endpoint
        if before is not None and (endpoint is None or endpoint.name != before.name):
            self.table.show_records({})
            self._say(_ASK, "text")
        kept = [one for one in reversed(endpoint.revisions) if one.is_kept] if endpoint is not None else []
        kept.sort(key=lambda one: endpoint is not None and one.revision == endpoint.revision)
        now = (endpoint.name if endpoint is not None else None, *((one.revision, one.state) for one in kept))
        if now != self._offered:
            self._offered = now
            chosen = self.revision.currentData()
            self.revision.clear()
            for one in kept:
                state = words.REVISION_MARKS[one.state].text
                self.revision.addItem(
                    f"revision {one.revision}, version {plain(one.model.version, 20)} ({state})", one.revision
                )
            self.revision.setCurrentIndex(max(0, self.revision.findData(chosen)))
        self._enable()

    def _enable(self) -> None:
        self.start.setEnabled(self.revision.count() > 0 and not self.under_way.is_busy)

    def _begin(self) -> None:
        endpoint, revision = self._endpoint, self.revision.currentData()
        if endpoint is None or revision is None or self.under_way.is_busy:
            return
        name, limit = endpoint.name, self.count.currentData()
        since = agent_clock.now() - self.since.currentData()
        self._say(f"Revision {revision} of {name} is asked …", "text")
        self.under_way.begin(
            "replay",
            lambda desk, ticket: desk.endpoints.replay(
                name, revision=revision, since=since, limit=limit, rate=_RATE, ticket=ticket
            ),
            self._got,
            self._failed,
        )

    def _got(self, done: "Replayed") -> None:
        if self._endpoint is None or self._endpoint.name != done.endpoint:
            return
        is_same = not done.different and not done.errors
        mark = numbers.OK if is_same else numbers.WARNING
        self._say(f"{mark} {told(done)}", "ok" if is_same else "warning")
        self.table.show_records({f"{one.request_id}#{one.row}#{one.output}": one for one in done.worst})

    def _failed(self, error: DeskError) -> None:
        self._say(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip(), "warning")

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)


def told(done: "Replayed") -> str:
    """Say how alike the answers are, and how long they took."""
    parts = [f"{done.same:,} same", f"{done.close:,} close", f"{done.different:,} different"]
    errors = ", ".join(f"{count:,} × {plain(word, 20)}" for word, count in sorted(done.errors.items()))
    skipped = f" {done.skipped:,} were skipped: the log has not all of them." if done.skipped else ""
    latency = ""
    if done.latency is not None and done.logged_latency is not None:
        latency = f" Latency: {_latency(done.latency)}; logged were {_latency(done.logged_latency)}."
    return (
        f"{numbers.count(done.requests, 'request')} to revision {done.revision}: {', '.join(parts)}"
        f"{', errors ' + errors if errors else ''}.{skipped}{latency}"
    )


def _latency(one: "LatencyFigures") -> str:
    return f"p50 {numbers.seconds(one.p50)}, p99 {numbers.seconds(one.p99)}"


def _gap(one: ReplayDifference) -> Cell:
    return Cell(
        numbers.NOTHING if one.gap is None else f"{100 * one.gap:.3g}{numbers.THIN}%",
        -1.0 if one.gap is None else one.gap,
    )


_COLUMNS: tuple[Column[ReplayDifference], ...] = (
    Column("gap", "Apart", _gap, right=True),
    Column("output", "Output", lambda one: Cell(plain(one.output, 60) or "answer")),
    Column("logged", "Logged", lambda one: Cell(plain(one.logged, 120)), right=True),
    Column("replayed", "Now", lambda one: Cell(plain(one.replayed, 120)), right=True),
    Column("row", "Row", lambda one: Cell(str(one.row), one.row), right=True),
    Column("request", "Request", lambda one: Cell(plain(one.request_id, 80)), fixed=True, stretch=True),
)  # fmt: skip
