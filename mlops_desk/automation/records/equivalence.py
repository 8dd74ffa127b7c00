"""Whether two rules wait for the same and do the same, and how people are told. Pure."""

from collections.abc import Collection
from dataclasses import replace

from mlops_desk.automation.records.conditions import Both, Either, ManualClause, StateClause, WhenClause, leaves
from mlops_desk.automation.records.spec import RuleSpec

_NAMED = 3  # chosen: more names than a sentence bears


def are_alike(one: RuleSpec, other: RuleSpec) -> bool:
    """Tell whether two rules are set off by the same, in whatever order it is written, and do the same then.

    What holds them back (cooldown, quiet hours, budget) may differ: both act where neither is held back. Rules that a
    person fires by hand alone never act for one another.
    """
    if all(isinstance(leaf, ManualClause) for leaf in leaves(one.when)):
        return False
    if (one.then, one.for_seconds) != (other.then, other.for_seconds):
        return False
    return _plain(one.when) == _plain(other.when)


def _plain(clause: WhenClause) -> object:
    """Return a condition without the order in which its parts are written."""
    if isinstance(clause, (Both, Either)):
        return type(clause).__name__, frozenset(map(_plain, clause.parts))
    return replace(clause, states=tuple(sorted(clause.states))) if isinstance(clause, StateClause) else clause


def alike_words(names: Collection[str]) -> str:
    """Say that other rules act at the same times; empty where there is none."""
    known = sorted(names)
    if not known:
        return ""
    if len(known) == 1:
        head = f"The rule {known[0]} waits for the same and does the same"
    else:
        more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
        head = f"The rules {', '.join(known[:_NAMED])}{more} wait for the same and do the same"
    return f"{head}, so all of it is done {'twice' if len(known) == 1 else f'{len(known) + 1} times'}."
