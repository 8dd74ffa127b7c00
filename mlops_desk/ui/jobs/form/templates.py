"""Job files to begin with: chosen from a list, and one's own kept in it."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.template import JobTemplate
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.choice import ChoiceBox

_BEGIN = "Start from …"


class TemplateChoice(QWidget):
    """``chosen`` carries a template. ``name`` and ``text`` (with its folder) tell what is kept when asked to."""

    chosen = Signal(object)

    def __init__(self, context: Context, name: Callable[[], str], text: Callable[[], tuple[str, str]]) -> None:
        super().__init__()
        self._context = context
        self._name = name
        self._text = text
        self._known: dict[str, JobTemplate] = {}
        self.box = ChoiceBox("Start from a template")
        self.box.setSizeAdjustPolicy(ChoiceBox.SizeAdjustPolicy.AdjustToContents)
        self.box.addItem(_BEGIN)
        self.box.activated.connect(self._choose)
        self.keep = Button("Keep as template", tip="Keep this file under the job's name, to begin with another time")
        self.keep.clicked.connect(self._keep)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.box)
        row.addWidget(self.keep)
        self._ask()

    def _ask(self) -> None:
        self._context.ask("templates", lambda desk: desk.jobs.templates(), self._take)

    def _take(self, found: Sequence[JobTemplate]) -> None:
        self._known = {one.name: one for one in found}
        self.box.clear()
        self.box.addItem(_BEGIN)
        for one in found:
            own = " (own)" if one.own else ""
            self.box.addItem(f"{plain(one.title or one.name, 60)}{own}", one.name)

    def _choose(self, number: int) -> None:
        one = self._known.get(str(self.box.itemData(number)))
        if one is not None:
            self.chosen.emit(one)

    def _keep(self) -> None:
        name, (text, folder) = self._name(), self._text()
        self.keep.setEnabled(False)

        def done(kept: JobTemplate) -> None:
            self.keep.setEnabled(True)
            self._context.say("info", f"The template {kept.name} is kept.")
            self._ask()

        def failed(error: DeskError) -> None:
            self.keep.setEnabled(True)
            self._context.complain(error)

        self._context.ask("keep template", lambda desk: desk.jobs.save_template(name, text, folder), done, failed)
