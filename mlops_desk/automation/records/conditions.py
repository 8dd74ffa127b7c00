"""What a rule waits for: numbers and states that last, moments that pass, and both joined by *and* and *or*.

What lasts is true, false or unknown; a moment (a time of the schedule, new data, a push) is true for an instant.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class MetricClause:
    """``metric`` of a ``device`` class at or beyond ``threshold``, until it is at or beyond ``clear`` on the good side.

    Values are in the metric's unit. ``of`` is one thing, None each thing of the class. ``for_seconds`` is how long it
    lasts before it counts. What is ``averaged`` counts as well when its mean over two and a half times as long is
    beyond the threshold, and is over when that is good. ``grown_over``: it is a counter, and what counts is by how much
    it grew within so many seconds, from when the agent began to look.
    """

    metric: str
    device: str
    threshold: float
    clear: float
    above: bool = True
    of: str | None = None
    for_seconds: float = 0.0
    averaged: bool = False
    grown_over: float | None = None


@dataclass(frozen=True, slots=True)
class StateClause:
    """A ``kind`` of thing (job, endpoint, monitor, gpu) that is in one of ``states``; ``of`` None: each of them."""

    kind: str
    states: tuple[str, ...]
    of: str | None = None
    for_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class ScheduleClause:
    """The times of a cron line, as clocks of ``zone`` (a name such as Europe/Berlin) show them."""

    cron: str
    zone: str


@dataclass(frozen=True, slots=True)
class NewDataClause:
    """Other files than before in a folder of this machine."""

    folder: str


@dataclass(frozen=True, slots=True)
class NewRowsClause:
    """A greater value than before in ``column`` of a ``table`` (SCHEMA.TABLE or TABLE), or of a ``query``.

    ``database`` is the address without a password, ``login`` the secret of the rule's person that has one.
    """

    database: str
    table: str
    column: str
    login: str | None = None
    query: str | None = None


@dataclass(frozen=True, slots=True)
class DvcClause:
    """Other data than before, by the hashes that DVC wrote into ``file`` (a .dvc file, or dvc.lock).

    ``ref`` is the branch or tag whose file counts, None: the one that lies there. ``output`` is one path that the file
    names, None: all of them.
    """

    file: str
    ref: str | None = None
    output: str | None = None


@dataclass(frozen=True, slots=True)
class PushClause:
    """A commit that is new on ``ref`` of a repository."""

    repository: str
    ref: str


@dataclass(frozen=True, slots=True)
class DriftClause:
    """A report that data of ``endpoint`` have drifted, while it serves ``model``.

    Each report counts for itself, and one that comes while the rule is held back counts for nothing: the next will
    tell whether the data are still other ones.
    """

    endpoint: str
    model: str


@dataclass(frozen=True, slots=True)
class ManualClause:
    """A person, by ``rules fire``, and nothing else."""


@dataclass(frozen=True, slots=True)
class Both:
    """All of them at once."""

    parts: tuple["WhenClause", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """One of them, or several."""

    parts: tuple["WhenClause", ...]


Lasting: TypeAlias = MetricClause | StateClause
NewData: TypeAlias = NewDataClause | NewRowsClause | DvcClause
Momentary: TypeAlias = ScheduleClause | NewData | PushClause | DriftClause | ManualClause
Leaf: TypeAlias = Lasting | Momentary
WhenClause: TypeAlias = Leaf | Both | Either


def leaves(clause: WhenClause) -> tuple[Leaf, ...]:
    """Return what a condition is joined of, in the order in which it is written."""
    if isinstance(clause, (Both, Either)):
        return tuple(leaf for part in clause.parts for leaf in leaves(part))
    return (clause,)


def device_class(leaf: Leaf) -> str | None:
    """Return the class of things that each have the condition for themselves; None where it names one, or none."""
    if isinstance(leaf, MetricClause) and leaf.of is None:
        return leaf.device
    return leaf.kind if isinstance(leaf, StateClause) and leaf.of is None else None
