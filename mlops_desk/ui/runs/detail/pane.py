"""One run: facts and links, everything that it logged, and the curve of the metric that is chosen.

While the run goes on and is seen it is looked at again, the less often the longer an answer takes.
"""

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.ui.charts.overlay.lines import Subject
from mlops_desk.ui.charts.overlay.panel import OverlayPanel
from mlops_desk.ui.charts.overlay.preparing import ToldCurves
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.runs import asking, cells
from mlops_desk.ui.runs.asking import RunStory
from mlops_desk.ui.runs.cutting import askable
from mlops_desk.ui.runs.detail import values
from mlops_desk.ui.runs.detail.facts import facts_of
from mlops_desk.ui.runs.detail.links import RunLinks, links_of
from mlops_desk.ui.runs.following import FOLLOW_MS, REST, followed
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.facts import FactGrid
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.scroll import scrolled
from mlops_desk.ui.widgets.states import Empty, StateView
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from collections.abc import Callable

    from mlops_desk.ui.live.tasks import Task
    from mlops_desk.ui.runs.detail.values import LoggedValue

AGAIN_MS = 250  # chosen: last values and the state; the curve is followed by itself
_UNLISTED = f"{numbers.WARNING} This run is not in the list: the filter or the chosen experiments leave it out."
_HEIGHTS = (112, 190, 150)  # pixels: five facts; four values below the search; a curve with its settings


