"""The states of a page that has nothing to show: loading, empty, error. Always with what to do next."""

from collections.abc import Callable
from dataclasses import dataclass

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import Role
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.words import hints


@dataclass(frozen=True, slots=True)
class Empty:
    """What will be here, the one act that fills it, and, where it helps, a command to paste."""

    title: str
    text: str
    act: str | None = None
    do: Callable[[], None] | None = None
    command: str | None = None


class StateView(QWidget):
    """One message in the middle of a page, or of a card: ``width`` pixels wide, and less where there is no room."""

    accessible_role = Role.Grouping

    def __init__(self, width: int = theme.STATE_WIDTH) -> None:
        super().__init__()
        self._title = Label(points=theme.TITLE_POINTS, bold=True, wrap=True)
        self._title.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._text = Label(tone="muted", wrap=True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._hint = Label(wrap=True)
        self._hint.setAlignment(Qt.AlignmentFlag.AlignHCenter)
        self._command = CommandLine()
        self._act = Button("", main=True)
        self._act.clicked.connect(self._do)
        self._copy = CopyButton("Copy details", self.details)
        self._callback: Callable[[], None] | None = None
        self._wide = width
        self._arrange(width)

    def _arrange(self, width: int) -> None:
        buttons = QHBoxLayout()
        buttons.setSpacing(theme.SPACE_8)
        buttons.addStretch()
        buttons.addWidget(self._act)
        buttons.addWidget(self._copy)
        buttons.addStretch()
        inner = QVBoxLayout()
        inner.setSpacing(theme.SPACE_12)
        for widget in (self._title, self._text, self._hint, self._command):
            inner.addWidget(widget)
        inner.addSpacing(theme.SPACE_4)
        inner.addLayout(buttons)
        column = self._column = QWidget()
        column.setLayout(inner)
        column.setFixedWidth(width)
        across = QHBoxLayout()
        across.addStretch()
        across.addWidget(column)
        across.addStretch()
        across.setContentsMargins(0, 0, 0, 0)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addStretch(2)
        outer.addLayout(across)
        outer.addStretch(3)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._column.setFixedWidth(min(self._wide, self.width()))

    def show_loading(self, title: str, text: str, cancel: Callable[[], None] | None) -> None:
        self._fill(title, text, None, None)
        self._offer("Cancel" if cancel else None, cancel, copy=False)
        self._act.set_main(main=False)  # to stop waiting is not what one comes here for

    def show_empty(self, empty: Empty) -> None:
        self._fill(empty.title, empty.text, None, empty.command)
        self._offer(empty.act, empty.do, copy=False)

    def show_error(self, title: str, error: DeskError, again: Callable[[], None]) -> None:
        sentence, command = hints.parts(error.hint, error.command)
        self._fill(title, error.message, sentence, command)
        self._offer("Try again", again, copy=True)

    def details(self) -> str:
        """Return everything that is shown, as text."""
        command = "" if self._command.isHidden() else self._command.command()
        return "\n".join(part for part in (self._title.whole, self._text.whole, self._hint.whole, command) if part)

    def _fill(self, title: str, text: str, hint: str | None, command: str | None) -> None:
        self._title.show_text(title)
        for label, words in ((self._text, text), (self._hint, hint or "")):
            label.show_text(words)
            label.setVisible(bool(words))
        self._command.show_command(command)
        self.setAccessibleName(f"{title}. {text} {hint or ''}")

    def _offer(self, act: str | None, do: Callable[[], None] | None, *, copy: bool) -> None:
        self._callback = do
        self._act.set_main(main=True)
        self._act.setVisible(act is not None and do is not None)
        self._act.show_title(act or "")
        self._act.updateGeometry()
        self._copy.setVisible(copy)

    def _do(self) -> None:
        if self._callback is not None:
            self._callback()


NUMBERS = "The workstation's numbers"


def starting(what: str) -> tuple[str, str]:
    """Return the title and the text of a page that waits for the agent: the same before it is made and after."""
    return "Starting the agent …", f"{what} will be here as soon as it answers."
