"""Monitors above, the chosen one below; why there are none, or why they can't be shown."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QSplitter, QStackedLayout, QVBoxLayout, QWidget

from mlops_desk.drift.records.monitors import MonitorStanding
from mlops_desk.drift.window.monitors import status_text as words
from mlops_desk.drift.window.monitors.acts import MonitorActs
from mlops_desk.drift.window.monitors.pane import MonitorPane
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import LivePart, Topic
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.card import Card, framed
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.states import Empty, StateView, starting
from mlops_desk.kit.window.words import numbers

_ROWS = 3  # chosen: rows of the list beside the heat map, which needs the height


class MonitorsView(QWidget):
    """``review`` carries the retraining that somebody wants to decide on."""

    review = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.table: RecordTable[MonitorStanding] = RecordTable("Monitors", words.COLUMNS, context.memory)
        self.table.sort_by_key("state", Qt.SortOrder.DescendingOrder)
        self.table.chosen.connect(lambda _key: self._show_chosen())
        self.filter = filter_field("Filter monitors")
        self.filter.textChanged.connect(self.table.narrow)
        self.acts = MonitorActs(self, context, self.chosen, self._columns)
        self.acts.made.connect(self._await)
        self._awaited: str | None = None
        self.pane = MonitorPane(context, self.acts)
        self.pane.review.connect(self.review)
        self.old = Label(tone="warning", bold=True, wrap=True)
        self.state = StateView()
        self._arrange()

    def _arrange(self) -> None:
        self._split = QSplitter(Qt.Orientation.Vertical)
        self._split.setHandleWidth(theme.SPACE_8)
        self._split.setChildrenCollapsible(False)
        self.table.setMinimumHeight(_ROWS * theme.ROW_HEIGHT)  # a lower window scrolls
        self._split.addWidget(framed(self.table))
        card = Card()
        card.column.addWidget(self.pane)
        self._split.addWidget(card)
        self._split.setStretchFactor(1, 1)
        self._split.setSizes([(_ROWS + 1) * theme.ROW_HEIGHT + theme.SPACE_24, theme.DIALOG_TALL])
        self._content = QWidget()
        column = QVBoxLayout(self._content)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.old)
        column.addWidget(scrolled(self._split, "Monitors and their windows"), 1)
        self.old.hide()
        self._layers = QStackedLayout(self)
        self._layers.addWidget(self._content)
        self._layers.addWidget(self.state)

    # What is shown.

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.table.sort_again()  # what turns while somebody looks stays where it is

    def refresh(self) -> None:
        """Show what holds now: the monitors, or in their place why there are none to show."""
        part: LivePart[dict[str, MonitorStanding]] = self._context.store.monitors
        if not part.value:
            self._show_state(part)
            return
        self._layers.setCurrentWidget(self._content)
        self.old.setVisible(part.error is not None)
        if part.error is not None:
            why = f"{part.error.message} {part.error.hint or ''}".strip()
            self.old.show_text(f"{numbers.WARNING} {why} What is shown is older.")
        self.table.show_records(part.value)
        if self._awaited is not None and self.show_thing(self._awaited):
            self._awaited = None
        if self.table.key() is None:
            self.table.select_first()
        self._show_chosen()

    def _show_state(self, part: LivePart[dict[str, MonitorStanding]]) -> None:
        connection = self._context.store.connection
        if part.value is not None and not part.loading:
            self.state.show_empty(self._empty())
        elif part.error is not None and not part.loading:
            self.state.show_error("Monitors can't be shown", part.error, lambda: self._context.load(Topic.MONITORS))
        elif connection.state == "lost" and connection.error is not None:
            self.state.show_error(
                "The agent is not reachable", connection.error, lambda: self._context.load(Topic.MONITORS)
            )
        elif connection.state == "starting":
            self.state.show_loading(*starting("Monitors"), None)
        else:
            self.state.show_loading("Loading monitors …", "", lambda: self._context.cancel_load(Topic.MONITORS))
        self._layers.setCurrentWidget(self.state)

    def _empty(self) -> Empty:
        if self._context.store.endpoints.value:
            text = "A monitor compares what comes in with what a model was trained on, and tells when it has moved."
            return Empty("No monitors yet", text, "New monitor …", self.acts.create)
        text = "Each endpoint gets a monitor by itself: deploy a model. Files and databases are given one here."
        command = "mlops-desk drift report --reference REF.parquet --current CUR.parquet"
        return Empty(
            "Nothing is watched yet",
            text,
            "Go to endpoints",
            lambda: self._context.open_page("endpoints", None),
            command,
        )

    def chosen(self) -> MonitorStanding | None:
        """Return the monitor whose row is chosen."""
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _await(self, key: str) -> None:
        """Choose a monitor that was just made, now or as soon as it is announced."""
        self._awaited = None if self.show_thing(key) else key

    def _columns(self) -> list[str]:
        return [row.name for row in self.pane.sheet.rows]

    def _show_chosen(self) -> None:
        self.pane.show_standing(self.chosen())
        self.pane.show_retraining(self._context.store)

    def show_retraining(self) -> None:
        """Hear that rules or retrainings have changed."""
        self.pane.show_retraining(self._context.store)

    def show_thing(self, thing: str) -> bool:
        """Choose a monitor by its id or name, or the one of an endpoint; a column of it behind a blank."""
        known: dict[str, MonitorStanding] = self._context.store.monitors.value or {}
        if thing not in known:
            named = (key for key, one in known.items() if thing in {one.monitor.name, one.monitor.endpoint})
            thing = next(named, thing)
        if not self.table.holds(thing):
            return False
        if not self.table.select(thing):
            self.filter.clear()
        return self.table.select(thing)

    def escape(self) -> None:
        """Go back from a column or a segment, else take the filter away."""
        if not self.pane.go_back():
            self.filter.clear()
