"""Endpoints: what answers requests, how many and how fast, and what its container says."""

from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.endpoint import Endpoint, EndpointState
from mlops_desk.ui import theme, words
from mlops_desk.ui.actions import Action
from mlops_desk.ui.context import Context
from mlops_desk.ui.dialogs.confirm import ask
from mlops_desk.ui.dialogs.deploy import DeployDialog
from mlops_desk.ui.page import Page
from mlops_desk.ui.store import LoadPoint, Topic
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.chart import Chart, ChartStack, Line
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.widgets.curves import Point
from mlops_desk.ui.widgets.facts import Fact, Facts, moment_fact
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.logview import LogView
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty

if TYPE_CHECKING:
    from mlops_desk.ui.tasks import Task

SECONDS = 300.0
LOG_TAIL = 500
CHOOSE_MILLISECONDS = 150
_RUNNING = {EndpointState.BUILDING, EndpointState.STARTING, EndpointState.LIVE, EndpointState.UNHEALTHY}


class EndpointsPage(Page):
    """Table above; below it facts, curves and output of the chosen endpoint."""

    topics: ClassVar[frozenset[Topic]] = frozenset({Topic.ENDPOINTS, Topic.CONNECTION, Topic.STATUS})
    loads: ClassVar[tuple[Topic, ...]] = (Topic.ENDPOINTS,)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table = RecordTable("Endpoints", _COLUMNS, context.memory)
        self.table.chosen.connect(self._chose)
        self._filter = filter_field("Filter endpoints")
        self._filter.textChanged.connect(self.table.narrow)
        self._url = CommandLine("Address of the endpoint")
        self._facts = Facts()
        tasks = context.tasks()
        self._rate = Chart(tasks, "Requests", _per_second)
        self._latency = Chart(tasks, "Latency", words.seconds, step=1e-3)
        self.log = LogView("Output of the endpoint")
        self._redeploy = Button("New revision …")
        self._redeploy.clicked.connect(self._deploy_again)
        self._stop = Button("Stop …", harmful=True)
        self._stop.clicked.connect(self._ask_to_stop)
        self._remove = Button("Remove …", harmful=True)
        self._remove.clicked.connect(self._ask_to_remove)
        self._reading: Task | None = None
        self._shown: tuple[str, int, EndpointState] | None = None
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(CHOOSE_MILLISECONDS)
        self._soon.timeout.connect(self._read_log)
        self._arrange()

    def _arrange(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, theme.SPACE_8, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self._facts)
        column.addStretch()
        facts = Card("Endpoint")
        facts.column.addWidget(self._url)
        facts.column.addWidget(scrolled(inner, "Details of the endpoint"), 1)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        for button in (self._redeploy, self._stop, self._remove):
            row.addWidget(button)
        row.addStretch()
        facts.column.addLayout(row)
        output = Card("Output")
        output.column.addWidget(self.log, 1)
        right = QSplitter(Qt.Orientation.Vertical)
        right.setHandleWidth(theme.SPACE_8)
        right.addWidget(ChartStack([self._rate, self._latency]))
        right.addWidget(output)
        right.setSizes([theme.DIALOG_TALL, theme.DIALOG_TALL // 2])
        below = QSplitter(Qt.Orientation.Horizontal)
        below.setHandleWidth(theme.SPACE_8)
        below.addWidget(facts)
        below.addWidget(right)
        below.setSizes([theme.DETAIL_WIDTH + theme.SPACE_24, theme.READING_WIDTH])
        below.setStretchFactor(1, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.addWidget(framed(self.table))
        split.addWidget(below)
        split.setSizes([theme.DIALOG_TALL // 3, theme.DIALOG_TALL])
        top = QHBoxLayout()
        top.addWidget(self._filter, 1)
        top.addStretch(1)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addLayout(top)
        whole.addWidget(split, 1)

    # What is shown.

    def refresh(self, topics: frozenset[Topic]) -> None:
        part = self.context.store.endpoints
        if topics == {Topic.STATUS}:
            endpoint = self._chosen()
            if endpoint is not None and not self.context.store.paused:
                self._show_load(endpoint.name)
            return
        if not self.show_part(part, "Endpoints", self._empty):
            return
        self.table.show_records(part.value or {})
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _empty(self) -> Empty:
        text = (
            "Models that answer requests will be here, each behind the gateway with its load, its output and its drift."
        )
        command = "mlops-desk endpoints deploy MODEL@champion --name NAME"
        return Empty("No endpoints yet", text, "Deploy a model …", self.deploy, command)

    def _chosen(self) -> Endpoint | None:
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _chose(self, _key: str | None) -> None:
        self._show_chosen()

    def _show_chosen(self) -> None:
        endpoint = self._chosen()
        for button in (self._redeploy, self._remove):
            button.setVisible(endpoint is not None)
        self._stop.setVisible(endpoint is not None and endpoint.state in _RUNNING)
        if endpoint is None:
            self._facts.show_facts([])
            self._url.show_command(None)
            self.log.clear("")
            self._shown = None
            return
        self._url.show_command(endpoint.url)
        self._facts.show_facts(facts_of(endpoint))
        if not self.context.store.paused:
            self._show_load(endpoint.name)
        now = (endpoint.name, endpoint.revision, endpoint.state)
        if now != self._shown:
            self._shown = now
            self._stop_reading()
            self._soon.start()

    def _show_load(self, name: str) -> None:
        points = list(self.context.store.load.get(name, ()))
        rates = [Line("requests", _points(points, "requests_per_second"), 0)]
        if any(point.errors_per_second for point in points):
            rates.append(Line("errors", _points(points, "errors_per_second"), 1))
        self._rate.show_lines(rates, SECONDS)
        self._latency.show_lines(
            [
                Line("p50", _points(points, "latency_p50_seconds"), 0),
                Line("p95", _points(points, "latency_p95_seconds"), 1),
            ],
            SECONDS,
        )

    # Output.

    def _read_log(self) -> None:
        endpoint = self._chosen()
        if endpoint is None:
            return
        self._stop_reading()
        self.log.clear("Loading the output …")
        name = endpoint.name
        self._reading = self.context.read(
            f"output of {name}",
            lambda desk: desk.endpoints.logs(name, tail=LOG_TAIL),
            self._got,
            self._ended,
            self._failed,
        )

    def _got(self, lines: list[str]) -> None:
        self.log.say("")
        self.log.append(lines)

    def _ended(self, _nothing: None) -> None:
        self.log.say("The newest lines" if self.log.line_count() else "It has written nothing.")

    def _failed(self, error: DeskError) -> None:
        self.log.say(f"{error.message} {error.hint or ''}".strip())

    def _stop_reading(self) -> None:
        self._soon.stop()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def left(self) -> None:
        self._stop_reading()
        self._shown = None

    # Acts.

    def reveal(self, thing: str) -> None:
        self.table.select(thing)

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        return [
            Action("endpoints.deploy", "Deploy a model …", self.deploy, places=places),
            Action("endpoints.log", "Load the output anew", self._read_log, when=self._has_chosen),
            Action("endpoints.stop", "Stop the chosen endpoint …", self._ask_to_stop, when=self._has_chosen),
            Action("endpoints.remove", "Remove the chosen endpoint …", self._ask_to_remove, when=self._has_chosen),
        ]

    def _has_chosen(self) -> bool:
        return self._chosen() is not None

    def deploy(self) -> None:
        """Open the form for a new endpoint."""
        DeployDialog(self, self.context).open()

    def _deploy_again(self) -> None:
        endpoint = self._chosen()
        if endpoint is not None:
            model = f"{endpoint.model.name}@{endpoint.model.alias}" if endpoint.model.alias else endpoint.model.name
            DeployDialog(self, self.context, model, endpoint.name).open()

    def _ask_to_stop(self) -> None:
        endpoint = self._chosen()
        if endpoint is None or endpoint.state not in _RUNNING:
            return
        text = (
            "Its containers end and requests are refused from now on. "
            "Its request log stays; a new revision brings it back."
        )
        name = endpoint.name
        ask(self, f"Stop endpoint {name}?", text, "Stop endpoint", lambda: self._do_stop(name))

    def _do_stop(self, name: str) -> None:
        self.context.ask("stop endpoint", lambda desk: desk.endpoints.stop(name), _nothing)

    def _ask_to_remove(self) -> None:
        endpoint = self._chosen()
        if endpoint is None:
            return
        text = "Its containers end and its name and revisions are forgotten. Its request log stays on disk."
        name = endpoint.name
        ask(self, f"Remove endpoint {name}?", text, "Remove endpoint", lambda: self._do_remove(name))

    def _do_remove(self, name: str) -> None:
        self.context.ask("remove endpoint", lambda desk: desk.endpoints.remove(name), _nothing)


def _nothing(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""


def _points(load: list[LoadPoint], name: str) -> list[Point]:
    return [(point.at, getattr(point, name)) for point in load]


def _per_second(value: float | None) -> str:
    return words.NOTHING if value is None else f"{words.number(value)}{words.THIN}/s"


def facts_of(endpoint: Endpoint) -> list[Fact]:
    """Return what is known of an endpoint, the most important first."""
    mark = words.ENDPOINT_MARKS[endpoint.state]
    model = endpoint.model
    facts = [Fact("State", mark.text, mark.token)]
    if endpoint.reason is not None:
        facts.append(Fact("Why", endpoint.reason.text))
        if endpoint.reason.evidence:
            facts.append(Fact("Evidence", endpoint.reason.evidence, fixed=True))
        if endpoint.reason.hint:
            facts.append(Fact("What next", endpoint.reason.hint, "accent"))
    load = endpoint.load
    traffic = ", ".join(f"revision {revision}: {words.percent(share)}" for revision, share in endpoint.traffic.items())
    return [
        *facts,
        Fact("Model", f"{model.name} version {model.version}" + (f" (@{model.alias})" if model.alias else "")),
        Fact("Revision", str(endpoint.revision)),
        Fact("Traffic", traffic or "none"),
        *([Fact("Requests", f"{load.requests_total:,}, {words.count(load.errors_total, 'error')}")] if load else []),
        Fact("Containers", "\n".join(f"{r.container} ({r.state})" for r in endpoint.replicas) or "none", fixed=True),
        *([Fact("Image", endpoint.image, fixed=True)] if endpoint.image else []),
        *([Fact("Request log", endpoint.request_log, fixed=True)] if endpoint.request_log else []),
        moment_fact("Created", endpoint.created_at),
        moment_fact("Changed", endpoint.updated_at),
    ]


def _state_cell(endpoint: Endpoint) -> Cell:
    mark = words.ENDPOINT_MARKS[endpoint.state]
    return Cell(mark.text, mark.word, mark.token, endpoint.reason.text if endpoint.reason else "")


def _load_cell(endpoint: Endpoint) -> Cell:
    rate = endpoint.load.requests_per_second if endpoint.load else None
    return Cell(_per_second(rate), -1.0 if rate is None else rate)


def _latency_cell(endpoint: Endpoint) -> Cell:
    p95 = endpoint.load.latency_p95_seconds if endpoint.load else None
    return Cell(words.seconds(p95), -1.0 if p95 is None else p95)


_COLUMNS: tuple[Column[Endpoint], ...] = (
    Column("name", "Endpoint", lambda endpoint: Cell(plain(endpoint.name))),
    Column("state", "State", _state_cell),
    Column("model", "Model", lambda e: Cell(f"{plain(e.model.name)} / {plain(e.model.version)}")),
    Column("revision", "Revision", lambda e: Cell(str(e.revision), e.revision), right=True),
    Column("load", "Requests", _load_cell, right=True),
    Column("latency", "p95", _latency_cell, right=True),
    Column("url", "Address", lambda endpoint: Cell(endpoint.url or words.NOTHING), stretch=True, fixed=True),
)