class RunDetail(QWidget):
    """``told`` carries the story that is shown; ``wanted`` the id of another run to be shown."""

    told = Signal(object)
    wanted = Signal(str)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self.story: RunStory | None = None
        self.uri: str | None = None
        self.experiment: Callable[[str | None], str | None] = lambda _id: None
        self.facts = FactGrid()
        self.title = Label(points=theme.TITLE_POINTS, bold=True)
        self.unlisted = Label(_UNLISTED, tone="warning", wrap=True)
        self.unlisted.hide()
        self.search = Field("Search what it logged", "Search metrics, parameters, tags")
        self.table: RecordTable[LoggedValue] = RecordTable("Logged values", values.COLUMNS, context.memory)
        self.chart = OverlayPanel(context, brief=True)
        self.state = StateView(theme.LIST_WIDTH)
        self.links = RunLinks()
        self._run_id: str | None = None
        self._is_refused = False
        self._tasks: dict[str, Task] = {}
        self._curve: RunCurve | None = None
        self._curves: list[RunCurve] = []
        self._asked_at = 0.0
        self._followed_at = 0.0
        self._again = QTimer(self)
        self._again.setSingleShot(True)
        self._again.timeout.connect(self.look)
        self._on = QTimer(self)
        self._on.setSingleShot(True)
        self._on.timeout.connect(self._follow)
        self._arrange()
        self.search.textChanged.connect(self.table.narrow)
        self.table.chosen.connect(lambda _key: self._draw())
        self.chart.wanted.connect(self._choose_metric)

    def _arrange(self) -> None:
        self.acts = QHBoxLayout()
        self.acts.setSpacing(theme.SPACE_4)
        listed = QWidget()
        column = QVBoxLayout(listed)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.search)
        column.addWidget(self.table, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        for part in (scrolled(self.facts, "About the run"), listed, self.chart):
            split.addWidget(part)
            if part is not self.chart:  # which knows what it needs
                part.setMinimumHeight(theme.CHART_MINIMUM_HEIGHT)
        split.setSizes(list(_HEIGHTS))
        split.setStretchFactor(1, 1)
        self._content = QWidget()
        whole = QVBoxLayout(self._content)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self.title)
        whole.addWidget(self.unlisted)
        whole.addLayout(self.acts)
        whole.addWidget(self.links)
        whole.addWidget(split, 1)
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)
        self.show_run(None, None)

    def show_run(self, run_id: str | None, uri: str | None) -> None:
        """Show a run; None: none is chosen. The same one is looked at again."""
        if run_id is None:
            self._stop()
            self._run_id, self.story = None, None
            self.state.show_empty(Empty("No run is chosen", "Choose one in the table to see what it logged."))
            self._layers.setCurrentWidget(self.state)
            return
        if (run_id, uri) != (self._run_id, self.uri):
            self._stop()
            self._run_id, self.uri, self.story, self._curve, self._curves = run_id, uri, None, None, []
            self._is_refused = False
            self.unlisted.hide()
        self.look()

    def say_unlisted(self, run_id: str) -> None:
        """Say that the run that is shown is none of the list beside it."""
        self.unlisted.setVisible(run_id == self._run_id)

    def look(self) -> None:
        """Ask for the run anew, if it is seen and nobody waits for an answer already."""
        run_id, uri, before = self._run_id, self.uri, self.story
        under_way = self._tasks.get("run")
        if run_id is None or not self.isVisible() or (under_way is not None and under_way.running):
            return
        if before is None and not self._is_refused:  # else what was said of it stays until there is an answer
            self.state.show_loading("Loading the run …", "", None)
            self._layers.setCurrentWidget(self.state)
        self._asked_at = time.monotonic()
        self._tasks["run"] = self.context.ask(
            "run", lambda desk: asking.story(desk, run_id, uri, before), self._take, self._refused
        )

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.look()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._stop()

    def _stop(self) -> None:
        self._again.stop()
        self._on.stop()
        for task in self._tasks.values():
            task.cancel()
        self._tasks = {}

    def _take(self, story: RunStory) -> None:
        is_first = self.story is None
        changed = self.story is None or story.run.metrics != self.story.run.metrics
        self.story, self._is_refused = story, False
        self.title.show_text(story.run.name or story.run.run_id)
        self.facts.show_facts(facts_of(story, self.experiment(story.run.experiment_id)))
        self.links.show_links(links_of(story, self.context, self.wanted.emit))
        self.table.show_records(values.logged(story.run))
        names = askable(story.run.metrics)
        self.chart.offer_metrics(names, values.first_metric(names) if is_first else None)
        self._layers.setCurrentWidget(self._content)
        if is_first:
            self._select_metric(values.first_metric(names))
        if self._curve is None:
            self._draw()
        elif changed:
            self._follow()
        if story.run.status in cells.GOING_ON:
            took = (time.monotonic() - self._asked_at) * 1000
            self._again.start(max(AGAIN_MS, int(took * REST)))
        self.told.emit(story)

    def _refused(self, error: DeskError) -> None:
        if self.story is not None:
            self._again.start(AGAIN_MS * REST)
            return  # what was told before is still what is known of it; the next question may be answered
        self._is_refused = True
        self.state.show_error("The run can't be shown", error, self._try_again)
        self._layers.setCurrentWidget(self.state)

    def _try_again(self) -> None:
        self._is_refused = False
        self.look()

    # The curve.

    def _select_metric(self, name: str | None) -> None:
        if name is not None:
            self.table.select(f"{values.METRIC} {name}")

    def _choose_metric(self) -> None:
        """Draw the metric that was chosen beside the plot."""
        name = self.chart.wish().metric
        if not self.table.select(f"{values.METRIC} {name}"):
            self._draw()

    def _draw(self) -> None:
        """Draw the chosen metric; while a parameter is chosen the curve stays."""
        story, uri = self.story, self.uri
        key = self.table.key() or ""
        kind, _, name = key.partition(" ")
        name = name if kind == values.METRIC else self.chart.wish().metric
        if story is None or not name:
            self.chart.setVisible(bool(story is not None and story.run.metrics))
            return
        self.chart.show()
        self.chart.offer_metrics(askable(story.run.metrics), name)
        wish = self.chart.wish()
        asked = [name, *([wish.x_metric] if wish.x_metric else [])]
        run_id = story.run.run_id
        self._followed_at = time.monotonic()
        under_way = self._tasks.get("curve")
        if under_way is not None:
            under_way.cancel()
        self._tasks["curve"] = self.context.ask(
            "curve",
            lambda desk: [one for metric in asked for one in asking.curves(desk, [run_id], metric, uri)],
            self._drawn,
            lambda error: self.chart.show_state().show_error("The curve can't be shown", error, self._draw),
        )

    def _follow(self) -> None:
        """Ask for what was logged since, if it is seen; an answer that is waited for is what is asked for."""
        known, uri, under_way = self._curves, self.uri, self._tasks.get("curve")
        if not known or not self.isVisible() or (under_way is not None and under_way.running):
            return
        self._followed_at = time.monotonic()
        self._tasks["curve"] = self.context.ask(
            "curve",
            lambda desk: followed(desk, known, uri),
            self._drawn,
            lambda _error: self._on.start(AGAIN_MS * REST),
        )

    def _drawn(self, curves: list[RunCurve]) -> None:
        story = self.story
        if story is None:
            return
        name = self.chart.wish().metric
        if story.run.status in cells.GOING_ON:
            took = (time.monotonic() - self._followed_at) * 1000
            self._on.start(max(FOLLOW_MS, int(took * REST)))
        is_news = not curves or any(all(one is not known for known in self._curves) for one in curves)
        if not is_news:
            return
        self._curves = curves
        self._curve = next((one for one in curves if one.metric == name), None)
        others = {one.run_id: one for one in curves if one.metric != name}
        subject = Subject(story.run.run_id, name)
        self.chart.show_curves(ToldCurves((subject,), (self._curve,) if self._curve is not None else (), others))
