"""Point an alias of a model at a version, with what that brings before one; asked anew where it moved meanwhile."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QWidget

from mlops_desk.base.errors import DeskError, Invalid, Refused
from mlops_desk.records.model import Model
from mlops_desk.records.registry.alias_move import AliasMove, AliasPreview
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models import history
from mlops_desk.ui.models.alias import words
from mlops_desk.ui.models.alias.consequences import Consequences
from mlops_desk.ui.parts.undoing import offer_undo
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.widgets.form import FormDialog
from mlops_desk.ui.words import numbers

if TYPE_CHECKING:
    from mlops_desk.ui.live.tasks import Task

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
