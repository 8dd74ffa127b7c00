"""What can be done with the chosen monitor, with a question where something is lost."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.drift.records.monitors import MonitorStanding, MonitorState
from mlops_desk.drift.window import queries
from mlops_desk.drift.window.monitors.form import MonitorDialog
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import ask


class MonitorActs(QObject):
    """What the agent announces is what the page then shows. ``chosen`` says which monitor is meant.

    ``columns`` are those of its windows. ``made`` carries the id of a monitor that was made.
    """

    made = Signal(str)

    def __init__(
        self,
        page: QWidget,
        context: Context,
        chosen: Callable[[], MonitorStanding | None],
        columns: Callable[[], Sequence[str]],
    ) -> None:
        super().__init__(page)
        self._page = page
        self._context = context
        self._chosen = chosen
        self._columns = columns
        self.check = Button("Check now", tip="Judge what is new in its source", asks=True)
        self.edit = Button("Edit …", asks=True)
        self.live = Button("Hold against live rows", tip="Its first live rows become the reference", asks=True)
        self.pause = Button("Pause", asks=True)
        self.remove = Button("Remove …", harmful=True, asks=True)
        self._checking: set[str] = set()
        self.check.clicked.connect(self.check_now)
        self.edit.clicked.connect(self.ask_to_edit)
        self.live.clicked.connect(self.hold_against_live_rows)
        self.pause.clicked.connect(self.pause_or_resume)
        self.remove.clicked.connect(self.ask_to_remove)

    def buttons(self) -> tuple[Button, ...]:
        return self.live, self.check, self.edit, self.pause, self.remove

    def show_standing(self, standing: MonitorStanding | None) -> None:
        """Offer what can be done with it."""
        for button in self.buttons():
            button.setVisible(standing is not None)
        if standing is None:
            return
        self.live.setVisible((standing.command or "").endswith("--reference live"))
        paused = standing.state is MonitorState.PAUSED
        self.pause.show_title("Resume" if paused else "Pause")
        self.pause.updateGeometry()
        checking = standing.monitor.id in self._checking
        self.check.setEnabled(not checking and not paused)
        self.check.show_title("Checking …" if checking else "Check now")
        self.check.updateGeometry()

    def has_chosen(self) -> bool:
        return self._chosen() is not None

    def create(self) -> None:
        """Open the form for a new monitor, which is chosen then."""
        dialog = MonitorDialog(self._page, self._context, None)
        dialog.made.connect(self.made)
        dialog.open()

    def ask_to_edit(self) -> None:
        standing = self._chosen()
        if standing is not None:
            MonitorDialog(self._page, self._context, standing.monitor, self._columns()).open()

    def check_now(self) -> None:
        """Judge what is new now."""
        standing = self._chosen()
        if standing is None or standing.monitor.id in self._checking:
            return
        key = standing.monitor.id
        self._checking.add(key)
        self.show_standing(standing)

        def done(_answer: object) -> None:
            self._checking.discard(key)
            self.show_standing(self._chosen())

        def failed(error: DeskError) -> None:
            done(None)
            self._context.complain(error)

        self._context.ask("check monitor", queries.check(key), done, failed)

    def hold_against_live_rows(self) -> None:
        """Have its first live rows be what later ones are held against: the click is the answer to what it asks."""
        standing = self._chosen()
        if standing is not None:
            self._context.ask("monitor", queries.hold_against_live_rows(standing.monitor.id), _nothing)

    def pause_or_resume(self) -> None:
        standing = self._chosen()
        if standing is not None:
            question = queries.resume if standing.state is MonitorState.PAUSED else queries.pause
            self._context.ask("pause monitor", question(standing.monitor.id), _nothing)

    def ask_to_remove(self) -> None:
        standing = self._chosen()
        if standing is None:
            return
        key, name = standing.monitor.id, plain(standing.monitor.name)
        text = "Its windows and what was judged of them go with it, and its alert ends. Reports that were made stay."
        if standing.monitor.is_proposed:
            text += " The desk proposes no other for this endpoint."
        ask(self._page, f"Remove monitor {name}?", text, "Remove monitor", lambda: self._do_remove(key))

    def _do_remove(self, key: str) -> None:
        self._context.ask("remove monitor", queries.remove(key), _nothing)


def _nothing(_answer: object) -> None:
    """Wait for the announcement: a page paints what the agent told, not what was asked for."""
