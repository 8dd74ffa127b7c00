"""The chosen monitor: its verdict in a sentence, what retraining makes of it, its windows, or one column of them."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent, QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import JudgedWindow, MonitorStanding
from mlops_desk.drift.window import queries
from mlops_desk.drift.window.answers.view import AnswersView
from mlops_desk.drift.window.column.column_loader import ColumnLook
from mlops_desk.drift.window.heatmap.heatmap_data import HeatSheet, sheet_of
from mlops_desk.drift.window.heatmap.view import HeatView
from mlops_desk.drift.window.monitors import status_text as words
from mlops_desk.drift.window.monitors.acts import MonitorActs
from mlops_desk.drift.window.monitors.importance import ColumnImportance
from mlops_desk.drift.window.segments import SegmentsView
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Store
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.action_panel import ActsBeside
from mlops_desk.kit.window.widgets.banner import Banner
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.facts import FactGrid
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty, StateView
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import marks

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

TABS = (
    ("heat", "Heat map"),
    ("answers", "Answers"),
    ("segments", "Segments"),
    ("importance", "Importance"),
    ("facts", "Set up"),
)
_TABS_WIDTH = 540  # pixels: five tabs


class MonitorPane(QWidget):
    """``review`` carries the retraining that somebody wants to decide on, or None for the rules as a whole."""

    review = Signal(object)

    def __init__(self, context: Context, acts: MonitorActs) -> None:
        super().__init__()
        self._context = context
        self._acts = acts
        self.standing: MonitorStanding | None = None
        self.sheet = HeatSheet()
        self._asked: tuple[object, ...] | None = None
        self._is_known = False  # which windows there are, be it none
        self._task: Task | None = None
        self._waiting_retraining: str | None = None
        self.banner = Banner()
        self.trouble = Label(tone="warning", bold=True, wrap=True)
        self.retraining = Label(tone="muted")
        self.review_button = Button("Review …", asks=True)
        self.tabs = Tabs("What is shown of the monitor", TABS)
        self.heat, self.importance, self.answers = HeatView(context), ColumnImportance(context), AnswersView(context)
        self.segments = SegmentsView(context)
        self.looking = ColumnLook(self, context)
        self.facts = FactGrid()
        self.state = StateView(theme.LIST_WIDTH)
        self._layers = QStackedWidget()
        self._wire()
        self._arrange()
        self.tabs.choose("heat")
        self.tabs.offer("segments", shown=False)

    def _wire(self) -> None:
        self.heat.opened.connect(self.open_column)
        self.importance.opened.connect(self.open_column)
        self.segments.opened.connect(self._open_within)
        for view in (self.importance, self.answers):
            view.wanted.connect(self._acts.ask_to_edit)
        self.looking.pane.went_back.connect(self.close_column)
        self.looking.ended.connect(self.close_column)
        self.looking.stepped.connect(self.open_column)
        self.looking.meant.connect(self.heat.map.go_to_window)
        self.looking.failed.connect(self._complain)
        self.looking.rows_opened.connect(self._open_rows)
        self.looking.rows.went_back.connect(self.go_back)
        self.tabs.chosen.connect(lambda _key: self.close_column())
        self.review_button.clicked.connect(lambda: self.review.emit(self._waiting_retraining))
        self._context.axis.changed.connect(self.look)

    def _arrange(self) -> None:
        self._facts = scrolled(self.facts, "How the monitor is set up")
        for view in (
            self.heat,
            self.answers,
            self.segments,
            self.importance,
            self._facts,
            self.looking.pane,
            self.looking.rows,
            self.state,
        ):
            self._layers.addWidget(view)
        self._above = QWidget()
        above = QVBoxLayout(self._above)
        above.setContentsMargins(0, 0, 0, 0)
        above.setSpacing(theme.SPACE_8)
        line = QHBoxLayout()
        line.setSpacing(theme.SPACE_8)
        line.addWidget(self.retraining)
        line.addWidget(self.review_button)
        line.addStretch(1)
        self._head = ActsBeside(self.tabs, self._acts.buttons(), first_grows=False)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self.banner)
        above.addLayout(line)
        above.addLayout(self._head)
        whole.addWidget(self._above)
        whole.addWidget(self.trouble)
        whole.addWidget(self._layers, 1)
        self.trouble.hide()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._head.fold(self.width() - _TABS_WIDTH)

    # What is shown.

    def show_standing(self, standing: MonitorStanding | None) -> None:
        """Show a monitor; its windows are asked for when it is another, or has newer ones."""
        before, self.standing = self.standing, standing
        self._acts.show_standing(standing)
        if standing is None:
            return
        self.reword()
        self.facts.show_facts(words.facts(standing))
        if before is None or before.monitor.id != standing.monitor.id:
            self._forget()
        elif self._is_known and _weighed(before) != _weighed(standing):
            self._answered(list(self.sheet.windows))  # in another order, and beside other weights
        self.look()

    def reword(self) -> None:
        """Say the verdict, which tells times, anew."""
        if self.standing is not None:
            mark = marks.monitor_mark(self.standing)
            self.banner.say(mark.token, mark.shape, *words.headline(self.standing))

    def show_retraining(self, store: Store) -> None:
        """Say in one line what retraining makes of the monitor's endpoint."""
        endpoint = self.standing.monitor.endpoint if self.standing is not None else None
        told = words.retraining_told(endpoint, store.rules.value or {}, store.retrainings.value or {})
        self.retraining.setVisible(told is not None)
        self._waiting_retraining = told[1] if told is not None else None
        self.review_button.setVisible(self._waiting_retraining is not None)
        if told is not None:
            self.retraining.show_text(told[0])

    def _forget(self) -> None:
        """Let go of what was of another monitor."""
        self.sheet, self._asked, self._is_known = HeatSheet(), None, False
        self.trouble.hide()
        if self._task is not None:
            self._task.cancel()
        if self._looks_into():
            self.close_column()

    # Windows.

    def look(self, *, again: bool = False) -> None:
        """Ask for the windows, if it is seen and others are wanted than are there."""
        standing = self.standing
        if standing is None or not self.isVisible():
            return
        axis, until = self._context.axis, self._until()
        if self._layers.currentWidget() is self.answers:
            self.answers.show_standing(standing, until)
            if again:
                self.answers.look(again=True)
        wanted = (standing.monitor.id, until, standing.newest_window_end, standing.checked_at is not None)
        stands_still = axis.paused and self._asked is not None
        if (wanted == self._asked or stands_still) and not again:
            return
        self._asked = wanted
        if self._task is not None:
            self._task.cancel()
        if not self.sheet.windows:
            self.state.show_loading("Loading the windows …", "", self._cancel)
            self._show(self.state)
        name = standing.monitor.id
        self._task = self._context.ask("windows", queries.windows(name, until), self._answered, self._refused)

    def _until(self) -> float | None:
        """Return the end of the time that is looked at; None: now."""
        axis = self._context.axis
        return axis.span().end if axis.in_history else None

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._refused(DeskError("Loading was cancelled.", "Press F5 to try again."))

    def _refused(self, error: DeskError) -> None:
        self._asked = None
        if self.sheet.windows:
            self.trouble.show_text(f"{error.message} {error.hint or ''} What is shown is older.")
            self.trouble.show()
            return
        self.state.show_error("The windows can't be shown", error, lambda: self.look(again=True))
        self._show(self.state)

    def _complain(self, error: DeskError) -> None:
        self.trouble.show_text(f"{error.message} {error.hint or ''}".strip())
        self.trouble.show()

    def _answered(self, windows: list[JudgedWindow]) -> None:
        standing = self.standing
        if standing is None:
            return
        self._is_known = True
        self.trouble.hide()
        # Of another time it is told since when columns had drifted then, and not what holds now.
        then = windows[-1].since if windows and self._until() is not None else None
        self.sheet = sheet_of(windows, standing.since if then is None else then, standing.monitor.importance)
        self.heat.show_sheet(self.sheet)
        self.importance.show_standing(standing, self.sheet)
        column = standing.monitor.segment
        self.segments.show_windows(self.sheet.windows, column)
        self.tabs.offer("segments", shown=self.segments.has_any or column is not None)
        if self._looks_into():
            self.looking.take(standing, self.sheet)
        else:
            self._show_tab()

    def _show_tab(self) -> None:
        key = self.tabs.current()
        if key == "facts":
            self._show(self._facts)
        elif key == "answers" and self.standing is not None:
            self._show(self.answers)
            self.answers.show_standing(self.standing, self._until())
        elif not self._is_known:  # it says that they are loaded, or why they can't be
            self._show(self.state)
        elif key == "importance":  # a model is asked what its columns mean before anything was judged, too
            self._show(self.importance)
        elif not self.sheet.windows:
            self.state.show_empty(self._no_windows())
            self._show(self.state)
        else:
            self._show(self.segments if key == "segments" else self.heat)

    def _show(self, view: QWidget) -> None:
        """Show a view; a column needs the height, and what is said of the monitor as a whole is not about it."""
        self._layers.setCurrentWidget(view)
        self._above.setVisible(view not in {self.looking.pane, self.looking.rows})

    def _no_windows(self) -> Empty:
        standing = self.standing
        if standing is None:
            return Empty("No monitor is chosen", "")
        if self._context.axis.in_history:
            return Empty("No windows before this time", "Go back to Live, or choose a later time.")
        text = f"A window is judged as soon as there is one: {words.window_told(standing.monitor)}."
        return Empty("No window was judged yet", text)

    # One column.

    def open_column(self, column: str) -> None:
        """Look into a column, at the window that is meant in the heat map."""
        if self.standing is None or self.sheet.place_of(column) is None:
            return
        self.heat.choose(column)
        self.looking.look_into(self.standing, self.sheet, column, self.heat.map.window_place)
        self._show(self.looking.pane)
        self.looking.pane.back.setFocus(Qt.FocusReason.OtherFocusReason)

    def _open_within(self, column: str, window: int) -> None:
        """Look into a column from within a segment, at the window that is meant there."""
        self.heat.map.go_to_window(window)
        self.open_column(column)

    def go_back(self) -> bool:
        """Go back from rows, from a column, or from a segment to all of them; False where nothing was looked into."""
        if self._layers.currentWidget() is self.looking.rows:
            self.looking.rows.left()
            self._show(self.looking.pane)
            self.looking.pane.rows.setFocus(Qt.FocusReason.OtherFocusReason)
            return True
        return self.close_column() or (self._layers.currentWidget() is self.segments and self.segments.back())

    def close_column(self) -> bool:
        """Go back to all columns; False where none was looked into."""
        was_open = self._looks_into()
        self.looking.forget()
        self._show_tab()
        shown = self._layers.currentWidget()
        if was_open and shown in {self.heat, self.segments}:
            (self.segments if shown is self.segments else self.heat).map.setFocus(Qt.FocusReason.OtherFocusReason)
        return was_open

    def _looks_into(self) -> bool:
        return self._layers.currentWidget() in {self.looking.pane, self.looking.rows}

    def _open_rows(self) -> None:
        self._show(self.looking.rows)
        self.looking.rows.back.setFocus(Qt.FocusReason.OtherFocusReason)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() != Qt.Key.Key_Escape or not self.go_back():
            super().keyPressEvent(event)

    def left(self) -> None:
        """Hear that nothing of it is seen."""
        self.answers.left()
        self._context.axis.point_at(None)


def _weighed(standing: MonitorStanding) -> tuple[object, ...]:
    """Return what is told of a monitor's weights."""
    return standing.monitor.importance, standing.monitor.computed, standing.monitor.model
