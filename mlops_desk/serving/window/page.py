"""Endpoints: what answers requests, how many and how fast, from which revision, and what its containers say."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import MonitorStanding, MonitorState
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import framed
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.states import Empty
from mlops_desk.kit.window.words import marks, numbers
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records import rollout_words
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.window import status_text, words
from mlops_desk.serving.window.acts import EndpointActs
from mlops_desk.serving.window.day_history import NOTHING, Day, Days
from mlops_desk.serving.window.detail.pane import EndpointPane

# The table of endpoints: a row is an endpoint beside where the alias that it was deployed by points now.
_GRAVITY = {
    MonitorState.TURNED: 4,
    MonitorState.UNKNOWN: 3,
    MonitorState.FINE: 2,
    MonitorState.WAITING: 1,
    MonitorState.PAUSED: 0,
}


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """``alias`` and ``tone`` say what it serves of the alias that it was deployed by, ``day`` its last 24 hours.

    ``drift`` are the monitors that watch what it is asked.
    """

    endpoint: Endpoint
    alias: str
    tone: str
    day: Day = NOTHING
    drift: tuple[MonitorStanding, ...] = ()


def rows_of(
    endpoints: Mapping[str, Endpoint],
    models: Mapping[str, Model],
    day: Callable[[str], Day],
    monitors: Iterable[MonitorStanding] = (),
) -> dict[str, EndpointRow]:
    """Return the row of each endpoint; ``models`` tell where aliases point now, ``day`` what its last day was like.

    ``monitors`` tell how what it is asked has drifted.
    """
    mine: dict[str, list[MonitorStanding]] = {}
    for one in monitors:
        mine.setdefault(one.monitor.endpoint or "", []).append(one)
    return {
        name: EndpointRow(one, *words.alias_now(one, models), day(name), tuple(mine.get(name, ())))
        for name, one in endpoints.items()
    }


def _state(row: EndpointRow) -> Cell:
    endpoint = row.endpoint
    mark = words.state_mark(endpoint)
    told = words.now_told(endpoint)[0]
    return Cell(mark.text, mark.word, mark.token, told)


def _model(row: EndpointRow) -> Cell:
    return Cell(f"{plain(row.endpoint.model.name)} / {plain(row.endpoint.model.version)}")


def _alias(row: EndpointRow) -> Cell:
    tip = status_text.behind(row.endpoint) or status_text.follows_told(row.endpoint)
    return Cell(row.alias, token=row.tone, tip=tip)


def _traffic(row: EndpointRow) -> Cell:
    endpoint = row.endpoint
    told = " · ".join(f"r{number} {share:.0%}" for number, share in endpoint.traffic.items())
    return Cell(told or numbers.NOTHING, endpoint.revision, tip=_revisions(endpoint))


def _revisions(endpoint: Endpoint) -> str:
    """Say which revision is the live one, and what the one on its way gets."""
    if endpoint.rollout is None:
        return f"Revision {endpoint.revision} is the live one"
    return rollout_words.stands(endpoint, endpoint.rollout)


def _rate(row: EndpointRow) -> Cell:
    rate = row.endpoint.load.requests_per_second if row.endpoint.load else None
    return Cell(words.per_second(rate), -1.0 if rate is None else rate)


def _p99(row: EndpointRow) -> Cell:
    latency = row.endpoint.latency
    tip = f"Of the last minute: p50 {numbers.seconds(latency.p50)}, p95 {numbers.seconds(latency.p95)}"
    return Cell(numbers.seconds(latency.p99), -1.0 if latency.p99 is None else latency.p99, tip=tip)


def _errors(row: EndpointRow) -> Cell:
    errors = row.endpoint.errors
    if errors is None:
        return Cell(numbers.NOTHING, -1, "muted", "Not known yet")
    count = sum(errors.values())
    return Cell(f"{count:,}", count, "warning" if count else None, words.errors_told(errors))


def _access(row: EndpointRow) -> Cell:
    if row.endpoint.token_required:
        return Cell("token", tip="Who asks it needs one of its tokens")
    return Cell(f"{numbers.WARNING} open", token="warning", tip="Every user of this machine may ask it")  # noqa: S106 - a colour


def _drift(row: EndpointRow) -> Cell:
    """Return how the gravest of its monitors stands."""
    if not row.drift:
        return Cell(numbers.NOTHING, -1, tip="No monitor watches what it is asked")
    gravest = max(row.drift, key=lambda one: _GRAVITY[one.state])
    mark = marks.monitor_mark(gravest)
    told = "\n".join(f"{one.monitor.name}: {one.sentence or one.trouble or one.state.value}" for one in row.drift)
    return Cell(mark.text, _GRAVITY[gravest.state], mark.token, told)


COLUMNS: tuple[Column[EndpointRow], ...] = (
    Column("name", "Endpoint", lambda row: Cell(plain(row.endpoint.name), tip=f"Serves {_model(row).text}")),
    Column("state", "State", _state),
    Column("model", "Model", _model, spare=True),  # most often the name says it; split and day are said here alone
    Column("alias", "Alias", _alias),
    Column("traffic", "Traffic", _traffic),
    Column("load", "Requests", _rate, right=True),
    Column("p99", "p99", _p99, right=True),
    Column("errors", "Errors 24 h", _errors, right=True),
    Column("drift", "Drift", _drift),
    Column("access", "Access", _access, spare=True),
    Column("day", "24 h", lambda row: Cell(row.day.text, token="muted", tip=row.day.told), spare=True),  # noqa: S106 - a colour
    Column(
        "url", "Address", lambda row: Cell(row.endpoint.url or numbers.NOTHING),
        stretch=True, fixed=True, hidden=True,
    ),
)  # fmt: skip


_SPLIT = "endpoints/split"


class EndpointsPage(Page):
    """Table above; below it the chosen endpoint in tabs."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {Topic.ENDPOINTS, Topic.CONNECTION, Topic.MODELS, Topic.REGISTRY, Topic.JOBS, Topic.MONITORS}
    )  # of jobs: which has a GPU that is lent
    loads: ClassVar[tuple[Topic, ...]] = (Topic.ENDPOINTS, Topic.MODELS)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.table: RecordTable[EndpointRow] = RecordTable("Endpoints", COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self._filter = filter_field("Filter endpoints")
        self._filter.textChanged.connect(self._narrow)
        self.acts = EndpointActs(self, context, self.chosen)
        self.pane = EndpointPane(context, self.acts)
        self.pane.rollout.promoted.connect(self.acts.promote)
        self.pane.rollout.taken_back.connect(self.acts.take_back)
        self.pane.rollout.shared.connect(self.acts.share)
        self.days = Days(context, self, self._show_rows)
        self._arrange()

    def _arrange(self) -> None:
        split = self._split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(framed(self.table))
        split.addWidget(self.pane)
        split.setStretchFactor(1, 1)
        kept = self.context.memory.value(_SPLIT)
        if not (isinstance(kept, QByteArray) and split.restoreState(kept)):
            split.setSizes([3 * theme.DIALOG_TALL // 10, theme.DIALOG_TALL])
        split.splitterMoved.connect(lambda *_to: self.context.memory.setValue(_SPLIT, split.saveState()))
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

    def refresh(self, topics: frozenset[Topic]) -> None:  # noqa: ARG002 - all of it is shown anew, whatever changed
        store = self.context.store
        if store.models.outdated and store.models.value and not store.models.loading:
            self.context.load(Topic.MODELS)  # an alias has moved: where to is part of what is shown
        if not self.show_part(store.endpoints, "Endpoints", self._empty):
            return
        self.days.want(list(store.endpoints.value or {}))
        self._show_rows()
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _narrow(self, text: str) -> None:
        """Show what fits; where the chosen one does not, the first that does is chosen."""
        self.table.narrow(text)
        if self.table.key() is None:
            self.table.select_first()
            self._show_chosen()

    def _show_rows(self) -> None:
        store = self.context.store
        self.table.show_records(
            rows_of(store.endpoints.value or {}, self._models(), self.days.of, (store.monitors.value or {}).values())
        )

    def _empty(self) -> Empty:
        text = (
            "Models that answer requests will be here, each behind the gateway with its load, its output and its drift."
        )
        command = "mlops-desk endpoints deploy MODEL@champion --name NAME"
        return Empty("No endpoints yet", text, "Deploy a model …", self.acts.deploy, command)

    def chosen(self) -> Endpoint | None:
        """Return the endpoint whose row is chosen."""
        key = self.table.key()
        row = self.table.records.record(key) if key else None
        return row.endpoint if row is not None else None

    def _show_chosen(self) -> None:
        endpoint = self.chosen()
        self.acts.show_endpoint(endpoint)
        self.pane.show_endpoint(endpoint)

    def _models(self) -> Mapping[str, Model]:
        """Return the models of the desk's own registry: what an endpoint serves comes from there."""
        store = self.context.store
        return (store.models.value or {}) if store.models_uri is None else {}

    def reload(self) -> None:
        super().reload()
        self.pane.look()

    def left(self) -> None:
        self.days.left()
        self.pane.left()

    def show_thing(self, thing: str) -> bool:
        """Choose an endpoint; with ``requests:`` before its name, list what it was asked while the charts show."""
        kind, _, name = thing.partition(":")
        if kind != "requests" or not name:
            return super().show_thing(thing)
        found = self.show_in(self.table, name)
        if found:
            self.pane.show_all_requests()
        return found

    # What can be done.

    def main_table(self) -> RecordTable[EndpointRow]:
        return self.table

    def walk(self) -> list[QWidget]:
        """Have what is seen of the chosen endpoint before what changes it."""
        pane = self.pane
        return [self._filter, self.table, pane.tabs, pane.layers, pane.requests_of, pane.rollout, pane.url, pane, self]

    def filter_field(self) -> QLineEdit | None:
        return self._filter

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        acts = self.acts
        return [
            Action("endpoints.deploy", "Deploy a model …", acts.deploy, places=places, asks=True),
            Action("endpoints.log", "Load what is shown of the endpoint anew", self.pane.look, when=self._has_chosen),
            Action(
                "endpoints.span",
                "Requests of the time that the charts show",
                self.pane.show_all_requests,
                when=self._has_chosen,
            ),
            Action(
                "endpoints.revision",
                "New revision of the chosen endpoint …",
                acts.deploy_again,
                when=self._has_chosen,
                asks=True,
            ),
            Action(
                "endpoints.token",
                "New token for the chosen endpoint …",
                acts.make_token,
                when=self._has_tokens,
                asks=True,
            ),
            Action(
                "endpoints.promote", "Promote the revision on its way", acts.promote, when=self._has_rollout, asks=True
            ),
            Action(
                "endpoints.back", "Roll back the chosen endpoint …", acts.roll_back, when=acts.can_roll_back, asks=True
            ),
            Action("endpoints.export", "Export the chosen endpoint …", self._export, when=self._has_chosen, asks=True),
            Action("endpoints.replay", "Replay logged requests …", self._measure, when=self._has_chosen),
            Action(
                "endpoints.sleep", "Let the chosen endpoint sleep", acts.put_to_sleep, when=self._is_awake, asks=True
            ),
            Action("endpoints.wake", "Wake the chosen endpoint", acts.wake, when=self._is_asleep, asks=True),
            Action(
                "endpoints.lend",
                "Lend the GPUs of the chosen endpoint to jobs …",
                acts.ask_to_lend,
                when=self._has_gpus,
                asks=True,
            ),
            Action(
                "endpoints.claim",
                "Ask for the GPUs of the chosen endpoint back",
                acts.claim,
                when=self._has_lent,
                asks=True,
            ),
            Action("endpoints.pause", "Pause the chosen endpoint …", acts.ask_to_pause, when=self._answers, asks=True),
            Action("endpoints.resume", "Resume the chosen endpoint", acts.resume, when=self._is_paused, asks=True),
            Action("endpoints.stop", "Stop the chosen endpoint …", acts.ask_to_stop, when=self._has_chosen, asks=True),
            Action(
                "endpoints.remove", "Remove the chosen endpoint …", acts.ask_to_remove, when=self._has_chosen, asks=True
            ),
        ]

    def _has_chosen(self) -> bool:
        return self.chosen() is not None

    def _export(self) -> None:
        endpoint = self.chosen()
        if endpoint is not None:
            self.acts.export(endpoint.revision)

    def _measure(self) -> None:
        self.pane.tabs.choose("measure")

    def _is_awake(self) -> bool:
        endpoint = self.chosen()
        return endpoint is not None and endpoint.state is EndpointState.LIVE and endpoint.rollout is None

    def _answers(self) -> bool:
        endpoint = self.chosen()
        at_rest = {EndpointState.STOPPED, EndpointState.FAILED}
        return endpoint is not None and endpoint.paused is None and endpoint.state not in at_rest

    def _is_paused(self) -> bool:
        endpoint = self.chosen()
        return endpoint is not None and endpoint.paused is not None

    def _is_asleep(self) -> bool:
        endpoint = self.chosen()
        return endpoint is not None and endpoint.state is EndpointState.ASLEEP and endpoint.lent is None

    def _has_gpus(self) -> bool:
        endpoint = self.chosen()
        return self._is_awake() and endpoint is not None and any(one.gpus for one in endpoint.replicas)

    def _has_lent(self) -> bool:
        endpoint = self.chosen()
        return endpoint is not None and endpoint.lent is not None

    def _has_tokens(self) -> bool:
        endpoint = self.chosen()
        return endpoint is not None and endpoint.token_required

    def _has_rollout(self) -> bool:
        endpoint = self.chosen()
        return endpoint is not None and endpoint.rollout is not None
