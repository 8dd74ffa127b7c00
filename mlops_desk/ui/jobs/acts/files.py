"""What is made of a job's file: a copy, a template, a job once more; and all of the job in one file."""

import re
from pathlib import Path

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QWidget

from mlops_desk.records.jobs.brief import JobBrief
from mlops_desk.records.jobs.capsule import Exported
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.jobs.template import JobTemplate
from mlops_desk.ui.jobs.form.submit_form import SubmitDialog
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.words import numbers

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
