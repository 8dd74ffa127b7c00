"""The fields of a job file, one below the other: what is typed goes into the file, what the file says comes here."""

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFormLayout, QLineEdit, QWidget

from mlops_desk.jobs.window.form.yaml_text import Path, Value, found, value_of
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import announce
from mlops_desk.kit.window.look.text import Label, set_tip
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.textbox import TextBox

if TYPE_CHECKING:
    import yaml


# The fields of the form: where each stands in the job file, and how it is typed. No Qt here.
# A value that can't be typed in its field without loss (a variable of several lines) is left to the YAML.
class NotYet(ValueError):  # noqa: N818 - reads as a sentence where it is raised
    """What was typed is no value yet; its words are for a person."""


@dataclass(frozen=True, slots=True)
class Writing:
    """How a value is typed. ``shown`` returns None for one that it can't show; ``typed`` raises NotYet."""

    shown: Callable[[Value], str | None]
    typed: Callable[[str], Value]
    lines: bool = False


@dataclass(frozen=True, slots=True)
class FormField:
    """One field. ``example`` is shown while it is empty, ``help`` under the pointer."""

    title: str
    path: Path
    writing: Writing
    example: str = ""
    help: str = ""
    always: bool = False
    """Whether it stays in the file when it is emptied: a job can't do without."""


# How values are typed.


def _shown_text(value: Value) -> str | None:
    return value if isinstance(value, str) and "\n" not in value else None


def _shown_command(value: Value) -> str | None:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        return None
    return " ".join(_quoted(word) for word in value if isinstance(word, str))


def _quoted(word: str) -> str:
    """Return a word as a shell takes it; one with apostrophes in double quotes where those do nothing to it."""
    return f'"{word}"' if "'" in word and not set(word) & set('"\\$`!') else shlex.quote(word)


def _typed_command(text: str) -> Value:
    try:
        return list(shlex.split(text))
    except ValueError:
        raise NotYet("A quote is not closed.") from None


def _shown_pairs(value: Value) -> str | None:
    if not isinstance(value, Mapping):
        return None
    lines = []
    for name, text in value.items():
        if not isinstance(text, str) or "\n" in text or "=" in name or text != text.strip():
            return None
        lines.append(f"{name}={text}")
    return "\n".join(lines)


def _typed_pairs(text: str) -> Value:
    pairs: dict[str, Value] = {}
    for line in filter(str.strip, text.splitlines()):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise NotYet(f"{line.strip()[:40]!r} is no NAME=VALUE.")
        pairs[name.strip()] = value.strip()
    return pairs


def _shown_mounts(value: Value) -> str | None:
    if not isinstance(value, list):
        return None
    lines = []
    for one in value:
        if not isinstance(one, Mapping) or not {"source", "target"} <= one.keys() <= {"source", "target", "mode"}:
            return None
        parts = [part for name in ("source", "target", "mode") if isinstance(part := one.get(name, ""), str) and part]
        if len(parts) != len(one) or any(":" in part or "\n" in part or part != part.strip() for part in parts):
            return None
        lines.append(":".join(parts))
    return "\n".join(lines)


def _typed_mounts(text: str) -> Value:
    found: list[Value] = []
    for line in filter(str.strip, text.splitlines()):
        parts = [part.strip() for part in line.split(":")]
        if len(parts) not in {2, 3} or not all(parts):
            raise NotYet(f"{line.strip()[:40]!r} is no SOURCE:TARGET or SOURCE:TARGET:rw.")
        found.append(dict(zip(("source", "target", "mode"), parts, strict=False)))
    return found


def _shown_names(value: Value) -> str | None:
    if not isinstance(value, list):
        return None
    names = [name for name in value if isinstance(name, str)]
    fits = len(names) == len(value) and not any(set(name) & set(", \n") or not name for name in names)
    return ", ".join(names) if fits else None


TEXT = Writing(_shown_text, str.strip)
COMMAND = Writing(_shown_command, _typed_command)
PAIRS = Writing(_shown_pairs, _typed_pairs, lines=True)
MOUNTS = Writing(_shown_mounts, _typed_mounts, lines=True)
NAMES = Writing(_shown_names, lambda text: [name.strip() for name in text.split(",") if name.strip()])

FIELDS: tuple[FormField, ...] = (
    FormField("Name", ("name",), TEXT, "train-digits", "What people call it.", always=True),
    FormField("Image", ("image",), TEXT, "python:3.12-slim",
              "Any image: it needs nothing of its own. It is pinned to what it is when the job is submitted.",
              always=True),
    FormField("Command", ("command",), COMMAND, "python train.py --lr {lr}",
              "As in a shell. {NAME} is put in from the parameters."),
    FormField("GPUs", ("resources", "gpus"), TEXT, "0", "Whole GPUs, all of them or none."),
    FormField("GPU model", ("resources", "gpu_model"), TEXT, "any", "A pattern: H100*"),
    FormField("GPU memory", ("resources", "gpu_memory"), TEXT, "any", "The least that each of its GPUs has: 40GiB"),
    FormField("CPUs", ("resources", "cpus"), TEXT, "as the engine gives", "4, or 1.5"),
    FormField("Memory", ("resources", "memory"), TEXT, "as the engine gives", "16GiB. With more it is killed."),
    FormField("Shared memory", ("resources", "shm"), TEXT, "64MiB", "PyTorch's loaders need some GiB."),
    FormField("Time limit", ("timeLimit",), TEXT, "none",
              "90m, 8h. With one, others know when it is their turn, and it may go before them."),
    FormField("Priority", ("priority",), TEXT, "0", "A whole number; larger goes first."),
    FormField("Experiment", ("mlflow", "experiment"), TEXT, "no run", "The MLflow experiment that its run is in."),
    FormField("Parameters", ("params",), PAIRS, "lr=0.1", "NAME=VALUE, one a line; put in where {NAME} stands."),
    FormField("Environment", ("env",), PAIRS, "OMP_NUM_THREADS=8", "NAME=VALUE, one a line. No secrets."),
    FormField("Mounts", ("mounts",), MOUNTS, "/data/digits:/data",
              "SOURCE:TARGET, one a line; read only, unless :rw stands behind it."),
    FormField("Code", ("source", "folder"), TEXT, "in the image",
              "A folder; it is frozen when the job is submitted, and stands at /work."),
    FormField("Checkpoint", ("checkpoint",), TEXT, "none", "A folder in the container that the next attempt finds."),
    FormField("Preemptible", ("preemptible",), TEXT, "false", "true: it may be asked to save and make room."),
    FormField("After", ("afterSuccess",), NAMES, "at once", "Jobs that must have succeeded first, by id or name."),
)  # fmt: skip


