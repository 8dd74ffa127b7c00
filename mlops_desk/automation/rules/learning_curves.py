"""Learning curves: a version's own recipe on growing shares of its rows, to tell what more rows would bring.

How a learning curve is planned, and how it goes on from point to point. Pure.

Drives learning curves from point to point: one training at a time, each found again by its origin after a kill.

A point's version is scored on the fixed rows and then removed from the registry: it was made to be measured, and is no
candidate. What can't be had now is waited for; a point that fails is left out of the fit, and told.

The verbs about learning curves, a part of those about pipelines. Curves are kept, and go on after a kill.
"""

import logging
import secrets
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Mapping, Sequence
from contextvars import copy_context
from dataclasses import dataclass, replace

from mlops_desk.automation.records.pipelines.comparison import COMPARED, Scored, figure_of
from mlops_desk.automation.records.pipelines.curve import (
    LEAST_SIZES,
    CurveFit,
    CurvePoint,
    CurveState,
    LearningCurve,
    PointState,
)
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller
from mlops_desk.kit.base.errors import Closed, DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.registry.records.model import ModelVersion

_log = logging.getLogger(__name__)

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


_SPENT = "The GPU-hours were spent."


@dataclass(frozen=True, slots=True)
class CurveParts:
    """What a curve asks of the house, as plain callables. All may raise DeskError.

    ``plan`` fills in what only the house knows of a curve (job, files, number of rows) and ``lay`` writes the rows of a
    point and returns their file. ``resubmit`` queues the version's job again under an origin, with files over its own.
    ``score`` asks a version about the fixed rows; ``remove`` takes a version out of the registry. ``fit`` puts a law
    through sizes and values, ``report`` logs a curve to a run, whose id it returns. ``hours`` are what a job took.
    ``tidy`` removes what was laid out.
    """

    plan: Callable[[LearningCurve, str | None, str | None], LearningCurve]
    lay: Callable[[LearningCurve, CurvePoint], str]
    resubmit: Callable[[str, Mapping[str, str], str, Mapping[str, str]], Job]
    job_of_origin: Callable[[str], Job | None]
    cancel_job: Callable[[str], object]
    versions_of_training: Callable[[str, str], list[ModelVersion]]
    score: Callable[[LearningCurve, ModelVersion], Scored]
    remove: Callable[[ModelVersion], object]
    fit: Callable[[LearningCurve, Sequence[CurvePoint]], CurveFit]
    report: Callable[[LearningCurve], str]
    hours: Callable[[Job], float]
    tidy: Callable[[LearningCurve], None]


