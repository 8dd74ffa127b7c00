"""How a learning curve is planned, and how it goes on from point to point. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from mlops_desk.base.errors import Invalid, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.pipelines.curve import LEAST_SIZES, CurvePoint, CurveState, LearningCurve, PointState

ORIGIN = "curve:"
LEAST_ROWS = 20  # chosen: of fewer rows hardly anything is learned, and many trainings break
MOST_REPEATS = 10  # chosen: a curve of more is known better than its data are
MOST_SHARES = 12  # chosen: likewise
_WHY = f"its law has three parameters, which go through any three points, so at least {LEAST_SIZES} are needed."
_OPEN = frozenset({PointState.WAITING, PointState.TRAINING})


def shares_of(text: str) -> tuple[float, ...]:
    """Return shares of the rows (0-1) that a person wrote in percent: ``10,20,40,70,100``. Raises Invalid."""
    try:
        found = sorted({float(word.strip().removesuffix("%")) / 100 for word in text.split(",") if word.strip()})
    except ValueError:
        found = []
    hint = f"Name {LEAST_SIZES} to {MOST_SHARES} different ones, above 0 and up to 100: 10,20,40,70,100"
    if not 1 <= len(found) <= MOST_SHARES or not all(0 < one <= 1 for one in found):
        raise Invalid(f"{plain(text, 100)!r} are no shares of the rows in percent.", hint)
    if len(found) < LEAST_SIZES:
        raise Invalid(f"{plain(text, 100)!r} can't make a learning curve: {_WHY}", hint)
    return tuple(found)


def points_of(shares: Sequence[float], repeats: int, rows: int) -> tuple[CurvePoint, ...]:
    """Return the trainings, the smallest first: what is known early says most for its price. Raises Invalid."""
    if not 1 <= repeats <= MOST_REPEATS:
        raise Invalid(f"{repeats} repeats are too many or too few.", f"Take 1 to {MOST_REPEATS}.")
    points = [CurvePoint(share, repeat, round(share * rows)) for share in shares for repeat in range(1, repeats + 1)]
    if points[0].rows < LEAST_ROWS:
        text = f"{points[0].share:.0%} of {rows:,} rows are {points[0].rows:,}, and {LEAST_ROWS} are needed."
        raise Invalid(text, "Name larger shares.")
    sizes = len({one.rows for one in points})
    if sizes < LEAST_SIZES:
        text = (
            f"Of {rows:,} rows these shares are only {sizes} different numbers of rows, and a learning curve can't be"
        )
        raise Invalid(f"{text} fitted: {_WHY}", "Name shares that are further apart.")
    return tuple(points)


def origin_of(curve: LearningCurve, point: CurvePoint) -> str:
    """Name the origin of a point's training, by which its job is found again."""
    return f"{ORIGIN}{curve.id}/{point.share:g}/{point.repeat}"


def next_point(curve: LearningCurve) -> CurvePoint | None:
    """Return the point under way, or the next one to come; None where all are over."""
    return next((one for one in curve.points if one.state in _OPEN), None)


def with_point(curve: LearningCurve, point: CurvePoint) -> LearningCurve:
    """Return the curve with one of its points as it is now."""
    key = (point.share, point.repeat)
    return replace(curve, points=tuple(point if (one.share, one.repeat) == key else one for one in curve.points))


def without_rest(curve: LearningCurve, why: str) -> LearningCurve:
    """Return the curve with what is not trained yet left out."""
    left = tuple(replace(one, state=PointState.LEFT, text=why) if one.state in _OPEN else one for one in curve.points)
    return replace(curve, points=left)


def scored(curve: LearningCurve) -> list[CurvePoint]:
    """Return the points that have a value."""
    return [one for one in curve.points if one.value is not None and one.value.value is not None]


def cancelled(curve: LearningCurve, by: str, now: float) -> LearningCurve:
    """Return the curve ended by a person. Raises Refused."""
    if curve.state.is_final:
        raise Refused(f"The learning curve {curve.id} is over: {curve.state}.", curve.text)
    text = f"It was ended by {by}."
    return replace(without_rest(curve, text), state=CurveState.CANCELLED, text=text, ended_at=now)
