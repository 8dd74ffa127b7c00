"""How metrics went, from a server: whole where it gives so many points, never a sample that could lack the extremes.

A server that is asked for many runs at once gives at most 2,500 points of each, taken evenly. A run of which so many
came is read again, whole, page by page, and thinned out here.
"""

from builtins import list as list_of
from collections import defaultdict
from collections.abc import Sequence

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.registry.mlflow.decimation import kept
from mlops_desk.registry.rest.pages import pages
from mlops_desk.registry.rest.session import RestSession
from mlops_desk.registry.rest.shapes import HistoryAnswer, Point

_BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
_ONE = "/api/2.0/mlflow/metrics/get-history"
_MOST_RUNS = 100  # MLflow's limit
_MOST_POINTS = 2500  # MLflow's limit for each run
_SUSPECT_POINTS = _MOST_POINTS // 2
"""Servers before 3.11 take every n-th step, so that of 2,501 steps 1,251 come."""
_PAGE = 25_000  # MLflow's limit
_LARGEST_STEP = 2**63 - 1  # of 64 bits, as a step is stored


def curves(
    session: RestSession, run_ids: Sequence[str], metric: str, points: int, since: str | None
) -> list_of[RunCurve]:
    """Return how a metric went in each run, in the order asked; those without it are empty. Raises DeskErrors."""
    if since is not None and len(run_ids) == 1:
        return [_newer(session, run_ids[0], metric, points, since)]
    found: dict[str, list_of[Point]] = {}
    for start in range(0, len(run_ids), _MOST_RUNS):
        found |= _some(session, run_ids[start : start + _MOST_RUNS], metric)
    ordered = [(run_id, _ordered(found.get(run_id, []))) for run_id in run_ids]
    return [_curve(run_id, metric, one, points, _mark(one)) for run_id, one in ordered]


def _some(session: RestSession, run_ids: Sequence[str], metric: str) -> dict[str, list_of[Point]]:
    try:
        found = _bulk(session, {"run_ids": list(run_ids), "metric_key": metric, "max_results": _MOST_POINTS})
    except NotFound:  # one that is gone makes the server refuse all
        return {} if len(run_ids) == 1 else _halves(session, run_ids, metric)
    return {
        run_id: _whole(session, run_id, metric) if len(of_one) >= _SUSPECT_POINTS else of_one
        for run_id, of_one in found.items()
    }


def _halves(session: RestSession, run_ids: Sequence[str], metric: str) -> dict[str, list_of[Point]]:
    middle = len(run_ids) // 2
    return _some(session, run_ids[:middle], metric) | _some(session, run_ids[middle:], metric)


def _bulk(session: RestSession, parameters: dict[str, object]) -> dict[str, list_of[Point]]:
    of_runs: dict[str, list_of[Point]] = defaultdict(list)
    for point in session.get(_BULK, HistoryAnswer, parameters).metrics:
        of_runs[point.run_id].append(point)
    return of_runs


def _whole(session: RestSession, run_id: str, metric: str) -> list_of[Point]:
    asked = {"run_id": run_id, "metric_key": metric, "max_results": _PAGE}
    found = pages(lambda token: session.get(_ONE, HistoryAnswer, {**asked, **token}))
    return [point for answer in found for point in answer.metrics]


def _newer(session: RestSession, run_id: str, metric: str, points: int, since: str) -> RunCurve:
    """Return what was logged from the marked step on, less what was known of it. A lower step is seen when all is."""
    step, known = _read_mark(since)
    of_steps = {"start_step": step, "end_step": _LARGEST_STEP, "max_results": _MOST_POINTS}
    found = _bulk(session, {"run_ids": [run_id], "metric_key": metric, **of_steps}).get(run_id, [])
    if len(found) >= _SUSPECT_POINTS:
        found = [point for point in _whole(session, run_id, metric) if point.step >= step]
    ordered = _ordered(found)
    return _curve(run_id, metric, ordered[known:], points, _mark(ordered) or since)


def _curve(run_id: str, metric: str, found: Sequence[Point], points: int, mark: str | None) -> RunCurve:
    """``found`` is in its order."""
    shown = [found[place] for place in kept([point.value for point in found], points)]
    return RunCurve(
        run_id,
        metric,
        len(found),
        tuple(point.step for point in shown),
        tuple(point.timestamp for point in shown),
        tuple(point.value for point in shown),
        mark,
    )


def _ordered(found: Sequence[Point]) -> list_of[Point]:
    return sorted(found, key=lambda point: (point.step, point.timestamp))


def _mark(ordered: Sequence[Point]) -> str | None:
    """Return the last step, and how many points it has so far: more may be logged at the same one."""
    if not ordered:
        return None
    last = ordered[-1].step
    return f"{last}:{sum(point.step == last for point in ordered)}"


def _read_mark(since: str) -> tuple[int, int]:
    step, _, known = since.partition(":")
    try:
        return int(step), int(known)
    except ValueError as error:
        raise Invalid("This is no mark of a curve.", "Ask for the whole curve.") from error
