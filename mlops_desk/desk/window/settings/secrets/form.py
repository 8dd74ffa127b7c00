"""A secret is typed, or read from a file, and sent; nothing shows it, copies it, undoes to it or says it aloud.

A field of passwords keeps what is typed from the clipboard, from dragging and from assistive tools. It is emptied
when the dialog closes, whatever became of it.

Which of one's jobs name a secret, so that nobody takes away what a job waits for; and where it is, in words.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFileDialog, QHBoxLayout, QLineEdit, QWidget

from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import FILE, KEYRING, SecretName
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import numbers

LOOKED_AT = 1000  # chosen: of each state; more jobs of one person do not wait, and each comes whole
_PLACES = {
    KEYRING: ("your keyring", "In your own keyring; a job that names it waits while that is locked."),
    FILE: ("a file", "In a file of mode 0400 in the agent's data folder."),
}
_WAITING = (JobState.QUEUED, JobState.BLOCKED)
_STATES = (*_WAITING, JobState.STARTING, JobState.RUNNING)


@dataclass(frozen=True, slots=True)
class KeptSecret:
    """A secret, and the names of the jobs that wait with it, and that run with it."""

    secret: SecretName
    waiting: tuple[str, ...] = ()
    running: tuple[str, ...] = ()


def ask(desk: ClientLike) -> dict[str, KeptSecret]:
    """Return one's secrets by name, each with the jobs that name it."""
    secrets = desk.secrets.list()
    if not secrets:
        return {}
    user = desk.agent.info().user
    jobs = [job for state in _STATES for job in desk.jobs.list(state=state, limit=LOOKED_AT)]
    return joined(secrets, [job for job in jobs if is_own(job, user)])


def is_own(job: Job, simulated_user: str | None) -> bool:
    """Tell whether a job is this person's; at a simulated workstation everybody is ``simulated_user``."""
    return job.user == simulated_user if simulated_user is not None else job.submitted_by == os.geteuid()


def joined(secrets: Iterable[SecretName], jobs: Iterable[Job]) -> dict[str, KeptSecret]:
    """Return the secrets with the jobs that name them."""
    waiting: dict[str, list[str]] = {}
    running: dict[str, list[str]] = {}
    for job in jobs:
        for name in job.spec.secrets:
            (waiting if job.state in _WAITING else running).setdefault(name, []).append(job.name)
    return {
        one.name: KeptSecret(one, tuple(waiting.get(one.name, ())), tuple(running.get(one.name, ()))) for one in secrets
    }


def place(secret: SecretName) -> tuple[str, str]:
    """Return where a secret is kept, in a few words and in a sentence."""
    return _PLACES.get(secret.kept_in, (secret.kept_in, ""))


LARGEST_BYTES = 64 << 10  # as much as the command line reads of one
_ABOUT = (
    "Jobs of yours that name it get it as the file /run/secrets/{name}. It is in no log, no label, no database, and "
    "nothing shows it again."
)


class SecretDialog(FormDialog):
    """Adds one, or puts another value in the place of ``name``'s."""

    def __init__(self, parent: QWidget, context: Context, name: str | None = None) -> None:
        title, act = (f"Replace {name}", "Replace secret") if name is not None else ("Add a secret", "Add secret")
        super().__init__(parent, title, _ABOUT.format(name=name or "NAME"), act)
        self._context = context
        self._replaced = name
        self._file: Path | None = None
        self.name = Field("Name", "as hf-token", text=name or "")
        self.name.setReadOnly(name is not None)
        self.value = secret_field()
        self.value.textEdited.connect(self._typed_one)
        self.pick = Button("From a file …", tip="Read it from a file, of up to 64 KiB of text")
        self.pick.clicked.connect(self._choose)
        self.source = Label("", points=theme.CAPTION_POINTS, tone="muted")
        self.source.hide()
        row = QWidget()
        inside = QHBoxLayout(row)
        inside.setContentsMargins(0, 0, 0, 0)
        inside.setSpacing(theme.SPACE_8)
        inside.addWidget(self.value, 1)
        inside.addWidget(self.pick)
        self.add("Name", self.name, "Letters, digits, dots, dashes and underscores.")
        self.add("Value", row, "What is typed is not shown. A key of several lines comes from its file.")
        self.value.setAccessibleName("Value")
        row.setFocusProxy(self.value)
        self.fields.addRow("", self.source)
        self.first = self.value if name is not None else self.name
        self.submit = self._keep

    def _typed_one(self) -> None:
        if self._file is not None:
            self._file = None
            self.source.hide()

    # From a file.

    def _choose(self) -> None:
        chooser = QFileDialog(self, "The file with the secret", str(Path.home()), "All files (*)")
        chooser.setFileMode(QFileDialog.FileMode.ExistingFile)
        chooser.fileSelected.connect(lambda name: self.take_file(Path(name)))
        chooser.open()

    def take_file(self, path: Path) -> None:
        """Take what a file says, which is read when it is sent."""
        self._file = path
        self.value.clear()
        self.source.show_text(f"From {path}")
        self.source.show()

    # Keeping it.

    def _keep(self) -> None:
        name, path, typed = self.name.text().strip(), self._file, self.value.text()
        if not name or (path is None and not typed):
            what = "name" if not name else "value"
            self.fail(DeskError(f"The {what} is empty.", "Type one." if what == "name" else "Type it, or take a file."))
            return
        self.begin("Keeping …")
        self._context.ask(
            "keep secret",
            lambda desk: desk.secrets.set(name, typed if path is None else read(path)),
            self._kept,
            self.fail,
        )

    def done(self, result: int) -> None:
        self.value.clear()
        super().done(result)

    def _kept(self, secret: SecretName) -> None:
        said = f"The secret {secret.name} is {'replaced' if self._replaced else 'kept'}, in {place(secret)[0]}."
        self._context.say("info", f"{said} {secret.note}" if secret.note else said)
        self.accept()


def secret_field() -> Field:
    """Return a field that shows dots, and that neither keyboards nor desktops learn from."""
    field = Field("Value", "hidden")
    field.setEchoMode(QLineEdit.EchoMode.Password)
    hints = Qt.InputMethodHint
    field.setInputMethodHints(
        hints.ImhHiddenText | hints.ImhSensitiveData | hints.ImhNoPredictiveText | hints.ImhNoAutoUppercase
    )
    field.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
    return field


def read(path: Path) -> str:
    """Read a secret's file. Raises DeskError, without a word of what it says."""
    try:
        with open_plain(path, links=True) as file:
            told = file.read(LARGEST_BYTES + 1)
    except OSError as error:
        raise DeskError(f"{plain(str(path))} can't be read: {error.strerror}.", "Choose another file.") from error
    if len(told) > LARGEST_BYTES:
        most = numbers.size(LARGEST_BYTES)
        raise DeskError(f"{plain(path.name)} is larger than {most}; that is no secret.", "Data belongs on a mount.")
    try:
        return told.decode()
    except UnicodeDecodeError:
        text = f"{plain(path.name)} is no text (UTF-8)."
        raise DeskError(text, "Encode it, as by base64, and decode it in the job.") from None
