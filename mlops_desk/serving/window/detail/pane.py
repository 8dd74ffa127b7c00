"""The chosen endpoint: its address, its rollout, what can be done with it, and tabs, made when first chosen."""

from collections.abc import Callable, Mapping, Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.window.charts.chart import Chart
from mlops_desk.kit.window.charts.stack import ChartStack
from mlops_desk.kit.window.curves.traces import Trace
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.action_panel import ActsBeside
from mlops_desk.kit.window.parts.output import OutputPane, OutputSource
from mlops_desk.kit.window.parts.tab_views import TabViews
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.model import Model
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, RevisionState
from mlops_desk.serving.window import words
from mlops_desk.serving.window.acts import EndpointActs
from mlops_desk.serving.window.detail.log import EndpointLogView
from mlops_desk.serving.window.detail.requests import RequestsView
from mlops_desk.serving.window.detail.revisions import RevisionsView
from mlops_desk.serving.window.detail.test_request import TryView
from mlops_desk.serving.window.detail.view import EndpointView
from mlops_desk.serving.window.experiments import ReplayPanel, VariantsPanel
from mlops_desk.serving.window.rollout_bar import RolloutBar
from mlops_desk.serving.window.setup import GpusCard, ReplicasCard, VersionCard

# What is measured beside the chosen endpoint's traffic: a replay of logged requests, or variants of its version.
_REPLAY, _VARIANTS = "replay", "variants"


class MeasureView(EndpointView):
    """What is under way goes on when another tab, or another endpoint, is looked at."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.ways = Tabs("What is measured", ((_REPLAY, "Replay"), (_VARIANTS, "Variants")))
        self.replay, self.variants = ReplayPanel(context), VariantsPanel(context)
        self._layers = QStackedWidget()
        self._layers.addWidget(self.replay)
        self._layers.addWidget(self.variants)
        self.column.addWidget(self.ways, 0, Qt.AlignmentFlag.AlignLeft)
        self.column.addWidget(self._layers, 1)
        self.ways.chosen.connect(lambda way: self._layers.setCurrentIndex(0 if way == _REPLAY else 1))
        self.ways.choose(_REPLAY)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self.replay.show_endpoint(endpoint)
        self.variants.show_endpoint(endpoint)


# The tab in which the chosen endpoint is set up: the version it goes with, its replicas and sleep, its GPUs.
_BESIDE_WIDTH = 3 * 290  # pixels: a card narrower than that breaks its sentences into bits


class SetupView(EndpointView):
    """Three cards, beside one another where there is room. What is changed is shown once the agent has announced it."""

    def __init__(self, context: Context, acts: EndpointActs) -> None:
        super().__init__(context)
        self.version, self.replicas, self.gpus = VersionCard(), ReplicasCard(), GpusCard()
        self._acts = acts
        self._inner = QWidget()
        self._row = QBoxLayout(QBoxLayout.Direction.LeftToRight, self._inner)
        self._row.setContentsMargins(0, 0, theme.SPACE_8, 0)
        self._row.setSpacing(theme.SPACE_8)
        for card in (self.version, self.replicas, self.gpus):
            self._row.addWidget(card, 1)
        self.column.addWidget(scrolled(self._inner, "How the endpoint is set up"), 1)
        self.version.followed.connect(acts.follow)
        self.replicas.scaled.connect(acts.scale)
        self.replicas.slept.connect(acts.put_to_sleep)
        self.replicas.woken.connect(acts.wake)
        self.gpus.lent.connect(acts.ask_to_lend)
        self.gpus.claimed.connect(acts.claim)
        self.gpus.changed.connect(acts.deploy_again)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put the cards below one another where they are too narrow side by side."""
        super().resizeEvent(event)
        is_wide = self.width() >= _BESIDE_WIDTH
        self._row.setDirection(QBoxLayout.Direction.LeftToRight if is_wide else QBoxLayout.Direction.TopToBottom)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self._inner.setEnabled(endpoint is not None)
        if endpoint is None:
            return
        store = self.context.store
        self.version.show_endpoint(endpoint, (store.models.value or {}) if store.models_uri is None else {})
        self.replicas.show_endpoint(endpoint)
        self.gpus.show_endpoint(endpoint, store.status, store.jobs.value or {})


