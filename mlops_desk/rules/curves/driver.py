"""Drives learning curves from point to point: one training at a time, each found again by its origin after a kill.

A point's version is scored on the fixed rows and then removed from the registry: it was made to be measured, and is no
candidate. What can't be had now is waited for; a point that fails is left out of the fit, and told.
"""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from mlops_desk.base.errors import DeskError, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.comparison import Scored
from mlops_desk.records.pipelines.curve import CurveFit, CurvePoint, CurveState, LearningCurve, PointState
from mlops_desk.rules.curves.course import next_point, origin_of, scored, with_point, without_rest

_log = logging.getLogger(__name__)
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
