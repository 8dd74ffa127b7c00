"""The columns of the list of rules: each as the sentence that it is."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.records.rule_record import KeptRule
from mlops_desk.automation.window import words
from mlops_desk.automation.window.rules.condition_history import RuleCurves, WatchedCurve
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.alerts import quantity
from mlops_desk.kit.window.words.numbers import Mark

_SENTENCE = 300  # characters: two lines of the widest table; the pane has all of it
_LATELY = 5  # chosen: the newest firings that a tip names


@dataclass(frozen=True, slots=True)
class SeenRule:
    """A rule, how it stands, what it did lately (newest first), and what it watches, or why that has no curve."""

    rule: KeptRule
    mark: Mark
    lately: tuple[KeptFiring, ...] = ()
    curve: WatchedCurve | None = None
    untold: str = ""

    @property
    def group(self) -> str | None:
        return words.rule_group(self.rule, self.mark)


def rows_of(rules: Mapping[str, KeptRule], firings: Iterable[KeptFiring], curves: RuleCurves) -> dict[str, SeenRule]:
    """Return the rows of all rules, by name."""
    of: dict[str, list[KeptFiring]] = {}
    for firing in firings:
        of.setdefault(firing.rule_id, []).append(firing)
    rows = {}
    for name, rule in rules.items():
        mine = sorted(of.get(rule.id, ()), key=lambda one: -one.at)
        mark = words.rule_mark(rule, mine)
        rows[name] = SeenRule(rule, mark, tuple(mine[:_LATELY]), curves.of(name), curves.untold(name))
    return rows


def value_words(value: float | None, curve: WatchedCurve) -> str:
    """Return a value of what a rule watches with its unit."""
    return quantity(value, curve.unit)


def _state(row: SeenRule) -> Cell:
    return Cell(row.mark.text, row.mark.word, row.mark.token, words.why(row.rule))


def _sentence(row: SeenRule) -> Cell:
    said = row.rule.sentence or row.rule.trouble or "Its document can't be read."
    return Cell(plain(said, _SENTENCE), tip=said)


def no_curve(row: SeenRule) -> str:
    """Say why there is no curve."""
    return f"No curve: {plain(row.untold, 300).rstrip('.')}." if row.untold else "Its curve is asked for …"


def _watched(row: SeenRule) -> Cell:
    curve = row.curve
    if curve is None:
        return Cell("", -1.0, tip=no_curve(row))
    side = "fires at or above" if curve.above else "fires at or below"
    last, limit = value_words(curve.last, curve), value_words(curve.spark.limit, curve)
    others = f", of {curve.looked_at} the one that came nearest" if curve.looked_at > 1 else ""
    each = f"{curve.of_each} of each {numbers.duration(curve.step_seconds)}"
    tip = f"{curve.thing}{others}: {plain(curve.condition, 300)}\nthe last 24 hours, {each}"
    return Cell("", curve.last, tip=f"{tip}\nlast {last}; {side} {limit} (the dashed line)", spark=curve.spark)


def _fired(row: SeenRule) -> Cell:
    at = row.rule.last_fired_at
    if at is None:
        return Cell("never", 0.0)
    lines = [f"{numbers.day_and_clock(one.at)}: {words.FIRING_MARKS[one.state].word}" for one in row.lately]
    return Cell(numbers.ago(at), at, tip="\n".join([numbers.absolute(at), *lines]))


def _from(row: SeenRule) -> Cell:
    rule = row.rule
    if not rule.built_in:
        return Cell("a person", tip="" if rule.created_by is None else user_name(rule.created_by))
    about = f"{rule.title}. {rule.help}"
    if rule.changed_at is None:
        return Cell("built in", tip=about)
    who = "" if rule.changed_by is None else f" by {user_name(rule.changed_by)}"
    return Cell(f"changed{who}", tip=f"Built in, changed {numbers.ago(rule.changed_at)}{who}.\n{about}")


def _made(row: SeenRule) -> Cell:
    if row.rule.built_in:
        return Cell("built in", 0.0)
    return Cell(numbers.ago(row.rule.created_at), row.rule.created_at, tip=numbers.absolute(row.rule.created_at))


COLUMNS: tuple[Column[SeenRule], ...] = (
    Column("state", "State", _state),
    Column("name", "Rule", lambda row: Cell(plain(row.rule.name), tip=row.rule.name)),
    Column("sentence", "What it does", _sentence, stretch=True),
    Column("from", "From", _from),
    Column("watched", "Watched, last 24 h", _watched, spare=True),
    Column("fired", "Fired", _fired, right=True),
    Column("made", "Made", _made, right=True, hidden=True),
)
