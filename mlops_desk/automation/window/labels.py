"""One request that wants a label: what was asked, what was answered, and the answers to choose from by a key each.

Digits say what was right, N and P go to the next and the one before; what is said is sent at once and can be said
otherwise. A field takes what no key has.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QRectF, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QApplication, QGridLayout, QHBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.card import Card, paint_card
from mlops_desk.kit.window.widgets.choice import ChoiceBox
from mlops_desk.kit.window.widgets.facts import Fact, FactGrid
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.flow import FlowLayout
from mlops_desk.kit.window.widgets.scroll import scrolled
from mlops_desk.kit.window.words import numbers
from mlops_desk.serving.records.label import LabelChoice, LabelQueue, LabelTask
from mlops_desk.serving.records.request import FeedbackTaken

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task

# The requests of one endpoint that want a label, and which of them is before the person now. No Qt here.
Row = tuple[str, int]
"""A request and a row of it."""


def row_of(task: LabelTask) -> Row:
    return task.request_id, task.row


@dataclass
class LabelTray:
    """``said`` has what was said here, by row; what was said goes on being seen, so that it can be said otherwise."""

    tasks: list[LabelTask] = field(default_factory=list)
    place: int = 0
    said: dict[Row, str] = field(default_factory=dict)

    def fill(self, tasks: Sequence[LabelTask]) -> None:
        """Take the tasks that there are now, and begin with the first."""
        self.tasks = list(tasks)
        self.place = 0

    def task(self) -> LabelTask | None:
        """Return the one that is before the person."""
        return self.tasks[self.place] if 0 <= self.place < len(self.tasks) else None

    def move(self, by: int) -> bool:
        """Go to the next or the one before; False at an end."""
        place = self.place + by
        if not 0 <= place < len(self.tasks):
            return False
        self.place = place
        return True

    def say(self, row: Row, label: str) -> bool:
        """Take what was said of a row; go on to the next that nobody has said anything of. False: it was the last."""
        self.said[row] = label
        after = [*range(self.place + 1, len(self.tasks)), *range(self.place)]
        found = next((place for place in after if row_of(self.tasks[place]) not in self.said), None)
        if found is None:
            return False
        self.place = found
        return True

    def left(self) -> int:
        """Return of how many nobody has said anything."""
        return sum(row_of(task) not in self.said for task in self.tasks)


# Which answers a person is offered as labels: those that were given before, and those of the model. Pure.
MOST = 9  # one for each digit but 0
_LONGEST = 60  # characters: a class, and no sentence of a language model
_DEFAULT = "label"


def column_of(columns: Iterable[str]) -> str:
    """Return the column that labels came by until now; a name of its own where there are none."""
    return next(iter(columns), _DEFAULT)


def answers(tasks: Iterable[LabelTask], given: Iterable[str] = ()) -> list[str]:
    """Return what can be said by one key: what was given here before, and what the model answered; sorted, at most 9.

    Numbers with a part behind the point are measurements and no classes.
    """
    found = dict.fromkeys(given)
    for task in tasks:
        for value in task.outputs.values():
            text = said(value)
            if text is not None:
                found.setdefault(text)
    return sorted(found, key=_order)[:MOST]


def said(value: Any) -> str | None:
    """Return a value as a label says it; None for what is no class."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str) and 0 < len(value) <= _LONGEST and value.isprintable():
        return value
    return None


def shown(values: Mapping[str, Any], most: int) -> list[tuple[str, str]]:
    """Return names and values of a row as plain text, at most so many of them."""
    return [(plain(str(name), 60), plain(_written(value), 200)) for name, value in [*values.items()][:most]]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def _order(text: str) -> tuple[int, float, str]:
    try:
        return 0, float(text), text
    except ValueError:
        return 1, 0.0, text


_LOADED = 50  # chosen: half an hour's work; more come when these are done
_COLUMNS = 80  # chosen: more columns of a request than anybody reads
_WAYS = (
    (LabelChoice.SAMPLED, "A fair sample"),
    (LabelChoice.UNCERTAIN, "Least certain first"),
    (LabelChoice.DRIFTED, "From drifted windows"),
    (LabelChoice.NEWEST, "Newest first"),
)


