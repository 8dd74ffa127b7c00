"""Curves of runs that go on: only what was logged since is asked for, and put where it belongs. No Qt here."""

from collections.abc import Sequence

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.window.runs.queries import POINTS

FOLLOW_MS = 100  # a point is to be seen 250 ms after it was logged: the pause, two questions' time, and a picture
REST = 10  # chosen: a registry that takes a tenth of a second is asked once a second
_MOST_KEPT = 3 * POINTS  # chosen: of a longer one the agent is asked anew for those that a drawing needs


def followed(desk: ClientLike, known: Sequence[RunCurve], uri: str | None) -> list[RunCurve]:
    """Return the curves as they are now; one to which nothing was added is the same object. Raises DeskErrors."""
    return [_newer(desk, curve, uri) for curve in known]


def _newer(desk: ClientLike, curve: RunCurve, uri: str | None) -> RunCurve:
    if curve.mark is None or len(curve.values) > _MOST_KEPT:
        return _whole(desk, curve, uri)
    try:
        told = desk.runs.overlay(curve.run_id, curve.metric, uri=uri, points=POINTS, since=curve.mark)
    except Invalid:  # the store was made anew, or put back: what is known may be of another one
        return _whole(desk, curve, uri)
    return joined(curve, told[0]) if told else curve


def _whole(desk: ClientLike, curve: RunCurve, uri: str | None) -> RunCurve:
    told = desk.runs.overlay(curve.run_id, curve.metric, uri=uri, points=POINTS)
    if not told:
        raise DeskError(f"The curve of run {curve.run_id} was not told.", "Look again in a moment.")
    new = told[0]
    is_same = (new.n_points, new.steps, repr(new.values)) == (curve.n_points, curve.steps, repr(curve.values))
    return curve if is_same else new


def joined(curve: RunCurve, new: RunCurve) -> RunCurve:
    """Return a curve with what was logged since: by step, then by time. What is told twice is there once."""
    known = set(_points(curve))
    added = [point for point in _points(new) if point not in known]
    if not added:
        return curve
    ordered = sorted([*_points(curve), *added], key=lambda point: point[:2])
    steps, times, words = zip(*ordered, strict=True)
    n_points = max(new.n_points, curve.n_points + len(added))
    return RunCurve(
        curve.run_id, curve.metric, n_points, steps, times, tuple(map(float, words)), new.mark or curve.mark
    )


def _points(curve: RunCurve) -> list[tuple[int, int, str]]:
    """Return points that can be told from one another: as text a value that is no number equals itself."""
    return list(zip(curve.steps, curve.timestamps, map(repr, curve.values), strict=True))
