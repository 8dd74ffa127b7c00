"""A repository whose pushes a rule waits for: what was seen there last, and what came of the last push."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SeenRef:
    """A branch or tag by its whole name (refs/heads/main), or as the rule names it, and the commit it is at."""

    ref: str
    commit: str


@dataclass(frozen=True, slots=True)
class WatchedRepository:
    """What one rule watches. Times are Unix seconds.

    ``ref`` is the branch, tag or pattern that it waits for; ``seen`` is how that was at the last look, since
    ``seen_at`` (None: nobody has looked yet). ``pushed`` is what the rule fired for last, at ``pushed_at``, and
    ``run_id`` the newest run of the repository's pipeline. ``trouble``: why it can't be looked at.
    """

    repository: str
    ref: str
    rule: str
    is_paused: bool = False
    seen: tuple[SeenRef, ...] = ()
    seen_at: float | None = None
    pushed: tuple[SeenRef, ...] = ()
    pushed_at: float | None = None
    run_id: str | None = None
    trouble: str | None = None
