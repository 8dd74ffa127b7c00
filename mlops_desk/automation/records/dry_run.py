"""What a rule says and what it would have done: the answers of ``rules check`` and ``rules dry-run``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuleCheck:
    """A document that is a rule: its name, how it reads as a sentence, and the document in its normal form."""

    name: str
    sentence: str
    document: str


@dataclass(frozen=True, slots=True)
class WouldFire:
    """A time (Unix) at which a rule would have fired for a ``subject`` ("": it is of one thing only).

    ``fired`` False: it held and was held back until it held no more, or ``waits`` still at the end. ``held_by`` is what
    held it back (quiet, cooldown, budget), ``waited_seconds`` for how long.
    """

    at: float
    subject: str
    fired: bool
    waited_seconds: float = 0.0
    held_by: str | None = None
    waits: bool = False


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What of one thing the history knew: for how much of the span, and in steps of how many seconds."""

    metric: str
    device: str
    known_seconds: float
    step_seconds: float


@dataclass(frozen=True, slots=True)
class RuleDryRun:
    """What a rule would have done between two Unix times.

    ``untold`` are the parts of its condition of which the history has nothing: these count as unknown. ``n_fired``
    counts all firings, of which ``would`` has the newest, oldest first. ``alike`` are the kept rules that wait for the
    same and do the same.
    """

    name: str
    sentence: str
    since: float
    until: float
    n_fired: int
    would: tuple[WouldFire, ...]
    looked_at: tuple[LookedAt, ...]
    untold: tuple[str, ...]
    budget_reckoned: bool
    alike: tuple[str, ...] = ()
