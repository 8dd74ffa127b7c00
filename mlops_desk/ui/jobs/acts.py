"""What can be done with the chosen job: each act as a button above it, and in menus and the palette."""

from collections.abc import Callable

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.ui.actions import Action
from mlops_desk.ui.jobs.form.priority_form import PriorityDialog
from mlops_desk.ui.jobs.form.submit_form import SubmitDialog
from mlops_desk.ui.jobs.shell import can_open, open_shell
from mlops_desk.ui.jobs.stop import ask_to_stop
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.words import jobs as words


class JobActs(QObject):
    """``chosen`` tells which job is meant; dialogs belong to ``page``."""

    def __init__(self, page: QWidget, context: Context, chosen: Callable[[], JobBrief | None]) -> None:
        super().__init__(page)
        self._page = page
        self._context = context
        self._chosen = chosen
        self.stop = Button("Stop job …", harmful=True)
        self.priority = Button("Priority …", tip="Let it go before others, or after them")
        self.shell = Button("Shell", tip="Open a terminal inside the job's container")
        self.again = Button("Resubmit …", tip="Open the form with this job's file")
        self.copy = Button("Copy YAML", symbol="copy", tip="Copy the file that would submit it again")
        self.stop.clicked.connect(self._ask_to_stop)
        self.priority.clicked.connect(self._prioritise)
        self.shell.clicked.connect(self._open_shell)
        self.again.clicked.connect(self._resubmit)
        self.copy.clicked.connect(self._copy_file)

    def buttons(self) -> tuple[Button, ...]:
        return self.stop, self.priority, self.shell, self.again, self.copy

    def refresh(self) -> None:
        """Show what can be done with the job that is chosen now."""
        self.stop.setVisible(self._can_stop())
        self.priority.setVisible(self._can_prioritise())
        self.shell.setVisible(self._has_container())
        self.again.setVisible(self._is_chosen())
        self.copy.setVisible(self._is_chosen())

    def actions(self) -> list[Action]:
        """Return the same for menus and the palette."""
        return [
            Action("jobs.cancel", "Stop the chosen job …", self._ask_to_stop, when=self._can_stop),
            Action("jobs.priority", "Priority of the chosen job …", self._prioritise, when=self._can_prioritise),
            Action("jobs.shell", "Shell in the chosen job", self._open_shell, when=self._has_container),
            Action("jobs.resubmit", "Resubmit the chosen job …", self._resubmit, when=self._is_chosen),
            Action("jobs.copy", "Copy the chosen job's YAML", self._copy_file, when=self._is_chosen),
        ]

    def _is_chosen(self) -> bool:
        return self._chosen() is not None

    # Stopping.

    def _can_stop(self) -> bool:
        job = self._chosen()
        return job is not None and not job.state.is_final and not job.cancel_requested

    def _ask_to_stop(self) -> None:
        job = self._chosen()
        if job is not None and self._can_stop():
            ask_to_stop(self._page, job, lambda: self._stop(job.id))

    def _stop(self, identifier: str) -> None:
        self.stop.setEnabled(False)

        def done(_answer: object) -> None:
            self.stop.setEnabled(True)

        def failed(error: DeskError) -> None:
            self.stop.setEnabled(True)
            self._context.complain(error)

        self._context.ask("stop job", lambda desk: desk.jobs.cancel(identifier), done, failed)

    # Its place, its container.

    def _can_prioritise(self) -> bool:
        job = self._chosen()
        return job is not None and job.state in words.WAITING

    def _prioritise(self) -> None:
        job = self._chosen()
        if job is not None:
            PriorityDialog(self._page, self._context, job).open()

    def _has_container(self) -> bool:
        return can_open(self._context, self._chosen())

    def _open_shell(self) -> None:
        job = self._chosen()
        if job is not None:
            open_shell(self._context, job)

    # Its file.

    def _with_file(self, then: Callable[[JobBrief, str], None]) -> None:
        job = self._chosen()
        if job is not None:
            self._context.ask("file of the job", lambda desk: desk.jobs.yaml(job.id), lambda text: then(job, text))

    def _resubmit(self) -> None:
        self._with_file(lambda _job, text: SubmitDialog(self._page, self._context, text).open())

    def _copy_file(self) -> None:
        self._with_file(self._copied)

    def _copied(self, job: JobBrief, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        self._context.say("info", f"The file of {job.name} is copied.")
