"""Looks at each running job once a minute: whether it is stuck, and who is to be told. The only part that asks others.

What a job's log told comes from who reads it anyway, what its GPUs did from the history of telemetry. Sessions, shells
and processes of people's own are left out: a person is in them, or nobody hears what they write.
"""

import logging
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from mlops_desk.base.errors import DeskError
from mlops_desk.jobs.book import JobBook
from mlops_desk.jobs.ports import Spent
from mlops_desk.jobs.run.moving import Followed
from mlops_desk.jobs.stuck.look import JobLook
from mlops_desk.jobs.stuck.watch import StuckWatch
from mlops_desk.records.jobs.job import Attempt, Job, JobState
from mlops_desk.records.jobs.running import JobWatch, Stuck
from mlops_desk.records.jobs.spec import JobKind

_log = logging.getLogger(__name__)

_MINUTE = 60.0
_GPU_SECONDS = 120.0  # chosen: two looks; how long it lasts is counted by the looks themselves
_GPU_LEAST_SECONDS = 1.0  # chosen: in less there is hardly a sample
_METRICS_EVERY = 5  # chosen: looks between two questions to the tracking server
_LOSS_METRIC = re.compile(r"(?<![A-Za-z])loss(?![A-Za-z])", re.IGNORECASE)
_NO_TRAINING = re.compile(
    r"(?:^|[^A-Za-z])(?:val|valid|validation|eval|test|dev|best|min)(?:[^A-Za-z]|$)", re.IGNORECASE
)
_WATCHED = frozenset({JobKind.TRAINING, JobKind.BATCH})


@dataclass(frozen=True, slots=True)
class StuckParts:
    """``minutes`` is the setting, 0 for never; ``followed`` is what was heard of a job's newest attempt.

    ``metrics`` are the newest of a run. ``idle`` names attempts that hold GPUs without use, and for how many minutes;
    ``watched`` is told of all jobs that run.
    """

    minutes: Callable[[], int]
    followed: Callable[[Job], Followed | None]
    spent: Spent | None = None
    metrics: Callable[[str], Mapping[str, float]] | None = None
    idle: Callable[[], Mapping[str, int]] = dict
    watched: Callable[[Sequence[JobWatch]], None] = lambda _jobs: None


@dataclass(slots=True)
class _Known:
    watch: StuckWatch
    looks: int = 0
    broken_metric: str = ""
    broken_looks: int = 0
    gpus: tuple[float | None, float | None] = field(default=(None, None))


