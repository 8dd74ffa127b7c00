"""Drift: how far what comes in now has moved from what models were trained on, since when, and what is done about it.

Monitors watch; each shows its windows as a heat map, and one column of it in full. Beside them stand single reports,
and the rules that retrain with the retrainings that a person has to decide on.
"""

from typing import ClassVar

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLineEdit, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.drift.records.report import ColumnDrift, DriftReport
from mlops_desk.drift.window import words
from mlops_desk.drift.window.monitors.view import MonitorsView
from mlops_desk.drift.window.retraining import RulesPanel
from mlops_desk.drift.window.words import newest_reports
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.charts.bars import BarChart
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Topic, report_key
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.page import Page
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.banner import Banner
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import filter_field
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.words import marks, numbers

# Reports of one endpoint, whoever had them made: how far what it was asked had moved from what its model learned.
# The left column chooses an endpoint and one of its reports; the middle judges the columns, the right shows one.
NARROW = (theme.LIST_WIDTH + theme.SPACE_24) * 3
STACKED_HEIGHT = theme.DIALOG_TALL + theme.LIST_WIDTH


class ReportsView(QWidget):
    """One endpoint's reports, and the columns of the chosen one."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self.context = context
        self._picker = ChoiceBox("Endpoint")
        self._picker.currentIndexChanged.connect(self._picked_endpoint)
        self._check = Button("Check now", main=True, tip="Compare the newest requests with the reference", asks=True)
        self._check.clicked.connect(self._check_now)
        self.reports = RecordTable("Reports", words.REPORT_COLUMNS, context.memory)
        self.reports.sort_by_key("created", Qt.SortOrder.DescendingOrder)
        self.reports.chosen.connect(self._chose_report)
        self.columns = RecordTable("Columns", words.COLUMNS, context.memory)
        self.columns.sort_by_key("verdict", Qt.SortOrder.DescendingOrder)
        self.columns.chosen.connect(self._chose_column)
        self.filter = filter_field("Filter columns")
        self.filter.textChanged.connect(self.columns.narrow)
        self._banner = Banner()
        self._chart = BarChart(context.tasks(), "Column")
        self._measures = RecordTable("Measures", words.MEASURE_COLUMNS, context.memory)
        self._column_says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self._upper, self._detail = QSplitter(Qt.Orientation.Horizontal), QSplitter(Qt.Orientation.Vertical)
        self._narrow = False
        self._shown: DriftReport | None = None
        self._checking = False
        self._arrange()

    def _arrange(self) -> None:
        top = QHBoxLayout()
        top.setSpacing(theme.SPACE_8)
        top.addWidget(Label("Endpoint"))
        self._picker.setMinimumWidth(theme.LIST_WIDTH)
        top.addWidget(self._picker)
        top.addWidget(self._check)
        top.addStretch(1)
        top.addWidget(self.filter)
        lists, upper = QSplitter(Qt.Orientation.Horizontal), self._upper
        lists.setHandleWidth(theme.SPACE_8)
        upper.setHandleWidth(theme.SPACE_8)
        for title, table in (("Reports", self.reports), ("Columns", self.columns)):
            card = Card(title)
            card.column.addWidget(table, 1)
            lists.addWidget(card)
        lists.setSizes([theme.LIST_WIDTH, theme.LIST_WIDTH + theme.SPACE_24])
        upper.addWidget(lists)
        upper.addWidget(self._column_detail())
        upper.setSizes([2 * theme.LIST_WIDTH + theme.SPACE_24, theme.READING_WIDTH])
        upper.setStretchFactor(1, 1)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.setSpacing(theme.SPACE_8)
        whole.addLayout(top)
        whole.addWidget(self._banner)
        whole.addWidget(scrolled(upper, "Reports and columns"), 1)

    def _column_detail(self) -> QWidget:
        measures = Card("Measures")
        measures.column.addWidget(self._column_says)
        measures.column.addWidget(self._measures, 1)
        split = self._detail
        split.setHandleWidth(theme.SPACE_8)
        split.addWidget(self._chart)
        split.addWidget(measures)
        split.setSizes([theme.DIALOG_TALL // 2, theme.DIALOG_TALL // 2])
        return split

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        """Stack what finds no room side by side; the page scrolls then."""
        narrow = self.width() < NARROW
        if narrow == self._narrow:
            return
        self._narrow = narrow
        across, down = Qt.Orientation.Horizontal, Qt.Orientation.Vertical
        self._upper.setOrientation(down if narrow else across)
        self._detail.setOrientation(across if narrow else down)
        self._upper.setMinimumHeight(STACKED_HEIGHT if narrow else 0)
        if narrow:
            self._upper.setSizes([STACKED_HEIGHT // 3] * 2)
            self._detail.setSizes([theme.LIST_WIDTH, theme.LIST_WIDTH + theme.SPACE_24 * 5])

    # What is shown.

    def refresh(self) -> None:
        """Show what holds now."""
        self._fill_picker(self._endpoint_names())
        self._show_reports()

    def _endpoint_names(self) -> list[str]:
        store = self.context.store
        names = dict.fromkeys(store.endpoints.value or {})
        names |= dict.fromkeys(report.endpoint for report in (store.reports.value or {}).values() if report.endpoint)
        return list(names)

    def _fill_picker(self, names: list[str]) -> None:
        known = [self._picker.itemData(number) for number in range(self._picker.count())]
        if known == names:
            return
        chosen = self._picker.currentData() or self._worst(names)
        self._picker.blockSignals(True)
        self._picker.clear()
        for name in names:
            self._picker.addItem(plain(name), name)
        self._picker.setCurrentIndex(max(names.index(chosen) if chosen in names else 0, 0) if names else -1)
        self._picker.blockSignals(False)

    def _worst(self, names: list[str]) -> str | None:
        """Return the endpoint whose newest report is the worst: what a person comes here for."""
        newest = newest_reports(self.context.store.reports.value)
        known = [name for name in names if name in newest]
        return max(known, key=lambda name: words.SEVERITY[newest[name].verdict], default=None)

    def _picked_endpoint(self, _index: int) -> None:
        self._show_reports()
        self.reports.select_first()

    def _show_reports(self) -> None:
        part = self.context.store.reports
        endpoint = self._picker.currentData()
        mine = sorted(
            (report for report in (part.value or {}).values() if report.endpoint == endpoint),
            key=lambda report: -(report.created_at or 0.0),
        )
        newest = report_key(mine[0]) if mine else None
        came = newest is not None and self.reports.records.row_of(newest) is None
        self.reports.show_records({report_key(report): report for report in mine})
        if came or self.reports.key() is None:
            self.reports.select_first()
        self._show_report(self._report())
        self._check.setEnabled(endpoint is not None and not self._checking)
        if not mine:
            self._say_no_report(endpoint)

    def _say_no_report(self, endpoint: str | None) -> None:
        part = self.context.store.reports
        if part.error is not None:
            why = f"{part.error.message} {part.error.hint or ''}".strip()
            self._banner.say("alert", numbers.ALERT, "The reports can't be shown", why)
        elif part.loading:
            self._banner.say("info", numbers.INFO, "Loading the reports …", "")
        elif endpoint is None:
            text = "A model that answers requests can be checked: deploy one on the page of endpoints."
            self._banner.say("muted", numbers.IDLE, "No endpoint to check yet", text)
        else:
            text = "It is checked by itself as often as the settings say, or now."
            self._banner.say("muted", numbers.IDLE, f"No report of {plain(endpoint)} yet", text)

    def _report(self) -> DriftReport | None:
        key = self.reports.key()
        return self.reports.records.record(key) if key else None

    def _chose_report(self, _key: str | None) -> None:
        self._show_report(self._report())

    def _show_report(self, report: DriftReport | None) -> None:
        if report is self._shown and report is not None:
            return
        self._shown = report
        if report is None:
            self.columns.show_records({})
            self._show_column(None)
            return
        self._say_verdict(report)
        self.columns.show_records({column.name: column for column in report.columns})
        self.columns.select_first()
        self._show_column(self._column())

    def _say_verdict(self, report: DriftReport) -> None:
        mark = marks.VERDICT_MARKS[report.verdict]
        self._banner.say(mark.token, mark.shape, *words.headline(report))

    def reword(self) -> None:
        """Say the verdict, which tells times, anew."""
        if self._shown is not None:
            self._say_verdict(self._shown)

    def _column(self) -> ColumnDrift | None:
        key = self.columns.key()
        return self.columns.records.record(key) if key else None

    def _chose_column(self, _key: str | None) -> None:
        self._show_column(self._column())

    def _show_column(self, column: ColumnDrift | None) -> None:
        if column is None:
            self._chart.show_bars("Column", None, "Choose a report and a column to see how its values are spread.")
            self._measures.show_records({})
            self._column_says.show_text("")
            return
        bars = words.bars_of(column)
        self._chart.show_bars(plain(column.name), bars, "This column has no values that could be drawn.")
        self._column_says.show_text(words.about_column(column))
        self._measures.show_records({name: (name, measure) for name, measure in column.measures.items()})

    # Acts.

    def _check_now(self) -> None:
        endpoint = self._picker.currentData()
        if endpoint is None:
            return
        self._checking = True
        self._check.setEnabled(False)
        self._check.show_title("Checking …")

        def done(_report: DriftReport) -> None:
            self._restore_check()
            self.context.load(Topic.REPORTS)

        def failed(error: DeskError) -> None:
            self._restore_check()
            self.context.complain(error)

        self.context.ask("drift check", lambda desk: desk.drift.check(endpoint), done, failed)

    def _restore_check(self) -> None:
        self._checking = False
        self._check.setEnabled(self._picker.currentData() is not None)
        self._check.show_title("Check now")

    def show_thing(self, thing: str) -> bool:
        """Choose an endpoint; False where it is not there."""
        place = self._picker.findData(thing)
        if place >= 0:
            self._picker.setCurrentIndex(place)
        return place >= 0

    def check_now(self) -> None:
        """Compare the newest requests of the chosen endpoint with its reference."""
        self._check_now()


VIEWS = (("monitors", "Monitors"), ("reports", "Reports"), ("rules", "Retraining"))
_RULES = frozenset({Topic.RULES, Topic.RETRAININGS, Topic.CONNECTION})


class DriftPage(Page):
    """Three views; only the one that is seen is painted anew."""

    stale: ClassVar[str] = "These states are"
    topics: ClassVar[frozenset[Topic]] = frozenset(
        {Topic.MONITORS, Topic.REPORTS, Topic.ENDPOINTS, Topic.CONNECTION, Topic.RULES, Topic.RETRAININGS, Topic.MODELS}
    )
    loads: ClassVar[tuple[Topic, ...]] = (
        Topic.MONITORS,
        Topic.REPORTS,
        Topic.ENDPOINTS,
        Topic.RULES,
        Topic.RETRAININGS,
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tabs = Tabs("What is shown of drift", VIEWS)
        self.monitors, self.reports, self.rules = MonitorsView(context), ReportsView(context), RulesPanel(context)
        self._views = QStackedWidget()
        for view in (self.monitors, self.reports, self.rules):
            self._views.addWidget(view)
        whole = QVBoxLayout(self.content)
        whole.setContentsMargins(theme.SPACE_16, 0, theme.SPACE_16, theme.SPACE_16)
        whole.setSpacing(theme.SPACE_8)
        whole.addWidget(self._stale_line)
        top = QHBoxLayout()
        top.addWidget(self.tabs, 0, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        top.addStretch(1)
        top.addWidget(self.monitors.filter, 1)
        whole.addLayout(top)
        whole.addWidget(self._views, 1)
        self.monitors.review.connect(self._review)
        self.tabs.chosen.connect(self._turn)
        self.tabs.choose("monitors")

    def _turn(self, key: str) -> None:
        view = {"monitors": self.monitors, "reports": self.reports, "rules": self.rules}[key]
        self._views.setCurrentWidget(view)
        self.monitors.filter.setVisible(key == "monitors")
        if self.isVisible():
            self.refresh(self.topics)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.rules.stack(stacked=self.width() < NARROW)

    def refresh(self, topics: frozenset[Topic]) -> None:
        seen = self.tabs.current()
        self.tabs.count("rules", self._waiting() or None)
        if seen == "rules" and topics & _RULES:
            self.rules.refresh(self.context.store)
        elif seen == "reports" and topics & {Topic.REPORTS, Topic.ENDPOINTS, Topic.CONNECTION}:
            self.reports.refresh()
        elif seen == "monitors":
            if topics & {Topic.MONITORS, Topic.ENDPOINTS, Topic.CONNECTION}:
                self.monitors.refresh()
            if topics & _RULES:
                self.monitors.show_retraining()

    def _waiting(self) -> int:
        every = (self.context.store.retrainings.value or {}).values()
        return sum(one.state.value == "waiting_for_approval" for one in every)

    def reload(self) -> None:
        super().reload()
        self.monitors.pane.look(again=True)

    def reword(self) -> None:
        super().reword()
        self.reports.reword()
        self.monitors.pane.reword()

    def left(self) -> None:
        self.monitors.pane.left()

    def _review(self, retraining: str | None) -> None:
        """Go to the retraining that waits for a person."""
        self.tabs.choose("rules")
        if retraining is not None:
            self.rules.retrainings.select(retraining)

    def show_thing(self, thing: str) -> bool:
        """Choose a monitor or an endpoint's, a retraining (``retraining:ID``), or reports (``reports:ENDPOINT``)."""
        kind, _, identifier = thing.partition(":")
        if thing in dict(VIEWS):
            self.tabs.choose(thing)
            return True
        if kind == "retraining" and identifier:
            self.tabs.choose("rules")
            return self.rules.retrainings.select(identifier)
        if kind == "reports" and identifier:
            self.tabs.choose("reports")
            return self.reports.show_thing(identifier)
        if self.monitors.show_thing(thing):
            self.tabs.choose("monitors")
            return True
        if self.reports.show_thing(thing):
            self.tabs.choose("reports")
            return True
        return False

    def filter_field(self) -> QLineEdit | None:
        seen = self.tabs.current()
        return self.monitors.filter if seen == "monitors" else self.reports.filter if seen == "reports" else None

    def escape(self) -> None:
        if self.tabs.current() == "monitors":
            self.monitors.escape()
        else:
            super().escape()

    def actions_here(self) -> list[Action]:
        places = frozenset({"title", "main", "menu", "palette"})
        acts = self.monitors.acts
        return [
            Action("drift.new", "New monitor …", acts.create, places=places, asks=True),
            Action("drift.judge", "Check the chosen monitor now", acts.check_now, when=acts.has_chosen, asks=True),
            Action("drift.edit", "Edit the chosen monitor …", acts.ask_to_edit, when=acts.has_chosen, asks=True),
            Action(
                "drift.pause",
                "Pause or resume the chosen monitor",
                acts.pause_or_resume,
                when=acts.has_chosen,
                asks=True,
            ),
            Action("drift.remove", "Remove the chosen monitor …", acts.ask_to_remove, when=acts.has_chosen, asks=True),
            Action("drift.check", "Check the endpoint for drift now", self.reports.check_now, asks=True),
            *self.rules.actions_here(),
        ]
