"""Champion and challenger in a table, a line for each set of rows and each group in it: what one approves by."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from PySide6.QtCore import QSettings

from mlops_desk.automation.records.pipelines.comparison import COMPARED, ModelComparison, ModelEvaluation, Scored
from mlops_desk.automation.window import words
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.look import theme
from mlops_desk.kit.window.tables.model import KEY_ROLE
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.tables.view import RecordTable
from mlops_desk.kit.window.words import numbers

_SEEN = 7  # chosen: lines that leave room for the facts in a window of 800 pixels; the rest scrolls
_MOST = 60  # chosen: more groups than anybody reads; the command line tells all
_DIGITS = 4  # chosen: a figure of 10,000 rows is no surer
_SETS = {"fixed": "test set", "newest": "newest rows"}
_WORDS = 200  # characters: of a tip


@dataclass(frozen=True, slots=True)
class ScoreLine:
    """Both models by ``metric`` on the rows ``on``. ``difference`` is challenger minus champion, None where unknown.

    ``goal`` is None for a figure of which nobody knows which way it is better; ``about`` is more about these rows.
    """

    on: str
    metric: str
    goal: Goal | None
    champion: Scored
    challenger: Scored
    difference: Scored | None
    rows: int
    about: str = ""


def compared_lines(found: ModelComparison) -> dict[str, ScoreLine]:
    """Return the one line that is known while the whole evaluation is not."""
    difference = None if (gap := _gap(found.champion, found.challenger)) is None else Scored(gap)
    on = plain(found.data, _WORDS)
    line = ScoreLine(on, found.metric, found.goal, found.champion, found.challenger, difference, found.rows)
    return {"all": line}


def evaluated_lines(found: ModelEvaluation) -> dict[str, ScoreLine]:
    """Return a line for each set of rows that both were scored on, with its groups below it."""
    return {str(number): line for number, line in zip(range(_MOST), _lines(found), strict=False)}


def _lines(found: ModelEvaluation) -> Iterator[ScoreLine]:
    for score in found.scores:
        goal = COMPARED.get(score.metric)
        about = f"{score.rows:,} of {score.read:,} rows of {plain(score.data, _WORDS)} have a label and both answers"
        if score.unanswered:
            about += f"\n{numbers.count(score.unanswered, 'row')} the challenger alone has no usable answer for"
        on = _SETS.get(score.part, plain(score.part, 40))
        yield ScoreLine(
            on, score.metric, goal, score.champion, score.challenger, score.difference, score.rows,
            f"{about}\nIntervals by {plain(score.method, 30)}",
        )  # fmt: skip
        for group in score.groups:
            gap = _gap(group.champion, group.challenger)
            name = f"… {plain(group.column, 30)} = {plain(group.group, 30)}"
            difference = None if gap is None else Scored(gap)
            yield ScoreLine(name, score.metric, goal, group.champion, group.challenger, difference, group.rows, on)


def _gap(champion: Scored, challenger: Scored) -> float | None:
    if champion.value is None or challenger.value is None:
        return None
    return challenger.value - champion.value


def signed(value: float | None) -> str:
    """Return a difference with its sign; a dash where it is not known."""
    if value is None or not math.isfinite(value):
        return numbers.NOTHING
    shown = numbers.number(value, _DIGITS if abs(value) >= 1 else _DIGITS - 1)
    return f"+{shown}" if value > 0 else shown.replace("-", "−")


class ScoreTable(RecordTable[ScoreLine]):
    """As high as its lines need, up to so many that the facts below still have room."""

    def __init__(self, memory: QSettings) -> None:
        super().__init__("Champion and challenger", _COLUMNS, memory)

    def show_lines(self, lines: dict[str, ScoreLine]) -> None:
        """Show these; those of another evaluation do not keep their places."""
        if [*lines] != [*self.lines()]:
            self.show_records({})
        self.show_records(lines)
        shown = min(len(lines), _SEEN)
        head = self.horizontalHeader().sizeHint().height()
        self.setFixedHeight(head + shown * theme.ROW_HEIGHT + 2 * self.frameWidth() + theme.SPACE_8)
        self.setVisible(bool(lines))

    def lines(self) -> dict[str, ScoreLine]:
        """Return what is shown."""
        keys = [str(self.records.index(row, 0).data(KEY_ROLE)) for row in range(self.records.rowCount())]
        return {key: line for key in keys if (line := self.records.record(key)) is not None}


def _figure(one: Scored) -> Cell:
    return Cell(numbers.number(one.value, _DIGITS), one.value, tip=words.scored(one))


def difference_cell(line: ScoreLine) -> Cell:
    """Mark a difference whose interval leaves out zero: it is one way or the other, and not chance."""
    found = line.difference
    if found is None or found.value is None:
        return Cell(numbers.NOTHING, None, "muted", "Not known")
    text, value = signed(found.value), found.value
    if found.low is None or found.high is None or line.goal is None:
        return Cell(text, value, tip="How sure that is, is not known")
    if found.low <= 0.0 <= found.high:
        return Cell(f"{numbers.IDLE} {text}", value, "muted", "It may be chance: the interval holds zero")
    better = (value > 0) is (line.goal is Goal.MAXIMIZE)
    tip = f"The challenger is {'better' if better else 'worse'}: the whole interval is on one side of zero"
    mark, token = (numbers.OK, "ok") if better else (numbers.WARNING, "warning")
    return Cell(f"{mark} {text}", value, token, tip)


def _interval(line: ScoreLine) -> Cell:
    found = line.difference
    if found is None or found.low is None or found.high is None:
        return Cell(numbers.NOTHING, tip="Not known")
    return Cell(f"{signed(found.low)} – {signed(found.high)}", found.low, tip="95 % interval of the difference")


_COLUMNS: tuple[Column[ScoreLine], ...] = (
    Column("on", "Scored on", lambda line: Cell(line.on, tip=line.about), stretch=True),
    Column("metric", "Metric", lambda line: Cell(plain(line.metric, 30)), spare=True),
    Column("champion", "Champion", lambda line: _figure(line.champion), right=True),
    Column("challenger", "Challenger", lambda line: _figure(line.challenger), right=True),
    Column("difference", "Difference", difference_cell, right=True),
    Column("interval", "95 % interval", _interval, right=True),
    Column("rows", "Rows", lambda line: Cell(f"{line.rows:,}", line.rows, tip=line.about), right=True),
)
