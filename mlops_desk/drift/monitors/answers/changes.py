"""Page's test from window to window: states of windows put together, and where they cross the reference's limits. Pure.

A change that is found is told in its window, and the watch begins anew: what lasts is found again in the next.
"""

from collections.abc import Mapping, Sequence

from mlops_desk.drift.monitors.answers.asked import WatchLimit
from mlops_desk.drift.performance.page_state import PageState
from mlops_desk.records.drift.answers import MeanChange, ScoredWindow

States = tuple[float, ...]
_FIELDS = tuple(PageState.__slots__)
_COUNTS = frozenset({"n", "at_low", "at_high", "since", "until"})
"""What of a state counts rows."""
GOOD = frozenset({("error", "fallen")})
"""Changes that are none to the worse."""


def changes_after(
    earlier: Sequence[ScoredWindow], window: ScoredWindow, limits: Mapping[str, WatchLimit]
) -> tuple[tuple[MeanChange, ...], Mapping[str, States]]:
    """Return what has changed with a window, and the states after it; ``earlier`` are the windows before it."""
    before = earlier[-1].carried if earlier and earlier[-1].reference_id == window.reference_id else {}
    found: list[MeanChange] = []
    carried: dict[str, States] = {what: state for what, state in before.items() if what not in window.watched}
    for what, own in window.watched.items():
        limit = limits.get(what)
        if limit is None:
            continue
        known = before.get(what)
        sides = [
            side if known is None else _state(known, at).joined(side)
            for at, side in ((0, _state(own, 0)), (1, _state(own, 1)))
        ]
        crossed = [
            (side, direction)
            for side, direction, most in zip(sides, ("risen", "fallen"), (limit.up, limit.down), strict=True)
            if side.rise >= most
        ]
        for side, direction in crossed:
            since = _begun(earlier, window, what, side.since, 0 if known is None else _state(known, 0).n)
            found.append(MeanChange(what, direction, since, limit.mean, window.means.get(what, limit.mean)))
        if not crossed:
            carried[what] = tuple(float(getattr(side, name)) for side in sides for name in _FIELDS)
    return tuple(found), carried


def _state(flat: States, at: int) -> PageState:
    """Read one direction (0: up, 1: down) of what is watched."""
    part = flat[at * len(_FIELDS) : (at + 1) * len(_FIELDS)]
    return PageState(*(int(value) if name in _COUNTS else value for name, value in zip(_FIELDS, part, strict=True)))  # type: ignore[arg-type]  # as the fields' names say


def _begun(earlier: Sequence[ScoredWindow], window: ScoredWindow, what: str, place: int, n_before: int) -> float:
    """Return the start of the window in which the row at ``place`` lies, ``n_before`` rows being those before ours."""
    at, first = window.window_start, n_before
    for one in reversed(earlier):
        if place >= first or what not in one.watched:
            break
        first -= _state(one.watched[what], 0).n
        at = one.window_start
    return at