class StuckJobs:
    """``look`` is called every minute, by one thread."""

    def __init__(self, book: JobBook, parts: StuckParts) -> None:
        self._book = book
        self._parts = parts
        self._known: dict[str, _Known] = {}

    def look(self) -> None:
        """Look at all that run, tell of each whether it is stuck, and hand on what is watched of them."""
        minutes, now = self._parts.minutes(), time.monotonic()
        running = {job.attempts[-1].id: job for job in self._book.active() if job.state is JobState.RUNNING}
        self._known = {name: known for name, known in self._known.items() if name in running}
        idle = self._parts.idle()
        watched = []
        for attempt_id, job in running.items():
            stuck, is_known = None, True
            if minutes and job.spec.kind in _WATCHED and not _is_ending(job):
                stuck, is_known = self._judge(job, now, minutes * _MINUTE)
            if stuck != job.stuck:
                self._tell(job, stuck)
            attempt = job.attempts[-1]
            watched.append(
                JobWatch(job.id, job.name, job.user, attempt.container, stuck, is_known, idle.get(attempt_id))
            )
        self._parts.watched(watched)

    def _tell(self, job: Job, stuck: Stuck | None) -> None:
        self._book.move(job.id, lambda current: replace(current, stuck=stuck))

    def _judge(self, job: Job, now: float, least: float) -> tuple[Stuck | None, bool]:
        """Return whether a job is stuck, and whether that is known."""
        attempt = job.attempts[-1]
        known = self._known.get(attempt.id)
        followed = self._parts.followed(job)
        if known is None:
            known = self._known[attempt.id] = _Known(StuckWatch(now))
            self._recall(known.watch, attempt, followed)
        self._ask_metrics(job, known)
        look = self._look(job, known, followed, now)
        known.looks += 1
        stuck = known.watch.judge(look, least)
        return stuck, stuck is not None or known.watch.knows(now, least)

    def _recall(self, watch: StuckWatch, attempt: Attempt, followed: Followed | None) -> None:
        at = time.time()
        busy = None
        if attempt.started_at is not None and at > attempt.started_at:
            busy = self._gpus(attempt, attempt.started_at, at)[0]
        watch.recall(() if followed is None else followed.recalled, busy)

    def _look(self, job: Job, known: _Known, followed: Followed | None, now: float) -> JobLook:
        attempt, at = job.attempts[-1], time.time()
        ratio, watts = self._gpus(attempt, at - _GPU_SECONDS, at)
        look = JobLook(now, at, gpus=len(attempt.gpus), gpu_utilization=ratio, gpu_watts=watts)
        if job.live is not None and at - job.live.at < _MINUTE:
            look = replace(look, cpus=job.live.cpus)
        if followed is not None:
            reader, progress = followed.reader, followed.progress
            look = replace(
                look,
                written=followed.heard,
                moved=reader.moved_at,
                where="" if progress is None else progress.text,
                through=progress is not None and progress.ratio is not None and progress.ratio >= 1.0,
                losses_broken=reader.losses_broken,
                loss_word=reader.loss_broken or "",
                loss_quote=reader.broken_line,
            )
        if known.broken_looks > 1 and not look.losses_broken:
            count = known.broken_looks * _METRICS_EVERY
            look = replace(look, losses_broken=count, loss_word="nan", loss_quote=known.broken_metric)
        return look

    def _gpus(self, attempt: Attempt, start: float, end: float) -> tuple[float | None, float | None]:
        """Return how busy the busiest GPU was, and what all drew together, since the attempt began.

        None where any is not known: what another job did on them before says nothing of this one.
        """
        spent, start = self._parts.spent, max(start, attempt.started_at or start)
        if spent is None or not attempt.gpus or end - start < _GPU_LEAST_SECONDS:
            return None, None
        try:
            found = [spent(gpu, start, end) for gpu in attempt.gpus]
        except DeskError as error:
            _log.debug("What the GPUs of %s do is not known: %s", attempt.id, error.message)
            return None, None
        ratios = [one.utilization_mean for one in found]
        joules = [one.energy_joules for one in found]
        known_ratios = [ratio for ratio in ratios if ratio is not None]
        known_joules = [energy for energy in joules if energy is not None]
        return (
            max(known_ratios) if len(known_ratios) == len(found) else None,
            sum(known_joules) / (end - start) if len(known_joules) == len(found) else None,
        )

    def _ask_metrics(self, job: Job, known: _Known) -> None:
        """Ask now and then whether a loss that its run was told of last is a number."""
        ask = self._parts.metrics
        if ask is None or job.mlflow_run_id is None or known.looks % _METRICS_EVERY:
            return
        try:
            metrics = ask(job.mlflow_run_id)
        except DeskError as error:
            _log.debug("What job %s has logged is not known now: %s", job.id, error.message)
            return
        broken = [name for name, value in metrics.items() if not math.isfinite(value) and _is_loss(name)]
        known.broken_looks = known.broken_looks + 1 if broken else 0
        known.broken_metric = f"metric {broken[0]} = {metrics[broken[0]]}" if broken else ""


def _is_loss(name: str) -> bool:
    spaced = re.sub(r"[_./\d-]+", " ", name)
    return _LOSS_METRIC.search(spaced) is not None and _NO_TRAINING.search(spaced) is None


def _is_ending(job: Job) -> bool:
    return job.cancel_requested or job.attempts[-1].stopped_for is not None
