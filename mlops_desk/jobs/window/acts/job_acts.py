"""What can be done with the chosen job: the acts one needs most as buttons above it, all of them in a menu.

Another priority for a job that waits.
"""

import os
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from mlops_desk.jobs.records.brief import JobBrief
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.provenance import Exported
from mlops_desk.jobs.records.template import JobTemplate
from mlops_desk.jobs.window.acts.act import ActButton, ActWords, JobAct, menu_title
from mlops_desk.jobs.window.acts.group_acts import GroupActs
from mlops_desk.jobs.window.form.submit_form import SubmitDialog
from mlops_desk.jobs.window.table.rows import QueueRow, job_of
from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.process import python_command, start_detached
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.offline import why_away
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.confirmation import ask
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import jobs as words
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.jobs import title


class PriorityDialog(FormDialog):
    """Asks for a whole number."""

    def __init__(self, parent: QWidget, context: Context, job: JobBrief) -> None:
        name = title(job)
        about = f"{name} waits. The larger goes first; among equals it is whose turn it is."
        super().__init__(parent, f"Priority of {name}", about, "Change priority")
        self._context = context
        self._job = job
        self.field = Field("Priority", text=str(job.priority))
        self.field.selectAll()
        self.add("Priority", self.field, "A whole number; 0 is usual, and it may be below 0.")
        self.submit = self._change

    def _change(self) -> None:
        text, identifier = self.field.text().strip(), self._job.id
        try:
            priority = int(text)
        except ValueError:
            self.fail(DeskError(f"{text[:40]!r} is no whole number.", "Type one, as 10 or -5."))
            return
        self.begin("Changing …")
        self._context.ask("priority", lambda desk: desk.jobs.prioritize(identifier, priority), self._done, self.fail)

    def _done(self, _job: Job) -> None:
        self.accept()


# The question before a job is stopped: it names the job, and says what is lost.
def ask_to_stop(parent: QWidget, job: JobBrief, then: Callable[[], None]) -> None:
    """Ask; ``then`` runs when the act is chosen."""
    if job.state in words.WAITING:
        title, act = f"Take {words.title(job)} out of the queue?", "Take out of queue"
        place = f" It is {words.ordinal(job.position)} in the queue." if job.position is not None else ""
        text = f"It has not started, so no work is lost.{place} Submit it again to put it back at the end."
    else:
        title, act = f"Stop {words.title(job)}?", "Stop job"
        text = "Its container is asked to end and gets some time to save; what it hasn't saved by then is lost."
        if job.started_at is not None:
            text = f"It has run for {numbers.duration(agent_clock.now() - job.started_at)}. {text}"
    ask(parent, title, text, act, then)


# A shell in a running job's container, in the terminal that the person uses.
_TERMINALS = (
    ("x-terminal-emulator", "-e"),
    ("gnome-terminal", "--"),
    ("konsole", "-e"),
    ("xfce4-terminal", "-x"),
    ("xterm", "-e"),
)
"""Programs that run a command in a window, each with the option after which it stands; Debian's own choice first."""


def why_no_shell(context: Context, job: JobBrief) -> str:
    """Return why none can be opened in a job that runs: it has no container, it is elsewhere, or made up."""
    options = context.options
    if options.demo:
        return "there are no containers in the demonstration"
    if options.address.folder is None:
        return "it runs on another machine"
    return "" if job.container is not None else "it has no container"


def open_shell(context: Context, job: JobBrief, found: Callable[[str], str | None] = shutil.which) -> None:
    """Open one; where there is no terminal, say what to type in one."""
    folder = context.options.address.folder
    terminal = _terminal(found)
    if terminal is None or folder is None:
        hint = Hint(f"mlops-desk jobs shell {job.id}", before="Type in one: ")
        context.complain(DeskError("No terminal program was found.", hint))
        return
    words = python_command("mlops_desk", "--address", str(context.options.address), "jobs", "shell", job.id)
    log = folder.logs / "shell.log"

    def start() -> int:
        try:
            return start_detached([*terminal, *words], log)
        except OSError as error:
            raise DeskError(f"{terminal[0]} can't be started: {error}.", "Look at TERMINAL.") from error

    context.tasks().run("open a shell", start, lambda _pid: None, context.complain)


def _terminal(found: Callable[[str], str | None]) -> list[str] | None:
    """Return how a command is run in a terminal: in the one that the person names, else in the first that is there."""
    named = os.environ.get("TERMINAL", "")
    wanted = [(named, "-e")] if named else []
    return next(([program, option] for name, option in (*wanted, *_TERMINALS) if (program := found(name))), None)


# What is made of a job's file: a copy, a template, a job once more; and all of the job in one file.
ENDING = ".mldcapsule"
_NAME_LIMIT = 80  # chosen: a file's name that is still read


class FileActs:
    """Dialogs belong to ``page``."""

    def __init__(self, page: QWidget, context: Context) -> None:
        self._page = page
        self._context = context

    def resubmit(self, job: JobBrief) -> None:
        """Open the form with the job's file, and what differs from it as it is changed."""

        def open_form(text: str) -> None:
            SubmitDialog(self._page, self._context, text, of=job.name).open()

        self._context.ask("file of the job", lambda desk: desk.jobs.yaml(job.id), open_form)

    def copy(self, job: JobBrief) -> None:
        def copied(text: str) -> None:
            QGuiApplication.clipboard().setText(text)
            self._context.say("info", f"The file of {job.name} is copied.")

        self._context.ask("file of the job", lambda desk: desk.jobs.yaml(job.id), copied)

    def keep_as_template(self, job: JobBrief) -> None:
        """Keep the job's file under its name, to begin with another time."""

        def kept(template: JobTemplate) -> None:
            self._context.say("info", f"The template {template.name} is kept. New job … starts from it.")

        self._context.ask("keep template", lambda desk: desk.jobs.save_template(job.name, desk.jobs.yaml(job.id)), kept)

    def run_again(self, job: JobBrief) -> None:
        """Queue the same once more, and choose it."""

        def queued(again: Job) -> None:
            self._context.say("info", f"{again.name} is in the queue once more.")
            self._context.open_page("jobs", again.id)

        self._context.ask("run again", lambda desk: desk.jobs.rerun(job.id), queued)

    def export(self, job: JobBrief) -> QFileDialog:
        """Ask where to, and write the job with its code, log and metrics there."""
        name = re.sub(r"[^\w.-]+", "-", job.name)[:_NAME_LIMIT].strip("-.") or "job"
        wished = str(Path.home() / f"{name}-{job.id[:8]}{ENDING}")
        chooser = QFileDialog(self._page, f"Export {job.name}", wished, f"Jobs in one file (*{ENDING})")
        chooser.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
        chooser.setDefaultSuffix(ENDING)
        chooser.selectFile(wished)
        chooser.fileSelected.connect(lambda name: self._export_to(job, name))
        chooser.open()
        return chooser

    def _export_to(self, job: JobBrief, name: str) -> None:
        def written(file: Exported) -> None:
            self._context.say("info", f"{job.name} is written to {file.path} ({numbers.size(file.size_bytes)}).")

        self._context.ask("export job", lambda desk: desk.jobs.export(job.id, name), written)


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
            self._fill(menu, of_group, by_key=self.job() is None)  # of a chosen job, keys do what is the job's
        menu.addSeparator()

    @staticmethod
    def _fill(menu: QMenu, acts: Iterable[JobAct], *, by_key: bool = True) -> None:
        for act in acts:
            entry = menu.addAction(menu_title(act, by_key=by_key))
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