# How the chosen endpoint stands: its facts, the steps of its newest deployment, and why it does not answer.
_UNDER_WAY = {EndpointState.BUILDING, EndpointState.STARTING}
_LINES = 200  # chosen: the last steps of a build and what they said
_SHARE = 2  # of the height, for the facts, where the output is shown below them


class EndpointFactsView(EndpointView):
    """While it is built, and where that failed, the last lines of the build stand below."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.facts = FactGrid()
        self.output = OutputPane(context, "Output of the build")
        self._read: tuple[str, EndpointState, int] | None = None
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 0, theme.SPACE_8, 0)
        column.addWidget(self.facts)
        column.addStretch()
        self.column.addWidget(scrolled(inner, "Details of the endpoint"), _SHARE)
        self.column.addWidget(self.output, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            self.facts.show_facts([])
            self.left()
            return
        self.facts.show_facts(words.facts_of(endpoint, _models(self.context)))
        shows = endpoint.state in _UNDER_WAY or endpoint.state is EndpointState.FAILED
        self.output.setVisible(shows)
        now = (endpoint.name, endpoint.state, len(endpoint.steps))
        if shows and now != self._read:
            self._read = now
            self._read_build(endpoint.name)

    def look(self) -> None:
        self._read = None

    def left(self) -> None:
        self.output.stop()
        self._read = None

    def _read_build(self, name: str) -> None:
        self.output.read(
            OutputSource(name, lambda desk, _: desk.endpoints.logs(name, tail=_LINES), at_end="The newest lines")
        )


def _models(context: Context) -> Mapping[str, Model]:
    """Return the models of the desk's own registry: what an endpoint serves comes from there."""
    store = context.store
    return (store.models.value or {}) if store.models_uri is None else {}


# The endpoint over time: requests by revision, latency, errors by class, and what its containers take.
REVISIONS_DRAWN = 6  # chosen: the newest ones that answered, one beside the sum below the eight colours
_LEAST_SECONDS = 1e-3  # a millisecond: below it the way through the gateway is what is seen
_ALL_SLOT = 7  # gray
_MEMORY_STEP = 1 << 20  # a mebibyte: a model may take a few hundred of them
_ERRORS = (
    ("4xx", "endpoint.errors.4xx", 4),
    ("5xx", "endpoint.errors.5xx", 1),
    ("timeout", "endpoint.errors.timeout", 3),
)
_ABOUT_ERRORS = (
    "4xx: requests that were wrong. 5xx: the model or the gateway failed. Timeout: no answer in time. "
    "A class is drawn from its first error on."
)


def device_of(name: str, revision: int | None = None) -> str:
    """Return what an endpoint, or a revision of it, is called as a device of the history."""
    return f"endpoint:{name}" if revision is None else f"endpoint:{name}/{revision}"


def drawn_revisions(endpoint: Endpoint) -> list[int]:
    """Return the revisions whose requests are drawn, oldest first: those that answered at some time."""
    never = {RevisionState.BUILDING, RevisionState.STARTING, RevisionState.FAILED}
    answered = [one.revision for one in endpoint.revisions if one.state not in never]
    return answered[-REVISIONS_DRAWN:]


