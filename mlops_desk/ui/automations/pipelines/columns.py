"""The columns of the list of pipelines."""

from mlops_desk.base.text import plain
from mlops_desk.ui.automations import words
from mlops_desk.ui.automations.loads import SeenPipeline
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.words import numbers


def _state(one: SeenPipeline) -> Cell:
    mark = words.PIPELINE_MARKS[one.brief.state]
    return Cell(mark.text, mark.word, mark.token, one.brief.text or "")


def _step(one: SeenPipeline) -> Cell:
    step = one.brief.step
    return Cell("" if step is None or one.brief.state.is_final else words.STEP_TITLES[step])


def _versions(one: SeenPipeline) -> Cell:
    brief = one.brief
    new = "…" if brief.challenger_version is None else f"v{plain(brief.challenger_version)}"
    return Cell(f"{plain(brief.model)} v{plain(brief.champion_version)} → {new}")


def _compared(one: SeenPipeline) -> Cell:
    found = one.brief.comparison
    if found is None:
        return Cell("")
    old, new = (numbers.number(side.value, 4) for side in (found.champion, found.challenger))
    tip = f"{found.metric} on {found.rows:,} rows: champion {words.scored(found.champion)}, "
    return Cell(f"{plain(found.metric)} {old} → {new}", tip=f"{tip}challenger {words.scored(found.challenger)}")


def _began(one: SeenPipeline) -> Cell:
    at = one.brief.created_at
    return Cell(numbers.ago(at), at, tip=numbers.absolute(at))


COLUMNS: tuple[Column[SeenPipeline], ...] = (
    Column("state", "State", _state),
    Column("model", "Champion → challenger", _versions, stretch=True),
    Column("step", "At", _step),
    Column("compared", "Compared", _compared, spare=True),
    Column("rule", "Rule", lambda one: Cell(plain(one.brief.rule), tip=one.brief.rule), spare=True),
    Column("began", "Began", _began, right=True),
)
