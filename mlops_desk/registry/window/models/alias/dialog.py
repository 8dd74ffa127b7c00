"""Point an alias of a model at a version, with what that brings before one; asked anew where it moved meanwhile."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QVBoxLayout, QWidget

from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.look.text import Label
from mlops_desk.kit.window.parts.compare import comparison
from mlops_desk.kit.window.parts.undo import offer_undo
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.widgets.button import Button
from mlops_desk.kit.window.widgets.choice import CheckBox
from mlops_desk.kit.window.widgets.field import Field
from mlops_desk.kit.window.widgets.form import FormDialog
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.alias_move import AliasMove, AliasPreview
from mlops_desk.registry.records.comparison import ComparedValue
from mlops_desk.registry.records.model import Model
from mlops_desk.registry.window.models import history
from mlops_desk.registry.window.models.alias import words

if TYPE_CHECKING:
    from mlops_desk.kit.window.live.tasks import Task


# What a move of an alias brings, to look at before it is made: the metrics of both, and what follows.
_ROWS = 5  # chosen: more scroll
_FOLLOWERS = 6  # chosen: more are told by their number


class Consequences(QWidget):
    """Nothing as long as no preview is shown."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._table: RecordTable[ComparedValue] | None = None
        self.deploy: dict[str, CheckBox] = {}
        self.verdict = Label("", wrap=True, bold=True)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(theme.SPACE_8)
        self._column.addWidget(self.verdict)
        self._made: list[QWidget] = []

    @property
    def table(self) -> RecordTable[ComparedValue] | None:
        """The metrics of both versions, None where there are none."""
        return self._table

    def clear(self) -> None:
        for widget in self._made:
            self._column.removeWidget(widget)
            widget.hide()
            widget.deleteLater()
        self._made, self.deploy, self._table = [], {}, None
        self.verdict.hide()

    def show_preview(self, preview: AliasPreview) -> None:
        """Show a preview; what was ticked to be deployed stays ticked."""
        ticked = self.ticked()
        self.clear()
        said, tone = words.verdict(preview)
        self.verdict.show_text(said)
        self.verdict.tint(tone)
        self.verdict.setVisible(bool(said))
        values = words.changes(preview)
        if values:
            self._table = self._metrics(preview, values)
            self._put(self._table)
        for follower in preview.followers[:_FOLLOWERS]:
            self._put(Label(words.follows(follower, preview), wrap=True))
            if follower in words.staying(preview.followers, preview):
                box = self.deploy[follower.endpoint] = CheckBox(f"Deploy to {plain(follower.endpoint, 60)} now")
                box.setChecked(follower.endpoint in ticked)
                self._put(box)
        left = len(preview.followers) - _FOLLOWERS
        if left > 0:
            self._put(Label(f"and {left:,} endpoints more", tone="muted"))

    def ticked(self) -> list[str]:
        """Return the endpoints that are to be deployed to."""
        return [name for name, box in self.deploy.items() if box.isChecked()]

    def _put(self, widget: QWidget) -> None:
        self._made.append(widget)
        self._column.addWidget(widget)

    def _metrics(self, preview: AliasPreview, values: list[ComparedValue]) -> RecordTable[ComparedValue]:
        table = RecordTable("Metrics of both versions", _columns(preview), self._context.memory)
        table.show_records({one.key: one for one in values})
        rows = min(len(values), _ROWS) + 1
        table.setFixedHeight(rows * theme.ROW_HEIGHT + 2 * theme.RING)
        return table


def _columns(preview: AliasPreview) -> tuple[Column[ComparedValue], ...]:
    before, after = words.sides(preview)
    now = f"{plain(preview.alias, 20)} now: v{plain(preview.from_version or '', 12)}"
    sides = [(now, before), (f"v{plain(preview.to_version, 12)}", after)]
    return (
        Column("key", "Metric", lambda one: Cell(one.key), stretch=True),
        *(_value(title, place) for title, place in sides if place is not None),
        *((Column("change", "Change", lambda one: _change(one, preview), right=True),) if before is not None else ()),
    )


def _value(title: str, place: int) -> Column[ComparedValue]:
    def cell(one: ComparedValue) -> Cell:
        return comparison.cell(one, place) if place < len(one.values) else Cell("")

    return Column(f"side {place}", title, cell, right=True)


def _change(one: ComparedValue, preview: AliasPreview) -> Cell:
    said, tone = words.change(one, preview)
    return Cell(said, token=tone)


_TYPING_MILLISECONDS = 250  # chosen: who types a name is not asked about each of its letters
_MOVES_SHOWN = 4  # chosen: the tab on history has all


