"""Dialogs about images: pull, build, remove, clear away.

What an image is called, as people type it: read as registries read it, and told what is wrong. No Qt here.

The grammar is that of distribution/reference; the agent and the engine judge anew.

Build an image from a folder with a Dockerfile: chosen or typed, with the name that it gets.

Prune: what would go and why, what stays because of what, and how much becomes free, before anything goes.

Exactly what was shown goes: the ids that were seen are sent, and what became of each is compared with them.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QDialog, QHBoxLayout, QSplitter, QVBoxLayout, QWidget

from mlops_desk.engines.records.image import PruneItem, PrunePreview
from mlops_desk.engines.records.task import ImageTask
from mlops_desk.engines.window import loads
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.widgets.path_field import PathField
from mlops_desk.kit.window.words import numbers

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

DEFAULT_REGISTRY, DEFAULT_TAG, LIBRARY = "docker.io", "latest", "library"
NAME_LIMIT = 255  # of a name without tag and digest, as registries have it
_TYPED_LIMIT = 512  # more than name, tag and digest together
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_ADDRESS = re.compile(r"\[[0-9a-fA-F:]{2,45}\]", re.ASCII)
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", re.ASCII)
_PART = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", re.ASCII)
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}", re.ASCII)
_SHA256 = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A name, in its parts. ``tag`` is None where none was typed; with a ``digest`` it means nothing."""

    registry: str
    path: str
    tag: str | None = None
    digest: str | None = None

    def told(self) -> str:
        """Return what will be pulled, in a sentence."""
        name = f"{self.path} from {self.registry}"
        if self.digest is not None:
            return f"{name}, pinned to its digest: always the same."
        if self.tag is None:
            return f"{name}, tag {DEFAULT_TAG}: none was given. What it names changes over time."
        return f"{name}, tag {self.tag}."

    def short(self) -> str:
        """Return the name as engines list it."""
        path = self.path.removeprefix(f"{LIBRARY}/") if self.registry == DEFAULT_REGISTRY else self.path
        name = path if self.registry == DEFAULT_REGISTRY else f"{self.registry}/{path}"
        return f"{name}@{self.digest}" if self.digest is not None else f"{name}:{self.tag or DEFAULT_TAG}"


class BadReferenceError(ValueError):
    """It is no name of an image; the text says why."""


def read(text: str) -> ImageReference:
    """Read what was typed. Raises BadReferenceError."""
    typed = text.strip()
    if not typed:
        raise BadReferenceError("")
    if len(typed) > _TYPED_LIMIT:
        raise BadReferenceError(f"A name has {NAME_LIMIT} letters at most.")
    if any(sign.isspace() for sign in typed):
        raise BadReferenceError("A name has no blanks in it.")
    if "://" in typed:
        raise BadReferenceError("A name begins with its registry, without https://.")
    name, at, digest = typed.partition("@")
    if at and not _SHA256.fullmatch(digest):
        raise BadReferenceError("After @ stands sha256: and 64 digits.")
    name, tag = _tag(name)
    registry, path = _registry(name)
    _check(path)
    if registry == DEFAULT_REGISTRY and "/" not in path:
        path = f"{LIBRARY}/{path}"
    return ImageReference(registry, path, tag, digest or None)


def _tag(name: str) -> tuple[str, str | None]:
    head, slash, last = name.rpartition("/")
    path, colon, tag = last.partition(":")
    if colon and not slash and tag.isdecimal() and "." in path:
        raise BadReferenceError("After the registry stands / and the image's name.")
    if colon and not _TAG.fullmatch(tag):
        why = "A tag has letters, digits, dots, dashes and underscores, 128 at most."
        raise BadReferenceError(why if tag else "After : stands a tag, as in python:3.12-slim.")
    return f"{head}{slash}{path}", tag if colon else None


def _registry(name: str) -> tuple[str, str]:
    """Tell the registry from the path: it has a dot or a port, or is called localhost."""
    first, slash, rest = name.partition("/")
    if not slash or not (first == "localhost" or set(".:[") & set(first)):
        return DEFAULT_REGISTRY, name
    host, port = first, None
    if ":" in first and not first.endswith("]"):
        host, _, port = first.rpartition(":")
    if port is not None and not _PORT.fullmatch(port):
        raise BadReferenceError("The port of a registry is a number.")
    if not (_ADDRESS.fullmatch(host) or all(_LABEL.fullmatch(label) for label in host.split("."))):
        raise BadReferenceError(f"{plain(first, 40)} is no name of a registry.")
    if first in {"index.docker.io", "registry-1.docker.io"}:
        first = DEFAULT_REGISTRY
    return first, rest


def _check(path: str) -> None:
    if not path:
        raise BadReferenceError("The name of the image is missing.")
    if path != path.lower():
        raise BadReferenceError("Names of images have small letters only.")
    if len(path) > NAME_LIMIT:
        raise BadReferenceError(f"A name has {NAME_LIMIT} letters at most.")
    if not all(_PART.fullmatch(part) for part in path.split("/")):
        raise BadReferenceError("A name has small letters and digits, with single dots, dashes or underscores between.")