class CurveCourse:
    """Takes a curve as far as it goes now; ``put`` stores it, and tells whether nobody has changed it meanwhile."""

    def __init__(self, parts: CurveParts, put: Callable[[LearningCurve, LearningCurve], LearningCurve | None]) -> None:
        self._parts = parts
        self._put = put

    def go_on(self, curve: LearningCurve) -> LearningCurve:
        """Return the curve once it waits for a job, or is over."""
        while not curve.state.is_final:
            try:
                made = self._step(curve)
            except Unavailable as error:
                _log.info("The learning curve %s waits: %s", curve.id, error.message)
                made = replace(curve, text=f"Waiting: {error.message}", hint=error.hint)
                return self._put(curve, made) or curve
            except DeskError as error:
                now = time.time()
                made = replace(curve, state=CurveState.FAILED, text=error.message, hint=error.hint, ended_at=now)
            stored = self._put(curve, made)
            if stored is None or stored.revision == curve.revision:
                return stored or curve
            curve = stored
        return curve

    def end(self, curve: LearningCurve) -> None:
        """Cancel the job of a curve that was ended, and remove what it registered. Raises DeskError."""
        for point in curve.points:
            job = self._parts.job_of_origin(origin_of(curve, point)) if point.state is PointState.LEFT else None
            if job is not None and not job.state.is_final:
                self._parts.cancel_job(job.id)
            elif job is not None:
                self._cleared(curve, job)
        self._parts.tidy(curve)

    def _step(self, curve: LearningCurve) -> LearningCurve:
        point = next_point(curve)
        if point is None:
            return self._done(curve)
        job = self._parts.job_of_origin(origin_of(curve, point))
        if job is None and curve.spent >= curve.gpu_hours > 0:
            return without_rest(curve, _SPENT)
        if job is None:
            path = self._parts.lay(curve, point)
            job = self._parts.resubmit(curve.job, {}, origin_of(curve, point), {curve.target: path})
        if not job.state.is_final:
            return replace(with_point(curve, replace(point, state=PointState.TRAINING, job_id=job.id)), text=None)
        spent = curve.spent + self._parts.hours(job)
        return replace(with_point(curve, self._ended(curve, point, job)), spent=spent, text=None, hint=None)

    def _ended(self, curve: LearningCurve, point: CurvePoint, job: Job) -> CurvePoint:
        """Return a point whose job is over, scored where it can be."""
        point = replace(point, job_id=job.id)
        if job.state is not JobState.SUCCEEDED:
            reason = plain(job.reason.text, 300) if job.reason else job.state.value
            return replace(point, state=PointState.FAILED, text=f"Job {job.id}: {reason}")
        versions = self._versions(curve, job)
        if not versions:
            text = f"Job {job.id} registered no version of {plain(curve.model)}."
            return replace(point, state=PointState.FAILED, text=text)
        try:
            value = self._parts.score(curve, versions[-1])
        except Unavailable:
            raise
        except DeskError as error:
            point = replace(point, state=PointState.FAILED, text=error.message)
        else:
            point = replace(point, state=PointState.SCORED, value=value)
        self._cleared(curve, job)
        return point

    def _versions(self, curve: LearningCurve, job: Job) -> list[ModelVersion]:
        return self._parts.versions_of_training(job.mlflow_run_id, curve.model) if job.mlflow_run_id else []

    def _cleared(self, curve: LearningCurve, job: Job) -> None:
        """Remove the versions of a point; one that somebody has given an alias meanwhile stays."""
        for version in self._versions(curve, job):
            if not version.aliases:
                self._parts.remove(version)

    def _done(self, curve: LearningCurve) -> LearningCurve:
        points = scored(curve)
        if not points:
            first = next((one.text for one in curve.points if one.text), "Nothing was trained.")
            now = time.time()
            return replace(curve, state=CurveState.FAILED, text=f"No point was scored. {first}", ended_at=now)
        fitted = replace(curve, fit=self._parts.fit(curve, points))
        run_id = self._parts.report(fitted)
        self._parts.tidy(curve)
        text = None if fitted.fit is None else fitted.fit.sentence
        return replace(fitted, run_id=run_id, state=CurveState.DONE, text=text, hint=None, ended_at=time.time())


_LATELY = 10  # chosen: more than are ended in the moment in which an agent is killed
_LOOK_SECONDS = 5.0  # chosen: a training of seconds is scored soon; a look asks for one job of each curve


