"""The frame of all dialogs: a title, fields, the place for an error, and a button that names the act.

A dialog that asks the agent stays open until the answer is there; an error is shown in place, with what
was typed kept.
"""

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent, QShowEvent
from PySide6.QtWidgets import QDialog, QFormLayout, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.roles import announce
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button, answers
from mlops_desk.kit.window.widgets.command import CommandLine
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import hints

if TYPE_CHECKING:
    from collections.abc import Callable


class Paragraph(Label):
    """Words that are always as high as they need at their width: a form would lay its fields over them."""

    def __init__(self, text: str = "", *, points: int = theme.BODY_POINTS, tone: str = "text") -> None:
        super().__init__(text, points=points, tone=tone, wrap=True)
        policy = self.sizePolicy()
        policy.setHeightForWidth(False)
        self.setSizePolicy(policy)

    def show_text(self, text: str) -> None:
        super().show_text(text)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        before = self.minimumHeight()
        self.setMinimumHeight(0)  # a label never says that it needs less than its least height
        height = self.heightForWidth(self.width())
        self.setFixedHeight(height if height > 0 else before)


class FormDialog(QDialog):
    """A window-modal dialog that creates something."""

    def __init__(self, parent: QWidget | None, title: str, about: str, act: str, *, scrolls: bool = False) -> None:
        """``scrolls``: it has more fields than a low screen has room for; its answers stay in sight."""
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setModal(True)
        self._busy = False
        self.first: QWidget | None = None
        self.submit: Callable[[], None] = self.accept
        self.fields = QFormLayout()
        self.fields.setSpacing(theme.SPACE_8)
        self.fields.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._about = Paragraph(about, tone="muted")
        self._error = Paragraph(tone="alert")
        self._error.hide()
        self.command = CommandLine("What to do next, to paste")
        self._helps: dict[QWidget, QWidget] = {}
        self._act_title = act
        self._typed: QWidget | None = None
        self.act = Button(act, main=True)
        self.act.setDefault(True)
        self.act.clicked.connect(self._submit)
        self.cancel = Button("Cancel")
        self.cancel.clicked.connect(self.reject)
        column = self._column = QVBoxLayout(self)
        column.setContentsMargins(*(theme.SPACE_16,) * 4)
        column.setSpacing(theme.SPACE_12)
        column.addWidget(self._about)
        self._area: QScrollArea | None = None
        if scrolls:
            inner = QWidget()
            self.fields.setContentsMargins(0, 0, 0, 0)
            inner.setLayout(self.fields)
            self._area = scrolled(inner, "Fields")
            column.addWidget(self._area, 1)
        else:
            column.addLayout(self.fields, 1)
        column.addWidget(self._error)
        column.addWidget(self.command)
        column.addLayout(answers(self.cancel, self.act))
        self.resize(theme.DIALOG_WIDTH, self.sizeHint().height())

    def fill(self, widget: QWidget, stretch: int = 1) -> None:
        """Put a widget below the fields; with ``stretch`` it takes the room that is left."""
        self._column.insertWidget(self._column.indexOf(self._error), widget, stretch)
        self._column.setStretchFactor(self.fields, 0)

    def add(self, title: str, field: QWidget, help_text: str = "") -> None:
        """Add a field with its name and, below it, what it means."""
        name = Label(title)
        name.setMinimumHeight(max(theme.FIELD_HEIGHT, min(field.sizeHint().height(), field.maximumHeight())))
        name.setMinimumWidth(name.sizeHint().width())
        name.setBuddy(field)
        field.setAccessibleName(title)
        self.fields.addRow(name, field)
        if self.first is None:
            self.first = field
        if help_text:
            field.setAccessibleDescription(help_text)
            self._helps[field] = Paragraph(help_text, points=theme.CAPTION_POINTS, tone="muted")
            self.fields.addRow("", self._helps[field])

    def show_field(self, field: QWidget, *, shown: bool) -> None:
        """Show a field with its name and what it means, or leave all three out."""
        for widget in (field, self._helps.get(field)):
            if widget is not None:
                self.fields.setRowVisible(widget, shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._keep_in_sight()

    def _unfold(self, area: QScrollArea) -> None:
        """Be so high that nothing has to be scrolled, as far as the screen has room for that."""
        self._column.activate()
        others = self.sizeHint().height() - area.sizeHint().height()
        room = self.screen().availableGeometry().height() - theme.FRAME_HEIGHT
        self.resize(self.width(), min(others + self.fields.sizeHint().height(), room))

    def _keep_in_sight(self) -> None:
        """Move up where what came in lets it grow over the screen's lower edge: its answers stand there."""
        room, frame = self.screen().availableGeometry(), self.frameGeometry()
        over = frame.bottom() - room.bottom()
        if self.isVisible() and over > 0:
            self.move(frame.x(), max(room.top(), frame.top() - over))

    def showEvent(self, event: QShowEvent) -> None:
        """Put the focus where one types."""
        super().showEvent(event)
        if self._area is not None:
            self._unfold(self._area)
        if self.first is not None and not isinstance(self.focusWidget(), QLineEdit):
            self.first.setFocus(Qt.FocusReason.OtherFocusReason)

    def begin(self, doing: str) -> None:
        """Show that the agent is being asked."""
        self._busy = True
        asked = self.focusWidget()
        self._typed = self.first if isinstance(asked, Button) else asked
        self.act.setEnabled(False)
        self.act.show_title(doing)
        self._error.hide()
        self.command.show_command(None)

    def fail(self, error: DeskError) -> None:
        """Show why it did not work; everything typed is still there, and the focus is where one types."""
        self._busy = False
        self.act.setEnabled(True)
        self.act.show_title(self._act_title)
        sentence, command = hints.parts(error.hint, error.command)
        self._error.show_text(f"{error.message}\n{sentence}".strip())
        self._error.show()
        self.command.show_command(command)
        announce(self._error, self._error.whole)
        field = self._typed or self.first
        if field is not None:
            field.setFocus()
            if self._area is not None:
                self._area.ensureWidgetVisible(field)

    def error_text(self) -> str:
        return self._error.whole if self._error.isVisible() else ""

    def _submit(self) -> None:
        if not self._busy:
            self.submit()
