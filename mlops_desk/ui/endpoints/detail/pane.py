"""The chosen endpoint: its address, its rollout, what can be done with it, and tabs, made when first chosen."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.ui.endpoints import words
from mlops_desk.ui.endpoints.acts import EndpointActs
from mlops_desk.ui.endpoints.detail.curves import CurvesView
from mlops_desk.ui.endpoints.detail.facts import EndpointFactsView
from mlops_desk.ui.endpoints.detail.log import EndpointLogView
from mlops_desk.ui.endpoints.detail.measure import MeasureView
from mlops_desk.ui.endpoints.detail.requests import RequestsView
from mlops_desk.ui.endpoints.detail.revisions import RevisionsView
from mlops_desk.ui.endpoints.detail.setup import SetupView
from mlops_desk.ui.endpoints.detail.trying import TryView
from mlops_desk.ui.endpoints.detail.view import EndpointView
from mlops_desk.ui.endpoints.rollout_bar import RolloutBar
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.parts.acts_beside import ActsBeside
from mlops_desk.ui.parts.tab_views import TabViews
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.card import Card
from mlops_desk.ui.widgets.command import CommandLine
from mlops_desk.ui.widgets.tabs import Tabs
from mlops_desk.ui.words import numbers

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