class CurvesView(EndpointView):
    """Four charts on the window's time axis, and the queue. ``brushed`` has the times whose requests are wanted."""

    brushed = Signal(float, float)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.requests = Chart("Requests", words.per_second, about="Requests answered a second, by revision.")
        self.latency = Chart(
            "Latency", numbers.seconds, decades_from=_LEAST_SECONDS,
            about="Half, 19 of 20, and 99 of 100 requests took less.",
        )  # fmt: skip
        self.errors = Chart("Errors", words.per_second, nothing="none", about=_ABOUT_ERRORS)
        self.processor = Chart("CPU", words.cores, about="Cores that the containers take together.")
        self.memory = Chart(
            "Memory", numbers.size, step=_MEMORY_STEP,
            about="What the containers hold: of the machine's memory, and of GPUs.",
        )  # fmt: skip
        self.queue = Chart("Queue", numbers.number, about="The most requests that were seen waiting for a replica.")
        charts = [self.requests, self.latency, self.errors, self.queue, self.processor, self.memory]
        self.queue.setMinimumHeight(theme.THIN_CHART_HEIGHT)
        self.stack = ChartStack(charts, context, "Curves of the endpoint", scrolls=True)
        self._shown: tuple[str, tuple[int, ...]] | None = None
        self.stack.brushed.connect(self.brushed)
        self.column.addWidget(self.stack, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        if endpoint is None:
            return
        revisions = tuple(drawn_revisions(endpoint))
        if (endpoint.name, revisions) == self._shown:
            return
        self._shown = endpoint.name, revisions
        device = device_of(endpoint.name)
        self.requests.show_traces(_requests(endpoint.name, revisions))
        self.latency.show_traces(
            [Trace(word, device, f"endpoint.latency.{word}", slot) for slot, word in enumerate(("p50", "p95", "p99"))]
        )
        self.errors.show_traces([Trace(word, device, metric, slot) for word, metric, slot in _ERRORS])
        self.processor.show_traces([Trace("", device, "endpoint.cpu", 0)])
        self.memory.show_traces(
            [Trace("memory", device, "endpoint.memory", 0), Trace("GPU memory", device, "endpoint.gpu.memory", 1)]
        )
        self.queue.show_traces([Trace("", device, "endpoint.queue", 0)])
        self.stack.subject = f"endpoint {endpoint.name}"
        self.stack.of(device)
        self.stack.look()

    def look(self) -> None:
        self.stack.reload()


def _requests(name: str, revisions: Sequence[int]) -> list[Trace]:
    """Return the sum, and each revision where there are several; one keeps its colour."""
    whole = Trace("all" if len(revisions) > 1 else "", device_of(name), "endpoint.requests", _ALL_SLOT)
    if len(revisions) < 2:
        return [whole]
    parts = [
        Trace(f"revision {number}", device_of(name, number), "endpoint.requests", number % _ALL_SLOT)
        for number in revisions
    ]
    return [whole, *parts]


TABS = (
    ("curves", "Curves"),
    ("revisions", "Revisions"),
    ("setup", "Setup"),
    ("try", "Try"),
    ("requests", "Requests"),
    ("measure", "Measure"),
    ("log", "Output"),
    ("facts", "Facts"),
)
_ADDRESS_WIDTH = 300  # pixels: the host, and a name that tells endpoints apart
_ROOM_FOR_GUARD = 600  # pixels: below it the charts need the line more; it is a tip then
_ROOM_FOR_ADDRESS = 420  # pixels: below it the curves need the line more; the table has the address too
_VIEWS: dict[str, Callable[[Context], EndpointView]] = {
    "curves": CurvesView,
    "revisions": RevisionsView,
    "try": TryView,
    "requests": RequestsView,
    "measure": MeasureView,
    "log": EndpointLogView,
    "facts": EndpointFactsView,
}


class EndpointPane(Card):
    """Shows one endpoint at a time; only the tab that is seen is shown it. ``acts`` does what is wanted of it."""

    def __init__(self, context: Context, acts: EndpointActs) -> None:
        super().__init__()
        self._context = context
        self._done_by = acts
        self._endpoint: Endpoint | None = None
        self.url = CommandLine("Address of the endpoint")
        self.now = Label(bold=True, wrap=True)
        self.rollout = RolloutBar()
        self.tabs = Tabs("What is shown of the endpoint", TABS)
        tip = "List what was asked in the time that the charts show; drag over them with Shift for a part of it"
        self.requests_of = Button("Requests of this span", tip=tip)
        self.requests_of.clicked.connect(self.show_all_requests)
        self.layers: TabViews[EndpointView] = TabViews(self._made)
        self._head = ActsBeside(self.url, acts.buttons(), first_grows=True)
        self.column.addLayout(self._head)
        self.column.addWidget(self.now)
        self.column.addWidget(self.rollout)
        below = QHBoxLayout()
        below.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignLeft)
        below.addStretch(1)
        below.addWidget(self.requests_of)
        self.column.addLayout(below)
        self.column.addWidget(self.layers, 1)
        self.tabs.chosen.connect(self._choose)
        self.tabs.choose("curves")

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Put what can be done below the address where both don't fit beside each other."""
        super().resizeEvent(event)
        self._fold()

    def _fold(self) -> None:
        has_url = self._endpoint is not None and bool(self._endpoint.url)
        has_room = self.height() >= _ROOM_FOR_ADDRESS
        self.url.setVisible(has_url and has_room)
        is_low = self.height() < _ROOM_FOR_GUARD
        is_told = bool(self.now.whole) and not (is_low and self._is_told_by_rollout())
        self.now.setVisible(is_told)
        self.rollout.fold(is_low=is_low, is_cramped=not has_room)
        self._head.fold(self.width() - _ADDRESS_WIDTH - theme.SPACE_24)
        room = self.width() - self.tabs.sizeHint().width() - self.requests_of.sizeHint().width() - theme.SPACE_24
        self.requests_of.setVisible(self.tabs.current() == "curves" and room > 0)

    def _is_told_by_rollout(self) -> bool:
        """Tell whether all that ``now`` says is that another version is on its way: the rollout says so too."""
        endpoint = self._endpoint
        is_under_way = endpoint is not None and endpoint.rollout is not None and endpoint.reason is None
        return is_under_way and self.now.whole.startswith(numbers.WARNING)

    def view(self, key: str) -> EndpointView:
        """Return a tab's view, made when it is first asked for."""
        return self.layers.view(key)

    def _made(self, key: str) -> EndpointView:
        if key == "setup":
            return SetupView(self._context, self._done_by)
        view = _VIEWS[key](self._context)
        if isinstance(view, CurvesView):
            view.brushed.connect(self._show_requests)
        if isinstance(view, RevisionsView):
            view.wanted.connect(self._done_by.ask_to_make_live)
            view.export_wanted.connect(self._done_by.export)
        return view

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        """Show an endpoint in the tab that is seen."""
        self._endpoint = endpoint
        self.url.show_command(endpoint.url if endpoint is not None else None)
        self.rollout.show_endpoint(endpoint)
        told, tone = words.now_told(endpoint) if endpoint is not None else ("", "text")
        self.now.show_text(told)
        self.now.tint(tone)
        self._fold()
        if self.isVisible():
            self.view(self.tabs.current()).show_endpoint(endpoint)

    def show_all_requests(self) -> None:
        """Go over to the requests of the time that the charts show."""
        span = self._context.axis.span()
        self._show_requests(span.start, span.end)

    def _show_requests(self, start: float, end: float) -> None:
        """Go over to the requests between two times."""
        view = self.view("requests")
        if isinstance(view, RequestsView):
            view.show_span(start, end)
        self.tabs.choose("requests")

    def look(self) -> None:
        """Ask anew for what is seen and not announced."""
        self.view(self.tabs.current()).look()

    def left(self) -> None:
        """Hear that nothing of it is seen."""
        self.layers.left()

    def _choose(self, key: str) -> None:
        self.layers.turn(key)
        self.show_endpoint(self._endpoint)