_ABOUT = (
    "The folder is taken as it is now, without what its .dockerignore names. It goes on when this window is closed."
)
_REMEMBERED = "images/build_folder"
_NO_PLACE = {"/", "/home", "/usr", "/etc", "/var"}


class BuildDialog(FormDialog):
    """Asks for folder, Dockerfile and tag; ``begun`` carries the task."""

    begun = Signal(object)

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent, "Build an image", _ABOUT, "Build image")
        self._context = context
        before = str(context.memory.value(_REMEMBERED) or "")
        self.path = PathField("Folder", "The folder to build from", "as ~/train", text=before)
        self.folder, self.pick = self.path.line, self.path.pick
        self.file = Field("Dockerfile", text="Dockerfile")
        self.tag = Field("Tag", "as lab/train:1")
        self.add("Folder", self.path, "On the agent's machine: what the Dockerfile copies from.")
        self.add("Dockerfile", self.file, "Its path in the folder.")
        self.add("Tag", self.tag, "What the image is called then; without one it is named after the folder.")
        self.first = self.folder
        self.submit = self._build

    def _wrong(self, folder: Path) -> DeskError | None:
        """Return what can be told before the agent is asked."""
        if not self.folder.text().strip():
            return DeskError("No folder is named.", "Choose the one with the Dockerfile.")
        if str(folder) in _NO_PLACE:
            return DeskError(f"{folder} is no folder to build from: all of it would be sent.", "Choose the project's.")
        if not self.file.text().strip():
            return DeskError("No Dockerfile is named.", "It is mostly called Dockerfile.")
        try:
            if self.tag.text().strip():
                read(self.tag.text())
        except BadReferenceError as error:
            return DeskError(f"The tag can't be used. {error}", "Write one as lab/train:1.")
        return None

    def _build(self) -> None:
        try:
            folder = Path(self.folder.text().strip()).expanduser().absolute()
        except RuntimeError:  # ~NAME of a person who is none
            self.fail(DeskError(f"{self.folder.text()[:60]} is no folder of anybody.", "Choose it."))
            return
        wrong = self._wrong(folder)
        if wrong is not None:
            self.fail(wrong)
            return
        tag, file, engine = self.tag.text().strip(), self.file.text().strip(), loads.engine(self._context.store)
        self.begin("Asking …")
        self._context.ask(
            "build image",
            lambda desk: desk.images.build(str(folder), tag=tag, file=file, engine=engine),
            self._begun,
            self.fail,
        )

    def _begun(self, task: ImageTask) -> None:
        self._context.memory.setValue(_REMEMBERED, self.folder.text().strip())
        self.begun.emit(task)
        self.accept()


_DAY_SECONDS = 86_400.0
AGES = (("now", 0.0), ("for a day", _DAY_SECONDS), ("for a week", 7 * _DAY_SECONDS),
        ("for 30 days", 30 * _DAY_SECONDS))  # fmt: skip
_NAMED = 3  # chosen: what one still reads in a sentence
_PRUNE_ABOUT = "Only images that this desk pulled or built can go, and only those that nothing needs."


