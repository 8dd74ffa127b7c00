"""What is dropped on the form, or opened in it, made a job file of: a docker run line, a Compose file, an MLproject.

A job file is taken as it is. What was lost or changed on the way is told, each thing by the name that it had.
"""

import re
from collections.abc import Callable

from PySide6.QtCore import QObject, Signal
from PySide6.QtWidgets import QWidget

from mlops_desk.jobs.records.job_import import ImportedJob, ImportedJobs, ImportNote
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.words import numbers

_RUN_LINE = re.compile(r"\s*(sudo\s+)?(docker|podman|nerdctl)(\s+container)?\s+run\s")
_FOREIGN = re.compile(r"^(services|entry_points)\s*:", re.MULTILINE)
_MOST_NOTES = 12  # chosen: more than one reads; the command line lists all
_KINDS = {"docker run": "a docker run line", "compose": "a Compose file", "mlproject": "an MLproject"}


def is_run_line(text: str) -> bool:
    """Tell whether a text is the command that starts a container."""
    return _RUN_LINE.match(text) is not None


def is_foreign(text: str) -> bool:
    """Tell whether a text is no job file, but something that one can be made of."""
    return is_run_line(text) or (_FOREIGN.search(text) is not None and "kind: Job" not in text)


class Importer(QObject):
    """``made`` carries the job file and the report; ``failed`` a DeskError. A job is chosen where there are several."""

    made = Signal(str, str)
    failed = Signal(object)

    def __init__(self, parent: QWidget, context: Context, choose: Callable[[ImportedJobs], None]) -> None:
        super().__init__(parent)
        self._context = context
        self._choose = choose

    def take(self, text: str, folder: str) -> None:
        """Make job files of a text; what it names is looked for in ``folder``."""

        def ask(desk: ClientLike) -> ImportedJobs:
            if is_run_line(text):
                return desk.jobs.import_(folder=folder, docker_run=text.strip())
            return desk.jobs.import_(text, folder)

        self._context.ask("import", ask, self._take, self._refused)

    def _take(self, found: ImportedJobs) -> None:
        if len(found.jobs) > 1:
            self._choose(found)
        elif found.jobs:
            self.use(found, found.jobs[0])

    def use(self, found: ImportedJobs, job: ImportedJob) -> None:
        """Take one of the jobs that were found."""
        self.made.emit(job.spec, report(found.kind, job))

    def _refused(self, error: DeskError) -> None:
        self.failed.emit(error)


def report(kind: str, job: ImportedJob) -> str:
    """Return what was made of what, and what did not come over as it was: what was lost first."""
    head = f"Made of {_KINDS.get(kind, plain(kind))}"
    if not job.notes:
        return f"{numbers.OK} {head}: all of it came over."
    notes = sorted(job.notes, key=lambda note: not note.lost)
    lines = [_line(note) for note in notes[:_MOST_NOTES]]
    more = len(notes) - _MOST_NOTES
    lost = sum(note.lost for note in notes)
    count = f"{lost:,} of its options lost, {len(notes) - lost:,} changed"
    return "\n".join([f"{numbers.WARNING} {head}: {count}.", *lines, *([f"and {more:,} more"] if more > 0 else [])])


def _line(note: ImportNote) -> str:
    what = "lost" if note.lost else "changed"
    return plain(f"{note.option} {note.value}: {what}. {note.why}".replace(" : ", ": "), LINE_LIMIT)
