"""Try what a section of the settings names: the doctor's checks of it, asked when somebody wishes to know."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.agent import Check
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.facts import Fact, FactGrid
from mlops_desk.ui.words import numbers
from mlops_desk.ui.words.numbers import Mark

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

CHECKED = {
    "Network": (
        "Check connection",
        "Ask what the settings above name, as jobs will ask it",
        ("proxy for ", "certificates", "package index", "image registry "),
    ),
    "Endpoints": (
        "Check the way in",
        "Tell whether other machines reach endpoints, and by which certificate",
        ("endpoints network",),
    ),
}
"""By section: what its button says and does, and how the names of the doctor's checks of it begin."""
_STATES = {
    "ok": Mark("ok", numbers.OK, ""),
    "warning": Mark("warning", numbers.WARNING, ""),
    "problem": Mark("alert", numbers.ALERT, ""),
}
_UNKNOWN = Mark("unknown", numbers.UNKNOWN, "")


class SectionChecks(QWidget):
    """A button, and below it what was found."""

    def __init__(self, context: Context, section: str) -> None:
        super().__init__()
        self._context = context
        title, tip, self._begins = CHECKED[section]
        self._task: Task | None = None
        self.act = Button(title, tip=tip)
        self.act.clicked.connect(self.look)
        self.says = Label("", tone="muted", wrap=True)
        self.says.hide()
        self.facts = FactGrid()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_8)
        column.addWidget(self.act, 0, Qt.AlignmentFlag.AlignLeft)
        column.addWidget(self.says)
        column.addWidget(self.facts)

    def look(self) -> None:
        """Ask the doctor, unless he is asked already."""
        if self._task is None or not self._task.running:
            self._say("Asking what is set above …")
            self._task = self._context.ask("check connection", lambda desk: desk.agent.doctor(), self._show, self._fail)

    def _show(self, found: list[Check]) -> None:
        mine = [check for check in found if check.name.startswith(self._begins)]
        self._say("" if mine else "Nothing of it is set that could be asked.")
        self.facts.show_facts([fact for check in mine for fact in facts(check)])

    def _fail(self, error: DeskError) -> None:
        self._say(f"{error.message} {error.hint or ''}".strip(), "alert")

    def _say(self, text: str, tone: str = "muted") -> None:
        self.says.show_text(text)
        self.says.tint(tone)
        self.says.setVisible(bool(text))


def facts(check: Check) -> list[Fact]:
    """Return what was found, and what to paste where something is wrong."""
    mark = _STATES.get(check.state, _UNKNOWN)
    told = [Fact(check.name.capitalize(), f"{mark.shape} {check.text}", mark.token)]
    return [*told, Fact("To paste", check.fix, fixed=True)] if check.fix and check.state != "ok" else told