class PruneDialog(QDialog):
    """Shows a preview, and does what it shows."""

    def __init__(self, parent: QWidget, context: Context) -> None:
        super().__init__(parent)
        self._context = context
        self._seen: PrunePreview | None = None
        self._task: Task | None = None
        self.setWindowTitle("Prune images")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self.age = ChoiceBox("Not needed")
        for title, seconds in AGES:
            self.age.addItem(title, seconds)
        self.age.activated.connect(self.look)
        self.going: RecordTable[PruneItem] = RecordTable("What would go", _GOING, context.memory)
        self.staying: RecordTable[PruneItem] = RecordTable("What stays", _STAYING, context.memory)
        self.goes, self.stays = Card("What would go"), Card("What stays")
        self.says = Label("", bold=True, wrap=True)
        self.trouble = Label("", tone="alert", wrap=True)
        self.trouble.hide()
        self.act = Button("Remove", main=True, harmful=True)
        self.act.clicked.connect(self._prune)
        self.back = Button("Leave it")
        self.back.setDefault(True)
        self.back.clicked.connect(self.reject)
        self._arrange()
        self.look()
        self.back.setFocus()

    def _arrange(self) -> None:
        above = QHBoxLayout()
        above.setSpacing(theme.SPACE_8)
        name = Label("Not needed")
        name.setBuddy(self.age)
        above.addWidget(name)
        above.addWidget(self.age)
        above.addStretch(1)
        self.goes.column.addWidget(self.going, 1)
        self.stays.column.addWidget(self.staying, 1)
        split = QSplitter(Qt.Orientation.Vertical)
        split.addWidget(self.goes)
        split.addWidget(self.stays)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(Label(_PRUNE_ABOUT, tone="muted", wrap=True))
        column.addLayout(above)
        column.addWidget(split, 1)
        column.addWidget(self.says)
        column.addWidget(self.trouble)
        column.addLayout(answers(self.back, self.act))
        room = self.screen().availableSize()
        wished = theme.READING_WIDTH + theme.LIST_WIDTH, theme.DIALOG_TALL
        self.resize(min(wished[0], room.width()), min(wished[1], room.height() - theme.FRAME_HEIGHT))

    # What would go.

    def look(self) -> None:
        """Ask what would go; an answer to an earlier choice is not shown."""
        self._seen = None
        if self._task is not None:
            self._task.cancel()
        age, engine = float(self.age.currentData()), loads.engine(self._context.store)
        self.act.setEnabled(False)
        self.trouble.hide()
        self.says.show_text("Looking what nothing needs …")
        self._task = self._context.ask(
            "what would go", lambda desk: desk.images.preview(age, engine=engine), self._show, self._fail
        )

    def _show(self, found: PrunePreview) -> None:
        self._seen = found
        self.going.show_records({item.id: item for item in found.going})
        self.staying.show_records({item.id: item for item in found.staying})
        count = len(found.going)
        self.goes.heading.show_text(f"What would go: {count:,}")
        self.stays.heading.show_text(f"What stays: {len(found.staying):,}")
        freed = f" At least {numbers.size(found.freed_bytes)} become free." if found.freed_bytes else ""
        said = f"{numbers.count(count, 'image')} would go.{freed}" if count else "Nothing would go."
        self.says.show_text(said)
        self.act.show_title(f"Remove {numbers.count(count, 'image')}" if count else "Remove")
        self.act.updateGeometry()
        self.act.setEnabled(bool(count))

    def _fail(self, error: DeskError) -> None:
        self.says.show_text("")
        self.trouble.show_text(f"{error.message} {error.hint or ''}".strip())
        self.trouble.show()
        self.act.setEnabled(self._seen is not None)

    # Doing it.

    def _prune(self) -> None:
        seen = self._seen
        if seen is None or not self.act.isEnabled():
            return
        ids = [item.id for item in seen.going]
        self.act.setEnabled(False)
        self.age.setEnabled(False)
        self.says.show_text(f"Removing {numbers.count(len(ids), 'image')} …")
        self._context.ask(
            "prune images",
            lambda desk: desk.images.prune(ids, unused_seconds=seen.unused_seconds, engine=seen.engine),
            self._done,
            self._refused,
        )

    def _refused(self, error: DeskError) -> None:
        self.age.setEnabled(True)
        self._fail(error)

    def _done(self, done: PrunePreview) -> None:
        """Tell what went; where it is not what was shown, say what stayed and why, and stay open for it."""
        stayed = changed(self._seen or done, done)
        freed = f" {numbers.size(done.freed_bytes)} are free again." if done.freed_bytes else ""
        went = f"{numbers.count(len(done.going), 'image')} went.{freed}"
        if not stayed:
            self._context.say("info", went)
            self.accept()
            return
        self.age.setEnabled(True)
        self._show(done)
        self.act.setEnabled(False)
        self.act.hide()
        self.back.show_title("Close")
        self.goes.heading.show_text(f"What went: {len(done.going):,}")
        named = "; ".join(f"{plain(item.name, 60)}: {plain(item.text, 120)}" for item in stayed[:_NAMED])
        more = f" … and {len(stayed) - _NAMED:,} more" if len(stayed) > _NAMED else ""
        self.says.show_text(went)
        count = numbers.count(len(stayed), "image")
        self.trouble.show_text(f"Something has changed since: {count} stayed. {named}{more}")
        self.trouble.show()


def changed(seen: PrunePreview, done: PrunePreview) -> list[PruneItem]:
    """Return what was shown as going and has not gone, with why, as far as it is told."""
    gone = {item.id for item in done.going}
    why = {item.id: item for item in done.staying}
    return [why.get(item.id, item) for item in seen.going if item.id not in gone]


def _size(item: PruneItem) -> Cell:
    freed = item.own_bytes if item.own_bytes is not None else item.size_bytes
    return Cell(numbers.size(freed), -1 if freed is None else freed, tip=f"{numbers.size(item.size_bytes)} in all")


_NAME: Column[PruneItem] = Column("name", "Image", lambda one: Cell(one.name, tip=one.id), stretch=True, whole=True)
_FREES: Column[PruneItem] = Column("frees", "Frees", _size, right=True)
_WHY: Column[PruneItem] = Column("why", "Why", lambda one: Cell(one.text, one.why))
_BECAUSE: Column[PruneItem] = Column("why", "Because of", lambda one: Cell(one.text, one.why))
_GOING, _STAYING = (_NAME, _FREES, _WHY), (_NAME, _FREES, _BECAUSE)
