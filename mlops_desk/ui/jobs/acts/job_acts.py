"""What can be done with the chosen job: the acts one needs most as buttons above it, all of them in a menu."""

from collections.abc import Callable, Iterable

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QMenu, QWidget

from mlops_desk.base.errors import DeskError
from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.job import JobState
from mlops_desk.ui.actions import Action
from mlops_desk.ui.jobs.acts.act import ActButton, ActWords, JobAct, menu_title
from mlops_desk.ui.jobs.acts.files import FileActs
from mlops_desk.ui.jobs.acts.group_acts import GroupActs
from mlops_desk.ui.jobs.acts.shell import open_shell, why_no_shell
from mlops_desk.ui.jobs.acts.stop import ask_to_stop
from mlops_desk.ui.jobs.form.priority_form import PriorityDialog
from mlops_desk.ui.jobs.table.rows import QueueRow, job_of
from mlops_desk.ui.live.away import why_away
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.words import jobs as words

_NOTHING = "no job is chosen"
_WORDS = {
    "cancel": ActWords("Stop the chosen job …", "Stop job …", "Take it out of the queue, or end it", "Del"),
    "resubmit": ActWords(
        "Resubmit the chosen job …",
        "Resubmit …",
        "Open the form with this job's file",
        "Ctrl+E",
        "edit clone",
    ),
    "copy": ActWords("Copy the chosen job's YAML", "Copy YAML", "Copy the file to submit it again", "Ctrl+Shift+C"),
    "shell": ActWords(
        "Shell in the chosen job",
        "Shell",
        "Open a terminal inside the job's container",
        "Ctrl+T",
        "terminal exec",
    ),
    "explain": ActWords("Explain why the chosen job waits", "Explain", "What would start it sooner", "Ctrl+I", "when"),
    "priority": ActWords("Priority of the chosen job …", "Priority …", "Let it go before others, or after them"),
    "rerun": ActWords("Run the chosen job once more", "Run again", "Queue the same image, code and job file once more"),
    "keep": ActWords("Keep the chosen job's file as a template", "Save as template", "Begin with it another time"),
    "export": ActWords("Export the chosen job …", "Export …", "Write job file, code, log and metrics to one file"),
}


class JobActs(QObject):
    """``row`` tells what is chosen; ``explain`` shows why a job waits. Dialogs belong to ``page``."""

    def __init__(
        self,
        page: QWidget,
        context: Context,
        row: Callable[[], QueueRow | None],
        explain: Callable[[], None],
    ) -> None:
        super().__init__(page)
        self._page = page
        self._context = context
        self._row = row
        self._stopping = False
        self._files = FileActs(page, context)
        self._group = GroupActs(page, context, row)
        self.acts = {act.id: act for act in self._made(explain)}
        self.stop = ActButton(self.acts["jobs.cancel"], harmful=True)
        self.shell = ActButton(self.acts["jobs.shell"])
        self.again = ActButton(self.acts["jobs.resubmit"])
        self.copy = ActButton(self.acts["jobs.copy"], symbol="copy")
        self.more = Button("More", symbol="menu", tip="All that can be done with it (Menu key, right click)")
        self.more.clicked.connect(lambda _on=False: self._open_menu())

    def _made(self, explain: Callable[[], None]) -> Iterable[JobAct]:
        def act(key: str, do: Callable[[], None], why_not: Callable[[], str]) -> JobAct:
            return JobAct(f"jobs.{key}", _WORDS[key], do, lambda: why_away(self._context.store) or why_not())

        files, of, any_job = self._files, self._with_job, self._why_not_any
        yield act("cancel", self._ask_to_stop, self._why_not_stop)
        yield act("resubmit", of(files.resubmit), any_job)
        yield act("copy", of(files.copy), any_job)
        yield act("shell", self._open_shell, self._why_no_shell)
        yield act("explain", explain, self._why_not_waiting)
        yield act("priority", self._prioritise, self._why_not_waiting)
        yield act("rerun", of(files.run_again), any_job)
        yield act("keep", of(files.keep_as_template), any_job)
        yield act("export", of(files.export), any_job)

    def buttons(self) -> tuple[Button, ...]:
        return (*self._group.buttons(), self.stop, self.again, self.copy, self.shell, self.more)

    def refresh(self) -> None:
        """Show what can be done with what is chosen now."""
        job = self.job()
        for button in (self.stop, self.again, self.copy, self.shell):
            button.setVisible(job is not None)
            button.refresh()
        self._group.refresh()
        self.more.setVisible(self._row() is not None)

    def actions(self) -> list[Action]:
        """Return the same for menus and the palette."""
        return [act.action() for act in (*self.acts.values(), *self._group.acts.values())]

    def press(self, key: str) -> bool:
        """Do what a key of the table stands for; False where it stands for nothing that can be done."""
        acts = self._group.acts if self.job() is None else self.acts
        found = next((act for act in acts.values() if act.words.key == key and not act.why_not()), None)
        if found is not None:
            found.do()
        return found is not None

    def fill(self, menu: QMenu) -> None:
        """Put all that can be done with what is chosen into a menu; what can't be done now says why."""
        if self.job() is not None:
            self._fill(menu, self.acts.values())
        of_group = [act for act in self._group.acts.values() if self._group.is_meant()]
        if of_group:
            menu.addSeparator()
            self._fill(menu, of_group)
        menu.addSeparator()

    @staticmethod
    def _fill(menu: QMenu, acts: Iterable[JobAct]) -> None:
        for act in acts:
            entry = menu.addAction(menu_title(act))
            entry.setObjectName(act.id)
            entry.setEnabled(not act.why_not())
            entry.triggered.connect(lambda _on=False, act=act: act.run())

    def _open_menu(self) -> None:
        menu = QMenu(self.more)
        menu.setToolTipsVisible(True)
        self.fill(menu)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(self.more.mapToGlobal(self.more.rect().bottomLeft()))

    # What is chosen.

    def job(self) -> JobBrief | None:
        return job_of(self._row())

    def _with_job(self, do: Callable[[JobBrief], object]) -> Callable[[], None]:
        def run() -> None:
            job = self.job()
            if job is not None:
                do(job)

        return run

    def _why_not_any(self) -> str:
        return "" if self.job() is not None else _NOTHING

    # Stopping.

    def _why_not_stop(self) -> str:
        job = self.job()
        if job is None:
            return _NOTHING
        if job.state.is_final:
            return "it is over"
        return "it was asked to stop already" if job.cancel_requested or self._stopping else ""

    def _ask_to_stop(self) -> None:
        job = self.job()
        if job is not None:
            ask_to_stop(self._page, job, lambda: self._stop(job.id))

    def _stop(self, identifier: str) -> None:
        self._stopping = True
        self.stop.refresh()

        def done(_answer: object) -> None:
            self._stopping = False
            self.stop.refresh()

        def failed(error: DeskError) -> None:
            done(None)
            self._context.complain(error)

        self._context.ask("stop job", lambda desk: desk.jobs.cancel(identifier), done, failed)

    # Its place, its container.

    def _why_not_waiting(self) -> str:
        job = self.job()
        return _NOTHING if job is None else "" if job.state in words.WAITING else "it does not wait"

    def _prioritise(self) -> None:
        job = self.job()
        if job is not None:
            PriorityDialog(self._page, self._context, job).open()

    def _why_no_shell(self) -> str:
        job = self.job()
        if job is None:
            return _NOTHING
        if job.state is not JobState.RUNNING:
            return "it does not run"
        return why_no_shell(self._context, job)

    def _open_shell(self) -> None:
        job = self.job()
        if job is not None:
            open_shell(self._context, job)
