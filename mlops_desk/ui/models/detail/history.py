"""Where the aliases of the chosen version's model went: every move that is known, and where they were at a time."""

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QHBoxLayout

from mlops_desk.base import agent_clock
from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.ui.live.context import Context
from mlops_desk.ui.look import theme
from mlops_desk.ui.look.text import Label
from mlops_desk.ui.models import history
from mlops_desk.ui.models.detail.view import VersionView
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.tables.view import RecordTable
from mlops_desk.ui.widgets.button import Button
from mlops_desk.ui.widgets.field import Field
from mlops_desk.ui.words import moments, numbers

if TYPE_CHECKING:
    from mlops_desk.records.registry.alias_move import AliasMove
    from mlops_desk.records.registry.version_hit import VersionHit

_NOTHING = "No alias of this model has been moved since the desk looks at it."


class HistoryView(VersionView):
    """``put_back`` carries model, alias and version: what the alias is to point at again."""

    put_back = Signal(str, str, str)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._model: str | None = None
        self.moves: tuple[AliasMove, ...] = ()
        self.at = Field("Where aliases were at a time", f"Where were they at …  {moments.EXAMPLES}")
        self.at.textChanged.connect(lambda _text: self._answer())
        self.answer = Label(wrap=True)
        self.says = Label(_NOTHING, tone="muted", wrap=True)
        self.table: RecordTable[AliasMove] = RecordTable("Moves of aliases", _COLUMNS, context.memory)
        self.table.chosen.connect(lambda _key: self._offer())
        self.table.activated.connect(lambda _index: self._put_back())
        self.back = Button(
            "Put back …", tip="Point the alias at the version that it was moved away from (Enter)", asks=True
        )
        self.back.clicked.connect(self._put_back)
        row = QHBoxLayout()
        row.setSpacing(theme.SPACE_8)
        row.addWidget(self.back)
        row.addStretch(1)
        for widget in (self.at, self.answer, self.says):
            self.column.addWidget(widget)
        self.column.addWidget(self.table, 1)
        self.column.addLayout(row)
        self._show([])

    def show_version(self, hit: "VersionHit | None") -> None:
        """Ask for the moves of its model: they may be others each time that they are looked at."""
        self.left()
        self.hit = hit
        model, uri = (None if hit is None else hit.name), self.uri
        if model != self._model:
            self._model = model
            self._show([])
        if model is not None:
            self._task = self.context.ask(
                "history of aliases", lambda desk: desk.models.history(model, uri=uri), self._show, self._failed
            )

    def _show(self, moves: "list[AliasMove]") -> None:
        self._task = None
        self.moves = tuple(sorted(moves, key=lambda move: -move.at))
        self.table.show_records({f"{move.alias} {move.at!r}": move for move in self.moves})
        self.table.setVisible(bool(moves))
        self.at.setVisible(bool(moves))
        self.says.show_text("" if moves else _NOTHING)
        self.says.setVisible(not moves)
        self._answer()
        self._offer()

    def _failed(self, error: DeskError) -> None:
        self._task = None
        self.says.show_text(f"{numbers.ALERT} {error.message} {error.hint or ''}".rstrip())
        self.says.show()

    def _answer(self) -> None:
        """Say where the aliases were at the time that is typed."""
        text = self.at.text().strip()
        now = agent_clock.now()
        wanted = moments.parse(text, now) if text else None
        self.answer.setVisible(bool(text))
        if not text:
            return
        if wanted is None or wanted.subject:
            self.answer.show_text(f"{plain(text, 60)!r} is no time that has been. Try {moments.EXAMPLES}.")
            self.answer.tint("warning")
            return
        moment = wanted.start if wanted.end is None else wanted.end
        self.answer.tint("text")
        self.answer.show_text(said_at(self.moves, moment))

    def _offer(self) -> None:
        move = self._move()
        self.back.setEnabled(move is not None and move.from_version is not None)

    def _move(self) -> "AliasMove | None":
        key = self.table.key()
        return self.table.records.record(key) if key else None

    def _put_back(self) -> None:
        move = self._move()
        if move is not None and move.from_version is not None:
            self.put_back.emit(move.model, move.alias, move.from_version)


def said_at(moves: "tuple[AliasMove, ...]", moment: float) -> str:
    """Say where each alias was at a time, and how sure that is."""
    lines = []
    for alias, (version, move) in sorted(history.at(moves, moment).items()):
        where = "pointed nowhere" if version is None else f"was version {plain(version, 20)}"
        since = "" if move is None else f", since {numbers.day_and_clock(move.at)}, by {history.who(move)}"
        doubt = [one for one in moves if one.alias == alias and one.at > moment]
        unsure = bool(doubt) and not history.is_certain(doubt[-1], moment, moves)
        lines.append(f"{plain(alias, 60)} {where}{since}{' or moved shortly before' if unsure else ''}")
    return f"At {numbers.absolute(moment)}:\n" + ("\n".join(lines) or "no alias was known yet")


_COLUMNS: tuple[Column["AliasMove"], ...] = (
    Column("at", "When", lambda move: Cell(numbers.ago(move.at), move.at, tip=history.when(move))),
    Column("alias", "Alias", lambda move: Cell(move.alias), stretch=True),
    Column("moved", "Version", lambda move: Cell(history.moved(move))),
    Column("who", "By", lambda move: Cell(history.who(move), token=None if move.who else "muted")),
)