class CurveVerbs:
    """A part of ``verbs.Pipelines``; the wiring says how curves are kept and what they ask (``follow_curves``)."""

    _curves: StoredRecords[LearningCurve]
    _curve_parts: CurveParts
    _curve_loop: Loop

    def follow_curves(self, curves: StoredRecords[LearningCurve], parts: CurveParts, loop: Loop) -> None:
        """Say where curves are kept and how they go on, and take up those that are under way."""
        self._curves, self._curve_parts, self._curve_loop = curves, parts, loop
        self._curve_lock = threading.RLock()
        self._curves_busy: set[str] = set()
        self._curves_owed: set[str] | None = None
        self._curve_trouble = TroubleLog(_log, "What the learning curve %s left can't be removed")
        self._course = CurveCourse(parts, self._put_curve)
        loop.repeat("learning-curves", _LOOK_SECONDS, self.look_at_curves)

    def learning_curve(
        self,
        version: str,
        metric: str = "accuracy",
        shares: str = "10,20,40,70,100",
        repeats: int = 3,
        gpu_hours: float = 4.0,
        test: str | None = None,
        file: str | None = None,
        label: str | None = None,
        positive: str | None = None,
        seed: int = 0,
    ) -> LearningCurve:
        """Begin one. Raises Invalid, NotFound, Refused."""
        figure = figure_of(metric)
        if figure is None:
            hint = f"Take one of {', '.join(COMPARED)}."
            raise Invalid(f"No version can be scored by {plain(metric, 80)!r}.", hint)
        model, _, number = version.rpartition("/")
        if not model or not number:
            raise Invalid(f"{plain(version, 80)!r} names no version.", "Write MODEL/VERSION, as digits/3.")
        if not gpu_hours > 0:
            raise Invalid(f"{gpu_hours} GPU-hours are none.", "Take more than 0.")
        wanted = shares_of(shares)
        curve = LearningCurve(
            id=secrets.token_hex(6), model=model, version=number, metric=figure,
            higher_is_better=COMPARED[figure] is Goal.MAXIMIZE, state=CurveState.RUNNING, points=(), rows=0, job="",
            target="", source="", test=test or "", label=label, positive=positive, seed=seed, gpu_hours=gpu_hours,
            created_at=time.time(), created_by=current_caller().uid,
        )  # fmt: skip
        curve = self._curve_parts.plan(curve, file, test)
        curve = replace(curve, points=points_of(wanted, repeats, curve.rows))
        with self._curve_lock:
            self._curves.put(curve)
        self.look_at_curves()
        return curve

    def curves(self, limit: int = 50) -> list_of[LearningCurve]:
        return self._curves.list(limit=check_limit(limit))

    def curve(self, curve_id: str) -> LearningCurve:
        found = self._curves.find(curve_id, LOOKED_FOR)
        hint = Hint("mlops-desk pipelines curves", after=" shows them all.")
        if not found:
            raise NotFound("There is no learning curve of that id.", hint)
        return the_one(curve_id, found, noun="learning curve", hint=hint)

    def cancel_curve(self, curve_id: str) -> LearningCurve:
        """End one: its job is cancelled, and what it registered goes. Raises Refused, NotFound.

        Raises what cancelling a job raises, too: it is tried again then, by whoever asks once more and by each look.
        """
        with self._curve_lock:
            made = known = self.curve(curve_id)
            if known.state is not CurveState.CANCELLED:
                made = replace(cancelled(known, current_caller().user, time.time()), revision=known.revision + 1)
                self._curves.put(made)
            self._owed_curves().add(made.id)
        self._end_curve(made)
        return made

    def _end_curve(self, curve: LearningCurve) -> None:
        self._course.end(curve)
        with self._curve_lock:
            self._owed_curves().discard(curve.id)

    def _owed_curves(self) -> set[str]:
        """Return the cancelled curves of which something may be left: what an earlier agent has left nobody knows."""
        if self._curves_owed is None:
            lately = self._curves.list(states=(CurveState.CANCELLED,), limit=_LATELY)
            self._curves_owed = {one.id for one in lately}
        return self._curves_owed

    def look_at_curves(self) -> None:
        """Go on with all curves that are under way or owed, each in a thread of its own, as who began it."""
        with self._curve_lock:
            owed = [known for one in self._owed_curves() if (known := self._curves.get(one)) is not None]
        for curve in (*self._curves.list(states=(CurveState.RUNNING,)), *owed):
            with self._curve_lock:
                if curve.id in self._curves_busy:
                    continue
                self._curves_busy.add(curve.id)
            self._curve_loop.start(f"curve-{curve.id[:8]}", lambda one=curve: copy_context().run(self._go_on, one))  # type: ignore[misc]  # the default is bound, not inferred

    def _go_on(self, curve: LearningCurve) -> None:
        try:
            if curve.created_by is not None:
                set_caller(Caller(curve.created_by, -1, 0))
            after = self._course.go_on(self._curves.get(curve.id) or curve)
            known = self._curves.get(after.id)
            if known is not None and known.state is CurveState.CANCELLED:  # while a point was begun
                self._end_curve(known)
            why = None
        except Closed:
            raise  # the next agent goes on where it was written down last
        except DeskError as error:  # the next look tries again
            why = error.message
        finally:
            with self._curve_lock:
                self._curves_busy.discard(curve.id)
        with self._curve_lock:
            if why is None:
                self._curve_trouble.over(curve.id)
            else:
                self._curve_trouble.failed(curve.id, why)

    def _put_curve(self, loaded: LearningCurve, changed: LearningCurve) -> LearningCurve | None:
        """Store what became of a curve; None where somebody has changed it since."""
        with self._curve_lock:
            known = self._curves.get(loaded.id)
            if known is None or known.revision != loaded.revision:
                return None
            if changed == known:
                return known
            made = replace(changed, revision=known.revision + 1)
            self._curves.put(made)
            return made
