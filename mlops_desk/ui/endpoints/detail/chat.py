"""Asking a model that takes messages: what was said so far, and what is said next."""

from typing import Any

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPlainTextEdit, QVBoxLayout, QWidget

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.ui.endpoints import talk
from mlops_desk.ui.look import theme
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.textbox import TextBox

_WHOLE = 100_000  # characters of what was said that are shown: nobody reads more
_NAMES = {"user": "You", "assistant": "Model"}


class ChatForm(QWidget):
    """Keeps what was said until another endpoint or revision is shown; what was refused is still to be sent."""

    def __init__(self) -> None:
        super().__init__()
        self.system = Field("System message", "System message, where the model is to be told how to answer")
        self.said = TextBox("What was said so far")
        self.said.setReadOnly(True)
        self.next = TextBox("What you say next")
        self.next.setMaximumHeight(3 * theme.FIELD_HEIGHT)
        for box in (self.said, self.next):  # it is prose, no JSON
            box.setLineWrapMode(QPlainTextEdit.LineWrapMode.WidgetWidth)
        self.anew = Button("New conversation")
        self.anew.clicked.connect(self._forget)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.SPACE_4)
        column.addWidget(self.system)
        column.addWidget(self.said, 1)
        column.addWidget(self.next)
        column.addWidget(self.anew, 0, Qt.AlignmentFlag.AlignLeft)
        self._example: dict[str, Any] | None = None
        self._messages: list[talk.Message] = []

    @property
    def is_chat(self) -> bool:
        """Whether the endpoint's example is a conversation."""
        return self._example is not None

    def begin(self, example: Any) -> None:
        """Begin with an example, whose last message is proposed as what is said next."""
        messages = talk.messages_of(example)
        self._example = example if messages is not None else None
        self._forget()
        if messages is None:
            return
        self.system.setText(next((one["content"] for one in messages if one["role"] == "system"), ""))
        self.next.setPlainText(messages[-1]["content"] if messages[-1]["role"] == "user" else "")

    def body(self) -> dict[str, Any]:
        """Return what is to be sent. Raises Invalid where nothing is said."""
        said = self.next.toPlainText().strip()
        if self._example is None or not said:
            raise Invalid("Nothing is said yet.", "Write what you say to the model.")
        system = self.system.text().strip()
        told = [{"role": "system", "content": system}] if system else []
        return talk.with_messages(self._example, [*told, *self._messages, {"role": "user", "content": said}])

    def take(self, body: str) -> None:
        """Take the model's answer into the conversation, where it has the form of one."""
        answer = talk.answer_of(body)
        said = self.next.toPlainText().strip()
        if answer is None or not said:
            return
        self._messages += [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
        self.next.setPlainText("")
        self._show()
        self.next.setFocus()

    def _forget(self) -> None:
        self._messages = []
        self._show()

    def _show(self) -> None:
        lines = [f"{_NAMES[one['role']]}: {_plain(one['content'])}" for one in self._messages]
        self.said.setPlainText("\n\n".join(lines)[-_WHOLE:])
        self.anew.setEnabled(bool(self._messages))


def _plain(text: str) -> str:
    return "\n".join(plain(line, _WHOLE) for line in text.splitlines())
