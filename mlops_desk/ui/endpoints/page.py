"""Endpoints: what answers requests, how many and how fast, and what its container says."""

from collections.abc import Mapping
from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.model import Model
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState, PastTraffic
from mlops_desk.ui.actions import Action
from mlops_desk.ui.charts.chart import Chart
from mlops_desk.ui.charts.stack import ChartStack
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.endpoints.deploy_form import open_deploy
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.live.topic import Topic
from mlops_desk.ui.look import theme
from mlops_desk.ui.parts.output import OutputPane, OutputSource
from mlops_desk.ui.parts.page import Page
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card, framed
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.widgets.confirmation import ask
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.field import filter_field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty
from mlops_desk.ui.widgets.traces import Line
from mlops_desk.ui.words import numbers

SECONDS = 300.0  # chosen: what a person who looks at a deployment waits through
LOG_TAIL = 500  # chosen: a traceback and what led to it
_RUNNING = set(EndpointState) - {EndpointState.FAILED, EndpointState.STOPPED}


class EndpointsPage(Page):
    """Table above; below it facts, curves and output of the chosen endpoint."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {Topic.ENDPOINTS, Topic.CONNECTION, Topic.STATUS, Topic.MODELS, Topic.REGISTRY}
    )
    loads: ClassVar[tuple[Topic, ...]] = (Topic.ENDPOINTS, Topic.MODELS)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table = RecordTable("Endpoints", words.COLUMNS, context.memory)
        self.table.chosen.connect(self._chose)
        self._filter = filter_field("Filter endpoints")
        self._filter.textChanged.connect(self.table.narrow)
        self._url = CommandLine("Address of the endpoint")
        self._facts = FactGrid()
        self._rate = Chart("Requests", words.per_second)
        self._latency = Chart("Latency", numbers.seconds, step=1e-3)
        self._output = OutputPane(context, "Output of the endpoint")
        self.log = self._output.log
        self._redeploy = Button("New revision …")
        self._redeploy.clicked.connect(self._deploy_again)
        self._stop = Button("Stop …", harmful=True)
        self._stop.clicked.connect(self._ask_to_stop)
        self._remove = Button("Remove …", harmful=True)
        self._remove.clicked.connect(self._ask_to_remove)
        self._shown: tuple[str, int, EndpointState] | None = None
        self._load_of: str | None = None
        self._asked_load: set[str] = set()
        self._arrange()

    def _arrange(self) -> None:
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, 0, 0)
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
        right = QSplitter(Qt.Orientation.Vertical)
        right.setHandleWidth(theme.SPACE_8)
        right.addWidget(ChartStack([self._rate, self._latency]))
        right.addWidget(self._output)
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
        whole.addWidget(self._stale_line)
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
        store = self.context.store
        if topics >= {Topic.MODELS, Topic.REGISTRY} and store.models.value and not store.models.loading:
            self.context.load(Topic.MODELS)  # an alias has moved: where to is part of what is shown
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
            self._output.say("")
            self._shown = None
            return
        self._url.show_command(endpoint.url)
        self._facts.show_facts(words.facts_of(endpoint, self._models()))
        self._want_past(endpoint.name)
        if not self.context.store.paused or endpoint.name != self._load_of:
            self._show_load(endpoint.name)
        now = (endpoint.name, endpoint.revision, endpoint.state)
        if now != self._shown:
            self._shown = now
            self._read_log()

    def _models(self) -> Mapping[str, Model]:
        """Return the models of the desk's own registry: what an endpoint serves comes from there."""
        store = self.context.store
        return (store.models.value or {}) if store.models_uri is None else {}

    def _want_past(self, name: str) -> None:
        """Ask once what the load was before this window heard of it."""
        if name in self._asked_load:
            return
        self._asked_load.add(name)

        def heard(past: list[PastTraffic]) -> None:
            self.context.store.take_load(name, past)
            endpoint = self._chosen()
            if endpoint is not None and endpoint.name == name:
                self._show_load(name)

        def failed(_error: DeskError) -> None:
            """Go on with what is heard from now on: that is how it is without a past."""

        self.context.ask("past load", lambda desk: desk.endpoints.load(name, SECONDS), heard, failed)

    def connected(self) -> None:
        self._asked_load.clear()
        super().connected()

    def _show_load(self, name: str) -> None:
        self._load_of = name
        points = list(self.context.store.load.get(name, ()))
        rates = [Line("requests", words.points_of(points, "requests_per_second"), 0)]
        if any(point.errors_per_second for point in points):
            rates.append(Line("errors", words.points_of(points, "errors_per_second"), 1))
        self._rate.show_lines(rates, SECONDS)
        self._latency.show_lines(
            [
                Line("p50", words.points_of(points, "latency_p50_seconds"), 0),
                Line("p95", words.points_of(points, "latency_p95_seconds"), 1),
            ],
            SECONDS,
        )

    # Output.

    def _read_log(self) -> None:
        endpoint = self._chosen()
        if endpoint is not None:
            name = endpoint.name
            self._output.read(
                OutputSource(name, lambda desk, _: desk.endpoints.logs(name, tail=LOG_TAIL), at_end="The newest lines")
            )

    def left(self) -> None:
        self._output.stop()
        self._shown = None

    # Acts.

    def main_table(self) -> RecordTable[Endpoint]:
        return self.table

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
        open_deploy(self.context)

    def _deploy_again(self) -> None:
        endpoint = self._chosen()
        if endpoint is not None:
            model = f"{endpoint.model.name}@{endpoint.model.alias}" if endpoint.model.alias else endpoint.model.name
            open_deploy(self.context, model, endpoint.name)

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
