"""One run: facts and links, everything that it logged, and the curve of the metric that is chosen.

While the run goes on and is seen it is looked at again, the less often the longer an answer takes.

What is said about a run beside its values. No Qt here.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QHBoxLayout, QMenu, QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.overlay.curve_data import ToldCurves
from mlops_desk.kit.window.charts.overlay.lines import Subject
from mlops_desk.kit.window.charts.overlay.panel import OverlayPanel
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label, menu_text
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid, moment_fact
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.words import datasets, numbers
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import DatasetInput, Run
from mlops_desk.registry.window.runs import cells, queries
from mlops_desk.registry.window.runs.cells import status_mark
from mlops_desk.registry.window.runs.detail import values
from mlops_desk.registry.window.runs.live_curves import FOLLOW_MS, REST, followed
from mlops_desk.registry.window.runs.queries import RunStory, askable

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.registry.window.runs.detail.values import LoggedValue

_TEXT = 200  # chosen: characters; the table below has the whole tag
_MOST_DATASETS = 5  # chosen: more are listed by the command line
NOTE, USER, SOURCE, COMMIT, PARENT = (
    "mlflow.note.content", "mlflow.user", "mlflow.source.name", "mlflow.source.git.commit", "mlflow.parentRunId",
)  # fmt: skip
"""Tags by which MLflow says what people ask first."""


def facts_of(story: RunStory, experiment: str | None) -> list[Fact]:
    """Return the facts about a run."""
    run = story.run
    mark = status_mark(run.status)
    told = [(title, run.tags.get(tag)) for title, tag in (("About", NOTE), ("By", USER), ("Program", SOURCE))]
    commit = run.tags.get(COMMIT)
    return [
        Fact("State", mark.text, mark.token),
        moment_fact("Started", _seconds(run.start_time)),
        *([Fact("Ran", numbers.duration(length))] if (length := _length(run)) is not None else []),
        *([Fact("Experiment", plain(experiment, _TEXT))] if experiment else []),
        *(Fact(title, plain(text, _TEXT), tip=text) for title, text in told if text),
        *([Fact("Commit", plain(commit, 12), fixed=True, tip=commit)] if commit else []),
        Fact("ID", run.run_id, fixed=True),
        *map(_dataset, story.datasets[:_MOST_DATASETS]),
        *([Fact("Data", f"and {n_more:,} more")] if (n_more := len(story.datasets) - _MOST_DATASETS) > 0 else []),
        *([Fact("Not told", story.untold, tone="warning")] if story.untold else []),
    ]


def _dataset(one: DatasetInput) -> Fact:
    about = f" ({plain(one.context, 40)})" if one.context else ""
    return Fact("Data", f"{plain(one.name, _TEXT)}{about}", tip=f"digest {one.digest}\n{datasets.place(one)}")


def _seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


def _length(run: Run) -> float | None:
    """Return how long a run took; None while it goes on, or where nobody wrote it down."""
    if run.start_time is None or run.end_time is None:
        return None
    return (run.end_time - run.start_time) / 1000


# Where one can go from a run: its job, the versions that were made of it, the run above it and those below it.
Link = tuple[str, Callable[[], object]]

_MOST_BUTTONS = 3  # chosen: a row of them, two where names are long; a menu has the rest
_MOST_IN_MENU = 40  # chosen: more are found by the filter on runs


def links_of(story: RunStory, context: Context, wanted: Callable[[str], object]) -> list[Link]:
    """Return what leads where; ``wanted`` shows another run by its id."""
    links: list[Link] = []
    if story.job is not None:
        links.append((f"Job {plain(story.job.name, 40)}", partial(context.open_page, "jobs", story.job.id)))
    for one in story.versions:
        aliases = f" ({', '.join(plain(alias, 40) for alias in one.aliases)})" if one.aliases else ""
        title = f"{plain(one.name, 40)} version {plain(one.version, 20)}{aliases}"
        links.append((title, partial(context.open_page, "models", f"{one.name}/{one.version}")))
    parent = story.run.tags.get(PARENT)
    if parent:
        links.append(("Run that started it", partial(wanted, parent)))
    return links + [(f"↳ {plain(cells.name(row), 40)}", partial(wanted, row.run_id)) for row in story.nested]


class RunLinks(QWidget):
    """The first ones as buttons, all others in the menu of one more."""

    def __init__(self) -> None:
        super().__init__()
        self._flow = FlowLayout(self)
        self._others: list[Link] = []

    def show_links(self, links: Sequence[Link]) -> None:
        self._flow.clear()
        for title, act in links[:_MOST_BUTTONS]:
            self._add(title, act)
        self._others = list(links[_MOST_BUTTONS:])
        if self._others:
            self._add(f"{len(self._others):,} more …", self.open_others)
        self.setVisible(bool(links))
        self.updateGeometry()

    def _add(self, title: str, act: Callable[[], object]) -> None:
        button = Button(title)
        button.clicked.connect(lambda _on=False, act=act: act())
        self._flow.addWidget(button)
        button.show()

    def open_others(self) -> QMenu:
        """Open the menu of those that have no button."""
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        for title, act in self._others[:_MOST_IN_MENU]:
            menu.addAction(menu_text(title)).triggered.connect(lambda _on=False, act=act: act())
        left = len(self._others) - _MOST_IN_MENU
        if left > 0:
            menu.addAction(f"… and {numbers.count(left, 'other')}").setEnabled(False)
        menu.popup(self.mapToGlobal(self.rect().bottomLeft()))
        return menu


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
            "run", lambda desk: queries.story(desk, run_id, uri, before), self._take, self._refused
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
            lambda desk: [one for metric in asked for one in queries.curves(desk, [run_id], metric, uri)],
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
