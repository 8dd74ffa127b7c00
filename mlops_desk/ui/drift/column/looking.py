"""Looking into a column: asks for its story and for the report of one window, and has the pane show what is known."""

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.drift import DriftReport
from mlops_desk.records.drift.monitors import ColumnStory, JudgedWindow, MonitorStanding
from mlops_desk.records.drift.sources import SourceKind
from mlops_desk.ui.drift import asking, telling
from mlops_desk.ui.drift.column.pane import ColumnPane
from mlops_desk.ui.drift.column.rows import RowsView
from mlops_desk.ui.drift.column.seen import SeenColumn
from mlops_desk.ui.drift.heat.sheet import HeatSheet
from mlops_desk.ui.live.context import Context

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task


class ColumnLook(QObject):
    """``ended``: the column is no longer there. ``stepped`` carries the column above or below that is wanted.

    ``meant`` carries the place of the window that was chosen, ``failed`` an error that the pane has no place for.
    ``rows_opened``: the rows of a window are to be shown in place of the column.
    """

    ended = Signal()
    stepped = Signal(str)
    meant = Signal(int)
    failed = Signal(object)
    rows_opened = Signal()

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent)
        self._context = context
        self._standing: MonitorStanding | None = None
        self._sheet = HeatSheet()
        self.seen: SeenColumn | None = None
        self._story: Task | None = None
        self._report: Task | None = None
        self.pane, self.rows = ColumnPane(context), RowsView(context)
        self.pane.picked.connect(self._pick)
        self.pane.rows_wanted.connect(self._show_rows)
        self.pane.stepped.connect(self._step)

    def look_into(self, standing: MonitorStanding, sheet: HeatSheet, column: str, window: int) -> None:
        """Look into a column of a monitor, at the window that has this place."""
        place = sheet.place_of(column)
        if place is None or not 0 <= window < len(sheet.windows):
            self.ended.emit()
            return
        before, self._standing, self._sheet = self.seen, standing, sheet
        same = before is not None and before.name == column and before.windows == sheet.windows
        one, scores = sheet.windows[window], sheet.rows[place].scores
        self.seen = SeenColumn(
            column, sheet.windows, scores, window, telling.of_cell(column, scores[window], one),
            story=before.story if same and before is not None else None,
            waits_report=one.report_id is not None,
            no_report="" if one.report_id is not None else "The report of this window is not kept any more.",
            has_rows=_has_rows(standing),
        )  # fmt: skip
        self.pane.show_seen(self.seen)
        if self.seen.story is None:
            self._ask_story(standing, column)
        self._ask_report(one)

    def take(self, standing: MonitorStanding, sheet: HeatSheet) -> None:
        """Go on with newer windows: at the one that was looked at, at the newest where it was the newest."""
        seen, newest = self.seen, len(sheet.windows) - 1
        if seen is None:
            return
        kept = None if seen.window >= len(seen.windows) - 1 else seen.windows[seen.window].id
        window = next((at for at, one in enumerate(sheet.windows) if one.id == kept), newest)
        if seen.windows != sheet.windows:
            self.look_into(standing, sheet, seen.name, window)

    def forget(self) -> None:
        """Look into nothing, and hear no answer any more."""
        self.seen = None
        self.rows.left()
        for task in (self._story, self._report):
            if task is not None:
                task.cancel()

    # What is asked.

    def _ask_story(self, standing: MonitorStanding, column: str) -> None:
        if self._story is not None:
            self._story.cancel()
        first, last = self._sheet.windows[0], self._sheet.windows[-1]

        def got(story: ColumnStory) -> None:
            if self.seen is not None and self.seen.name == column:
                self._show(replace(self.seen, story=story))

        question = asking.story(standing.monitor.id, column, first.window_start, last.window_end)
        self._story = self._context.ask("column", question, got, self.failed.emit)

    def _ask_report(self, window: JudgedWindow) -> None:
        if self._report is not None:
            self._report.cancel()
        if window.report_id is None:
            return

        def got(report: DriftReport) -> None:
            if self.seen is not None:
                name = self.seen.name
                found = next((one for one in report.columns if one.name == name), None)
                why = "" if found is not None else "The report of this window does not have the column."
                self._show(replace(self.seen, report=found, waits_report=False, no_report=why))

        def failed(error: DeskError) -> None:
            if self.seen is not None:
                why = f"{error.message} {error.hint or ''}".strip()
                self._show(replace(self.seen, waits_report=False, no_report=why))

        self._report = self._context.ask("report", asking.report(window.report_id), got, failed)

    def _show(self, seen: SeenColumn) -> None:
        self.seen = seen
        self.pane.show_seen(seen)

    # What is chosen.

    def _pick(self, window: int) -> None:
        if self.seen is not None and self._standing is not None:
            self.meant.emit(window)
            self.look_into(self._standing, self._sheet, self.seen.name, window)

    def _step(self, by: int) -> None:
        place = self._sheet.place_of(self.seen.name) if self.seen is not None else None
        if place is not None and 0 <= place + by < len(self._sheet.rows):
            self.stepped.emit(self._sheet.rows[place + by].name)

    def _show_rows(self) -> None:
        """Go to the requests of the window that is looked at, or to its rows in a file."""
        seen, standing = self.seen, self._standing
        if seen is None or standing is None:
            return
        window = seen.windows[seen.window]
        if standing.monitor.source.kind is SourceKind.FILE:
            self.rows.show_window(standing, window, seen.name)
            self.rows_opened.emit()
            return
        if standing.monitor.endpoint is None:
            return
        self._context.axis.show(window.window_start, window.window_end)
        self._context.open_page("endpoints", f"requests:{standing.monitor.endpoint}")


def _has_rows(standing: MonitorStanding) -> bool:
    """Tell whether there is a place to go to for the rows of a window."""
    kind = standing.monitor.source.kind
    return kind is SourceKind.FILE or (kind is SourceKind.LOG and standing.monitor.endpoint is not None)
