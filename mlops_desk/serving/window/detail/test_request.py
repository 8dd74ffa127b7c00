"""Asking the chosen endpoint by hand: a form or JSON, the answer with its time, and the lines to ask it elsewhere.

A conversation with a model that takes messages, as OpenAI's chat completions have them. Pure.
"""

import json
from typing import TYPE_CHECKING, Any, Protocol

from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QFormLayout, QHBoxLayout, QPlainTextEdit, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button, CopyButton
from mlops_desk.kit.window.widgets.card import Card
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.widgets.tabs import Tabs
from mlops_desk.kit.window.widgets.textbox import TextBox
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.window import body
from mlops_desk.serving.window.detail.view import EndpointView

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task
    from mlops_desk.serving.records.test_request import Tried
    from mlops_desk.serving.window.body import BodyField

_ROLES = {"system", "user", "assistant"}
Message = dict[str, str]


def messages_of(example: Any) -> list[Message] | None:
    """Return the messages of an example; None where it is no conversation of texts."""
    told = example.get("messages") if isinstance(example, dict) else None
    if not isinstance(told, list) or not told:
        return None
    found: list[Message] = []
    for one in told:
        if not isinstance(one, dict) or one.get("role") not in _ROLES or not isinstance(one.get("content"), str):
            return None
        found.append({"role": one["role"], "content": one["content"]})
    return found


def with_messages(example: dict[str, Any], messages: list[Message]) -> dict[str, Any]:
    """Return a body with other messages, answered in one piece."""
    return {**{key: value for key, value in example.items() if key != "stream"}, "messages": messages}


def answer_of(body: str) -> str | None:
    """Return what a model wrote, out of its answer; None where that has another form."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return None
    choices = told.get("choices") if isinstance(told, dict) else None
    first = choices[0] if isinstance(choices, list) and choices else None
    message = first.get("message") if isinstance(first, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    return content if isinstance(content, str) else None


# Asking a model that takes messages: what was said so far, and what is said next.
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
        self._messages: list[Message] = []

    @property
    def is_chat(self) -> bool:
        """Whether the endpoint's example is a conversation."""
        return self._example is not None

    def begin(self, example: Any) -> None:
        """Begin with an example, whose last message is proposed as what is said next."""
        messages = messages_of(example)
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
        return with_messages(self._example, [*told, *self._messages, {"role": "user", "content": said}])

    def take(self, body: str) -> None:
        """Take the model's answer into the conversation, where it has the form of one."""
        answer = answer_of(body)
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


_FORM, _JSON = "form", "json"
_SEND = "Ctrl+Return"
_OK = 200  # HTTP's own


_SOURCES = {
    "model": "This is the model's own example, which was saved with it.",
    "runtime": "This is what every server of this runtime takes: it tells nothing of the model itself.",
    "signature": "The model brings no example: this one is made of its signature, with empty values of each kind.",
}


class _Write(Protocol):
    def __call__(self, url: str, body: str, *, with_token: bool) -> str:
        """Return the lines that send it."""
        ...