class LabelSheet(Card):
    """``ended`` tells that all were labelled that were loaded."""

    ended = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._task: Task | None = None
        self._endpoint: str | None = None
        self.tray = LabelTray()
        self.says = Label(wrap=True)
        self.way = ChoiceBox("Which first")
        for way, title in _WAYS:
            self.way.addItem(title, way.value)
        self.way.currentIndexChanged.connect(lambda _index: self._load())
        self.named = Field("Column of the label", "label")
        self.facts = FactGrid()
        self._buttons = QWidget()
        self._buttons.setAccessibleName("What would have been right")
        self._row = FlowLayout(self._buttons)
        self.other = Field("Another answer", "Another answer, then Enter")
        self.other.returnPressed.connect(lambda: self.say(self.other.text().strip()))
        self.back = Button("Before", tip="The one before (P)")
        self.back.clicked.connect(lambda: self.go(-1))
        self.on = Button("Next", tip="Leave it as it is, and go on (N)")
        self.on.clicked.connect(lambda: self.go(1))
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setAccessibleName("The request to label")
        self._arrange()
        self._show_task()

    def paintEvent(self, _event: QPaintEvent) -> None:
        """Show whether its keys count: a card takes no keys elsewhere."""
        paint_card(QPainter(self), QRectF(self.rect()), theme.colour("accent") if self.hasFocus() else None)

    def _arrange(self) -> None:
        head = QGridLayout()
        head.setSpacing(theme.SPACE_8)
        for row, (title, entry) in enumerate((("Which first", self.way), ("Column of the label", self.named))):
            caption = Label(title, points=theme.CAPTION_POINTS, tone="muted")
            caption.setBuddy(entry)
            head.addWidget(caption, row, 0)
            head.addWidget(entry, row, 1)
        head.setColumnStretch(1, 1)
        foot = QHBoxLayout()
        foot.setSpacing(theme.SPACE_8)
        foot.addWidget(self.other, 1)
        foot.addWidget(self.back)
        foot.addWidget(self.on)
        self.column.addLayout(head)
        self.column.addWidget(self.says)
        self.column.addWidget(scrolled(self.facts, "The request and its answer"), 1)
        self.column.addWidget(self._buttons)
        self.column.addLayout(foot)

    # What is shown.

    def show_endpoint(self, name: str | None, queue: LabelQueue | None, trouble: str) -> None:
        """Show what wants a label of an endpoint; what is before somebody stays there."""
        if name == self._endpoint:
            return
        self._endpoint = name
        self.left()
        self.tray = LabelTray()
        if trouble:
            self._say(f"{numbers.WARNING} {trouble}", "warning")
            self._show_task(keep=True)
            return
        self.named.setText(column_of(queue.columns if queue is not None else ()))
        self._load()

    def left(self) -> None:
        """Wait for nothing any more."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _load(self) -> None:
        name, way = self._endpoint, str(self.way.currentData())
        if name is None:
            return
        self.left()
        self._say("Loading requests …", "muted")
        column = self.named.text().strip() or None
        self._task = self._context.ask(
            "requests to label",
            lambda desk: desk.labels.list(name, by=way, column=column, limit=_LOADED),
            self._got,
            self._failed,
        )

    def _got(self, tasks: list[LabelTask]) -> None:
        self._task = None
        self.tray.fill(tasks)
        self._show_task()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.tray.fill(())
        self._show_task(keep=True)
        self._say(f"{numbers.ALERT} {error.message} {error.hint or ''}".strip(), "alert")

    def _show_task(self, *, keep: bool = False) -> None:
        """Show the request that is before the person; ``keep``: what is said above stays."""
        task, focused = self.tray.task(), QApplication.focusWidget()
        if focused is not None and self._buttons.isAncestorOf(focused):
            self.setFocus(Qt.FocusReason.OtherFocusReason)  # the button goes, and here digits, N and P count
        for widget in (self.other, self.back, self.on, self._buttons):
            widget.setEnabled(task is not None)
        self._row.clear()
        if task is None:
            self.facts.show_facts([])
            if not keep:
                self._say("" if self._endpoint is None else f"{numbers.OK} Nothing wants a label.", "muted")
            return
        given = self.tray.said.get(row_of(task))
        place = f"{self.tray.place + 1} of {len(self.tray.tasks)}, {self.tray.left()} left"
        sure = "" if task.confidence is None else f" · {numbers.percent(task.confidence)} sure"
        said = "" if given is None else f" · you said {plain(given, 60)}"
        self._say(f"{place}{sure}{said}", "text")
        asked = [Fact(name, value) for name, value in shown(task.inputs, _COLUMNS)]
        answered = [Fact(f"→ {name}", value, "info") for name, value in shown(task.outputs, _COLUMNS)]
        at = Fact("Asked", numbers.ago(task.received_at), tip=numbers.absolute(task.received_at),
                  moment=task.received_at)  # fmt: skip
        self.facts.show_facts([*answered, *asked, at])
        self._show_answers(given)

    def _show_answers(self, given: str | None) -> None:
        """Make a button for each answer, in the order of the eye for Tab too."""
        before: QWidget = self.named
        for number, text in enumerate(self.offered(), 1):
            button = Button(f"{number}  {text}", asks=True)
            button.set_main(main=text == given)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
            button.clicked.connect(lambda _on=False, text=text: self.say(text))
            self._row.addWidget(button)
            QWidget.setTabOrder(before, button)
            before = button
        QWidget.setTabOrder(before, self.other)
        self._buttons.updateGeometry()

    def offered(self) -> list[str]:
        """Return what the digits say."""
        return answers(self.tray.tasks, self.tray.said.values())

    def _say(self, text: str, tone: str) -> None:
        self.says.show_text(text)
        self.says.tint(tone)

    # What is said.

    def go(self, by: int) -> None:
        """Go to another without a word on this one."""
        if self.tray.move(by):
            self._show_task()

    def say(self, text: str) -> None:
        """Say what would have been right for the one that is shown, and go on."""
        task, name, column = self.tray.task(), self._endpoint, self.named.text().strip()
        if task is None or name is None or not text:
            return
        if not column:
            self._say(f"{numbers.WARNING} Labels need the name of a column.", "warning")
            self.named.setFocus()
            return
        row = row_of(task)
        self.other.clear()

        def failed(error: DeskError) -> None:
            self._not_taken(row, error)

        self._context.ask(
            "set label",
            lambda desk: desk.labels.set(name, row[0], {column: text}, row=row[1]),
            lambda taken: self._taken(row, taken),
            failed,
        )
        more = self.tray.say(row, text)
        self._show_task()
        if not more:
            self._say(f"{numbers.OK} All {len(self.tray.tasks)} have a label; loading what is next …", "ok")
            self.ended.emit()
            self._load()

    def _taken(self, row: Row, taken: FeedbackTaken) -> None:
        """Hear that the log has it; one that it did not take is before the person again."""
        if not taken.known_requests:
            self._not_taken(row, DeskError("The label was not taken: there is no such request in the log any more."))

    def _not_taken(self, row: Row, error: DeskError) -> None:
        self.tray.said.pop(row, None)
        self._show_task()
        self._context.complain(error)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Digits say what was right, N and P walk."""
        offered, digit = self.offered(), event.text()
        if digit.isdigit() and digit.isascii() and 0 < int(digit) <= len(offered):
            self.say(offered[int(digit) - 1])
        elif event.key() == Qt.Key.Key_N:
            self.go(1)
        elif event.key() == Qt.Key.Key_P:
            self.go(-1)
        else:
            super().keyPressEvent(event)

    def actions_here(self) -> list[Action]:
        def has() -> bool:
            return self.tray.task() is not None

        keys = [
            Action(f"labels.{number}", f"Label it as answer {number}", self._sayer(number), str(number), when=has,
                   places=frozenset(), gentle=True, asks=True)
            for number in range(1, 10)
        ]  # fmt: skip
        return [
            Action("labels.next", "Next request without a label", lambda: self.go(1), "N", when=has, gentle=True),
            Action("labels.before", "The request before", lambda: self.go(-1), "P", when=has, gentle=True),
            *keys,
        ]

    def _sayer(self, number: int) -> Callable[[], None]:
        def say() -> None:
            offered = self.offered()
            if number <= len(offered):
                self.say(offered[number - 1])

        return say
