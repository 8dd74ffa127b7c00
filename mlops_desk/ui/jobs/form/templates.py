"""Job files to begin with: chosen from a list, and one's own kept in it."""

from collections.abc import Callable, Sequence

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.template import JobTemplate
from mlops_desk.ui.jobs.form.template_picker import TemplatePicker
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.button import Button


class TemplateChoice(QWidget):
    """``chosen`` carries a template. ``name`` and ``text`` (with its folder) tell what is kept when asked to."""

    chosen = Signal(object)

    def __init__(self, context: Context, name: Callable[[], str], text: Callable[[], tuple[str, str]]) -> None:
        super().__init__()
        self._context = context
        self._name = name
        self._text = text
        self._known: tuple[JobTemplate, ...] = ()
        self.begin = Button("Start from …", tip="Begin with a template: the ones that come along, and your own")
        self.begin.clicked.connect(lambda _on=False: self.pick())
        self.keep = Button("Save as template", tip="Keep this file under the job's name, to begin with another time")
        self.keep.clicked.connect(lambda _on=False: self._keep())
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.begin)
        row.addWidget(self.keep)
        self._ask()

    def pick(self) -> TemplatePicker:
        """Open the list."""
        picker = TemplatePicker(self, self._context, self._known)
        picker.picked.connect(self.chosen)
        picker.forgotten.connect(self._forget)
        picker.open()
        return picker

    def _ask(self) -> None:
        self._context.ask("templates", lambda desk: desk.jobs.templates(), self._take)

    def _take(self, found: Sequence[JobTemplate]) -> None:
        self._known = tuple(found)

    def _forget(self, one: JobTemplate) -> None:
        def done(_gone: JobTemplate) -> None:
            self._context.say("info", f"The template {one.name} is forgotten.")
            self._ask()

        self._context.ask("forget template", lambda desk: desk.jobs.remove_template(one.name), done)

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