class TryView(EndpointView):
    """The example is asked for once for each endpoint and revision; what was typed stays until then."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.ways = Tabs("How the request is written", ((_FORM, "Form"), (_JSON, "JSON")))
        self.send = Button("Send", main=True, tip="Send it by the gateway, as anybody would (Ctrl+Return)", asks=True)
        self.text = TextBox("The body of the request, as JSON")
        self.says = Label(points=theme.CAPTION_POINTS, tone="muted", wrap=True)
        self.summary = Label("Nothing was sent yet.", bold=True, wrap=True)
        self.answer = TextBox("The answer")
        self.answer.setReadOnly(True)
        self.curl = CopyButton("Copy curl", self._as_curl)
        self.python = CopyButton("Copy Python", self._as_python)
        self.chat = ChatForm()
        self.fields: dict[str, Field] = {}
        self._known: list[BodyField] = []
        self._endpoint: Endpoint | None = None
        self._of: tuple[str, int] | None = None
        self._path = "/invocations"
        self._task: Task | None = None
        self._form = QWidget()
        self._layers = QStackedWidget()
        self._arrange()
        self.ways.chosen.connect(self._choose)
        self.send.clicked.connect(self._send)
        QShortcut(QKeySequence(_SEND), self, self._send)
        self.ways.choose(_JSON)

    def _arrange(self) -> None:
        self._layers.addWidget(scrolled(self._form, "Values of the request"))
        self._layers.addWidget(self.text)
        self._layers.addWidget(self.chat)
        asked = Card("Request")
        head = QHBoxLayout()
        head.addWidget(self.ways)
        head.addStretch(1)
        head.addWidget(self.send)
        asked.column.addLayout(head)
        asked.column.addWidget(self.says)
        asked.column.addWidget(self._layers, 1)
        copies = QWidget()
        flow = FlowLayout(copies)
        flow.addWidget(self.curl)
        flow.addWidget(self.python)
        asked.column.addWidget(copies)
        answered = Card("Answer")
        answered.column.addWidget(self.summary)
        answered.column.addWidget(self.answer, 1)
        split = QSplitter(Qt.Orientation.Horizontal)
        split.setHandleWidth(theme.SPACE_8)
        split.setChildrenCollapsible(False)
        split.addWidget(asked)
        split.addWidget(answered)
        split.setStretchFactor(0, 1)
        split.setStretchFactor(1, 1)
        self.column.addWidget(split, 1)

    def show_endpoint(self, endpoint: Endpoint | None) -> None:
        self._endpoint = endpoint
        is_up = endpoint is not None and endpoint.url is not None and bool(endpoint.replicas)
        self.send.setEnabled(is_up and self._task is None)
        if endpoint is None or (endpoint.name, endpoint.revision) == self._of:
            return
        self._of = name, _ = endpoint.name, endpoint.revision
        self.summary.show_text("Nothing was sent yet.")
        self.summary.tint("text")
        self.answer.setPlainText("")
        self.says.show_text("Looking for the model's example …")
        self.context.ask("example", lambda desk: desk.endpoints.show(name), self._take_example, self._no_example)

    def _take_example(self, endpoint: Endpoint) -> None:
        if self._of is None or endpoint.name != self._of[0]:
            return
        example, self._path = endpoint.example, endpoint.example_path
        self._known = body.fields_of(example)
        self.chat.begin(example)
        if example is None:
            self.says.show_text("The model brings no example, and has no signature to make one of: write its JSON.")
        else:
            self.says.show_text(_SOURCES.get(endpoint.example_of or "", "This is an example of a request."))
        self.text.setPlainText("" if example is None else json.dumps(example, indent=2, ensure_ascii=False))
        self._make_form()
        self.ways.choose(_FORM if self._known or self.chat.is_chat else _JSON)

    def _no_example(self, error: DeskError) -> None:
        self._of = None
        self.says.show_text(f"{numbers.WARNING} {error.message} {error.hint or ''}".rstrip())

    def _make_form(self) -> None:
        """Put a field for each column; those of another model go."""
        form = QWidget()
        rows = QFormLayout(form)
        rows.setContentsMargins(0, 0, theme.SPACE_8, 0)
        rows.setSpacing(theme.SPACE_4)
        self.fields = {}
        for known in self._known:
            field = self.fields[known.name] = Field(plain(known.name, 60), text=body.written(known.value))
            name = Label(plain(known.name, 60))
            name.setMinimumHeight(theme.FIELD_HEIGHT)
            rows.addRow(name, field)
        column = self._form.layout()
        if column is None:
            column = QVBoxLayout(self._form)
            column.setContentsMargins(0, 0, 0, 0)
        while (item := column.takeAt(0)) is not None:
            if (old := item.widget()) is not None:
                old.deleteLater()
        column.addWidget(form)
        self._order()

    def _order(self) -> None:
        """Let Tab go from what is written to what sends it, however late the fields were made."""
        written: QWidget = self.text
        while (after := written.nextInFocusChain()) is not None and self.chat.isAncestorOf(after):
            written = after
        for one in (*self.fields.values(), self.send, self.curl, self.python, self.answer):
            QWidget.setTabOrder(written, one)
            written = one

    def _choose(self, way: str) -> None:
        """Go over to the other way of writing it, with what is written."""
        if way == _FORM and not self._known and not self.chat.is_chat:
            self.ways.choose(_JSON)
            return
        if way == _JSON and (self._known or self.chat.is_chat):
            try:
                self.text.setPlainText(json.dumps(self._filled(), indent=2, ensure_ascii=False))
            except DeskError as error:
                self._complain(error)
        self._layers.setCurrentIndex(1 if way == _JSON else 2 if self.chat.is_chat else 0)

    def _filled(self) -> object:
        if self.chat.is_chat:
            return self.chat.body()
        return body.filled(self._known, {name: field.text() for name, field in self.fields.items()})

    def _body(self) -> str:
        """Return what is to be sent. Raises Invalid."""
        if self.ways.current() == _FORM and (self._known or self.chat.is_chat):
            return json.dumps(self._filled(), ensure_ascii=False)
        return self.text.toPlainText()

    # Sending.

    def _send(self) -> None:
        endpoint = self._endpoint
        if endpoint is None or not self.send.isEnabled():
            return
        try:
            data = self._body()
        except DeskError as error:
            self._complain(error)
            return
        self.send.setEnabled(False)
        self.summary.tint("text")
        self.summary.show_text("Waiting for the answer …")
        name = endpoint.name
        self._task = self.context.ask(
            "try endpoint", lambda desk: desk.endpoints.try_(name, data=data), self._answered, self._refused
        )

    def _answered(self, tried: "Tried") -> None:
        self._done()
        revision = "no revision" if tried.revision is None else f"revision {tried.revision}"
        self.summary.tint("ok" if tried.status == _OK else "alert")
        shape = numbers.OK if tried.status == _OK else numbers.ALERT
        took, request = numbers.seconds(tried.seconds), plain(tried.request_id, 80)
        self.summary.show_text(f"{shape} {tried.status} in {took} · {revision} · request {request}")
        cut = "" if tried.cut is None else f"\n… {plain(tried.cut)}"
        self.answer.setPlainText(body.pretty(tried.body) + cut)
        if self.ways.current() == _FORM and self.chat.is_chat and tried.status == _OK:
            self.chat.take(tried.body)

    def _refused(self, error: DeskError) -> None:
        self._done()
        self.answer.setPlainText("")
        self._complain(error)

    def _complain(self, error: DeskError) -> None:
        self.summary.tint("alert")
        self.summary.show_text(f"{numbers.ALERT} {error.message} {error.hint or ''}".rstrip())

    def _done(self) -> None:
        self._task = None
        self.send.setEnabled(True)

    # Elsewhere.

    def _as_curl(self) -> str:
        return self._elsewhere(body.as_curl)

    def _as_python(self) -> str:
        return self._elsewhere(body.as_python)

    def _elsewhere(self, write: _Write) -> str:
        endpoint = self._endpoint
        if endpoint is None or endpoint.url is None:
            return ""
        try:
            return write(f"{endpoint.url}{self._path}", self._body(), with_token=endpoint.token_required)
        except DeskError as error:
            self._complain(error)
            return ""