class AliasDialog(FormDialog):
    """The version is the chosen one; what is confirmed is what the dialog says."""

    def __init__(
        self, parent: QWidget, context: Context, model: str, version: str, uri: str | None, alias: str = "champion"
    ) -> None:
        about = f"An alias of {model} will point at another version, and no more where it does now."
        super().__init__(parent, "Set an alias", about, "Set alias")
        self._context = context
        self._model, self._version, self._uri = model, version, uri
        self._seen: AliasPreview | None = None
        self._task: Task | None = None
        self.alias = Field("Alias", "champion, challenger, …", text=alias)
        self._soon = QTimer(self)
        self._soon.setSingleShot(True)
        self._soon.setInterval(_TYPING_MILLISECONDS)
        self._soon.timeout.connect(self._look)
        self.alias.textChanged.connect(self._retyped)
        self.add("Alias", self.alias)
        self.says = Label(wrap=True, bold=True)
        self.consequences = Consequences(context)
        self.past = Label("", points=theme.CAPTION_POINTS, bold=True, tone="muted")
        self.moves: RecordTable[AliasMove] = RecordTable("Latest moves", _MOVES, context.memory)
        self.moves.activated.connect(lambda _index: self._take_move())
        self.moves.chosen.connect(lambda _key: self._offer_back())
        self.back = Button("Put back", tip="Ask about the version that the chosen move came from (Enter)")
        self.back.clicked.connect(self._take_move)
        for widget in (self.says, self.consequences, self.past, self.moves, self.back):
            self.fill(widget, 0)
        self.fill(QWidget(), 1)
        self.submit = self._set
        self.resize(theme.READING_WIDTH, self.height())
        self._look()

    # What would change.

    def _retyped(self) -> None:
        """Forget what was said of another alias, and look once one has typed."""
        self._forget()
        self._soon.start()

    def _forget(self) -> None:
        self._seen = None
        self.act.setEnabled(False)
        self.consequences.clear()
        self._show_moves(())
        if self._task is not None:
            self._task.cancel()
            self._task = None

    def _look(self) -> None:
        """Ask what a move brings."""
        self._forget()
        alias = self.alias.text().strip()
        if not alias:
            self.says.show_text("")
            return
        self.says.show_text("Looking what that changes …")
        model, version, uri = self._model, self._version, self._uri
        self._task = self._context.ask(
            "what an alias changes",
            lambda desk: desk.models.preview(model, alias, version, uri=uri),
            self._looked,
            self._not_looked,
        )

    def _looked(self, preview: AliasPreview) -> None:
        self._task = None
        self._seen = preview
        self.says.show_text(words.sentence(preview))
        self.consequences.show_preview(preview)
        self._show_moves(preview.history)
        self.act.setEnabled(words.is_move(preview))
        self._fit()

    def _not_looked(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text("")
        self.fail(error)
        self.act.setEnabled(False)

    def _show_moves(self, moves: Sequence[AliasMove]) -> None:
        shown = sorted(moves, key=lambda move: -move.at)[:_MOVES_SHOWN]
        self.moves.show_records({f"{move.at!r}": move for move in shown})
        for widget in (self.moves, self.back):
            widget.setVisible(bool(shown))
        self._offer_back()
        self.past.setVisible(bool(shown))
        self.past.show_text("Where it was before")
        self.moves.setFixedHeight((len(shown) + 1) * theme.ROW_HEIGHT + 2 * theme.RING)

    def _offer_back(self) -> None:
        move = self._move()
        self.back.setEnabled(move is not None and move.from_version is not None)

    def _move(self) -> AliasMove | None:
        key = self.moves.key()
        return self.moves.records.record(key) if key else None

    def _take_move(self) -> None:
        """Ask about the version that the alias was moved away from: it is still confirmed, with what it brings."""
        move = self._move()
        if move is not None and move.from_version is not None:
            self._version = move.from_version
            self._look()

    def _fit(self) -> None:
        """Be as high as what is said needs, and no higher than the screen."""
        room = self.screen().availableSize().height() - theme.FRAME_HEIGHT
        self.resize(self.width(), min(max(self.height(), self.sizeHint().height()), room))

    # Doing it.

    def _set(self) -> None:
        seen = self._seen
        if not self.alias.text().strip():
            self.fail(Invalid("An alias needs a name.", "Type one, such as champion."))
        if seen is None or not words.is_move(seen):
            return
        self.begin("Setting …")
        uri = self._uri
        self._context.ask(
            "set alias",
            lambda desk: desk.models.promote(seen.model, seen.alias, seen.to_version, uri=uri, expected=seen.expected),
            lambda model: self._done(seen, model),
            self._refused,
        )

    def _refused(self, error: DeskError) -> None:
        """Say why; where the alias has moved, show from where now, before one can press again."""
        self.fail(error)
        if isinstance(error, Refused):
            self._look()

    def _done(self, seen: AliasPreview, model: Model) -> None:
        text = f"{seen.model}@{seen.alias} is version {seen.to_version} now."
        offer_undo(self._context, text, model.undo)
        for endpoint in self.consequences.ticked():
            self._deploy(f"{seen.model}@{seen.alias}", endpoint)
        self.accept()

    def _deploy(self, model: str, endpoint: str) -> None:
        self._context.ask(
            "deploy", lambda desk: desk.endpoints.deploy(model, endpoint, wait=False), lambda _endpoint: None
        )


_MOVES: tuple[Column[AliasMove], ...] = (
    Column("at", "When", lambda move: Cell(numbers.ago(move.at), move.at, tip=history.when(move))),
    Column("moved", "Version", lambda move: Cell(history.moved(move)), stretch=True),
    Column("who", "By", lambda move: Cell(history.who(move))),
)