_LINES = 3  # chosen: rows of a field that has one entry a line
_MESSAGE_LIMIT = 200  # chosen: characters under a field; all of it stands below the form


class FieldsPane(QWidget):
    """``typed`` carries a path and the value that is to stand there (None: none)."""

    typed = Signal(object, object)

    def __init__(self) -> None:
        super().__init__()
        self.rows = {field.path: FieldRow(field) for field in FIELDS}
        layout = QFormLayout(self)
        layout.setContentsMargins(0, 0, theme.SPACE_4, 0)
        layout.setSpacing(theme.SPACE_8)
        layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for path, row in self.rows.items():
            layout.addRow(row.name, row.input)
            layout.addRow("", row.message)
            row.message.hide()
            row.changed.connect(lambda value, path=path: self.typed.emit(path, value))

    def show_file(self, node: "yaml.MappingNode | None", why_not: str = "") -> None:
        """Show what the file says; None: it can't be told (``why_not``), so nothing can be typed here."""
        for path, row in self.rows.items():
            if row.input.hasFocus() and node is not None:
                continue  # somebody types there, and the file has what they typed
            if node is None:
                row.block(why_not)
                continue
            there = found(node, path)
            row.show_value(None if there is None else value_of(there))

    def point_at(self, path: Path | None, message: str) -> bool:
        """Say under the field at ``path``, or the one that it lies in, what is wrong; nothing under all others."""
        near = [field for field in self.rows if path is not None and (path[: len(field)] == field)]
        for field, row in self.rows.items():
            row.say(message if field in near else "")
        return bool(near)


class FieldRow(QWidget):
    """One field with its name and what is wrong with it. ``changed`` carries the value."""

    changed = Signal(object)

    def __init__(self, field: FormField) -> None:
        super().__init__()
        self.field = field
        self.name = Label(field.title)
        self.input: QLineEdit | TextBox = _lines(field) if field.writing.lines else Field(field.title)
        self.input.setPlaceholderText(field.example)
        self.input.setAccessibleName(field.title)
        self.input.setAccessibleDescription(field.help)
        set_tip(self.input, field.help)
        self.name.setBuddy(self.input)
        self.name.setMinimumHeight(theme.FIELD_HEIGHT)
        self.message = Label(points=theme.CAPTION_POINTS, tone="alert", wrap=True)
        self._shown: Value | None = None
        self._said = ""
        self.input.textChanged.connect(self._typed)
        self.hide()  # only its parts are shown, by the form

    def text(self) -> str:
        return self.input.text() if isinstance(self.input, QLineEdit) else self.input.toPlainText()

    def show_value(self, value: Value | None) -> None:
        """Show a value of the file; one that would not come back as it was is left to the file."""
        self.input.setEnabled(True)
        if value == self._shown and value is not None:
            return
        shown = "" if value is None else self.field.writing.shown(value)
        if shown is None:
            self.block("It is written in the YAML in a way that this field can't show.")
            return
        self._shown = value
        self._put(shown)

    def block(self, why: str) -> None:
        """Let nothing be typed, and say why."""
        self._shown = None
        self._put("")
        self.input.setEnabled(False)
        self.input.setAccessibleDescription(why)
        set_tip(self.input, why)

    def say(self, message: str) -> None:
        """Say under the field what is wrong, also to who hears the window."""
        if message and message != self._said:
            announce(self.input, f"{self.field.title}: {message}")
        self._said = message
        self.message.show_text(plain(message, _MESSAGE_LIMIT))
        self.message.setVisible(bool(message))
        self.input.setAccessibleDescription(message or self.field.help)

    def _put(self, text: str) -> None:
        if text == self.text():
            return
        self.input.blockSignals(True)
        if isinstance(self.input, QLineEdit):
            self.input.setText(text)
            self.input.setCursorPosition(0)
        else:
            self.input.setPlainText(text)
        self.input.blockSignals(False)
        set_tip(self.input, self.field.help)
        self.say("")

    def _typed(self) -> None:
        text = self.text()
        try:
            value: Value | None = self.field.writing.typed(text) if text.strip() else None
        except NotYet as error:
            self.say(str(error))
            return
        self.say("")
        if value is None and self.field.always:
            value = ""
        self._shown = value
        self.changed.emit(value)


def _lines(field: FormField) -> TextBox:
    box = TextBox(field.title)
    box.setFixedHeight(_LINES * box.fontMetrics().lineSpacing() + 2 * theme.SPACE_8)
    return box
