"""Conditions over what may be unknown: true, false or None, by Kleene's strong logic. Pure.

*And* is false as soon as one part is, whatever the others are; *or* is true as soon as one part is. Everything else
that rests on an unknown part is unknown itself.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias

from mlops_desk.records.rules.conditions import Both, Either, WhenClause, leaves

Truth: TypeAlias = bool | None
Judge: TypeAlias = Callable[[Sequence[Truth]], Truth]


def every(parts: Iterable[Truth]) -> Truth:
    """Return whether all parts hold."""
    found: Truth = True
    for part in parts:
        if part is False:
            return False
        if part is None:
            found = None
    return found


def some(parts: Iterable[Truth]) -> Truth:
    """Return whether a part holds."""
    found: Truth = False
    for part in parts:
        if part is True:
            return True
        if part is None:
            found = None
    return found


def judge_of(when: WhenClause) -> Judge:
    """Return what tells of the truths of a condition's leaves, in their order, whether it holds."""
    return _judge(when, 0)


def _judge(clause: WhenClause, first: int) -> Judge:
    if not isinstance(clause, (Both, Either)):
        return lambda truths: truths[first]
    judges = []
    for part in clause.parts:
        judges.append(_judge(part, first))
        first += len(leaves(part))
    join = every if isinstance(clause, Both) else some
    return lambda truths: join([judge(truths) for judge in judges])
