"""Who is looked at by the clock: jobs that hold GPUs without use, and jobs that are stuck. Built for the service."""

import logging
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from mlops_desk.jobs.ports import Spent
from mlops_desk.jobs.provenance.completion import Outside
from mlops_desk.jobs.provenance.idle_gpus import IdleHolders, IdleParts
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.job_activity import JobWatch, Stuck, StuckSign
from mlops_desk.jobs.records.spec import JobKind
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.progress import Followed
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.stall_detection.usual_interval import Lasting, Rhythm
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import duration_text
from mlops_desk.machine.records.event import Notice


# What is seen of a running job at one moment, once a minute. None: not known.
@dataclass(frozen=True, slots=True)
class JobLook:
    """``now`` is a clock that only grows, ``at`` Unix time.

    ``written`` counts what its log has got so far, ``moved`` changes when its progress does, ``where`` says how far it
    is in words, and ``through`` that it is at its end. ``losses_broken`` counts the losses in a row that were no
    numbers, ``loss_quote`` is the first of them. ``cpus`` is what it takes of the processors. ``gpus`` is how many it
    has; ``gpu_utilization`` is what the busiest of them did lately (0 to 1), ``gpu_watts`` what all draw together.
    """

    now: float
    at: float
    written: int | None = None
    moved: float | None = None
    where: str = ""
    through: bool = False
    losses_broken: int = 0
    loss_word: str = ""
    loss_quote: str = ""
    cpus: float | None = None
    gpus: int = 0
    gpu_utilization: float | None = None
    gpu_watts: float | None = None


# Signs that a job is stuck, in words and as fields.
_BROKEN = "Its loss is no number any more: whatever it computes from there on is lost."
_BROKEN_HINT = "Look in its log where that began; a smaller learning rate, clipped gradients or bfloat16 often help."
_WAITS = "Its ranks wait for one another: the GPUs report work and hardly draw power."
_WAITS_HINT = "Mostly one rank failed or took another branch before a collective: see which one wrote least."
_STANDS = "It does not get on: it runs, and nothing happens any more."
_STANDS_HINT = "Look inside: mostly a data loader, a lock or a file server that does not answer."


def told(signs: Sequence[StuckSign], since: float, at: float) -> Stuck:
    """Say in a sentence what the signs come to."""
    kinds = {sign.kind for sign in signs}
    if "loss" in kinds:
        return Stuck(since, at, _BROKEN, _BROKEN_HINT, tuple(signs))
    if "gpu_spin" in kinds:
        return Stuck(since, at, _WAITS, _WAITS_HINT, tuple(signs))
    return Stuck(since, at, _STANDS, _STANDS_HINT, tuple(signs))


def loss(look: JobLook, lasts: float) -> StuckSign:
    text = f"The last {look.losses_broken:,} losses that it told were {look.loss_word or 'no numbers'}."
    return StuckSign("loss", look.at - lasts, text, look.losses_broken, 0.0, "losses", look.loss_quote or None)


def silent(look: JobLook, log: Rhythm) -> StuckSign:
    quiet, longest = log.quiet_seconds(look.now), log.longest_seconds
    text = (
        f"It has written nothing for {duration_text(quiet)}, and never paused for more than {_at_most(longest)} before."
    )
    return StuckSign("silent", look.at - quiet, text, quiet, longest, "s")


def halted(look: JobLook, progress: Rhythm) -> StuckSign:
    quiet, longest = progress.quiet_seconds(look.now), progress.longest_seconds
    where = f" ({look.where})" if look.where else ""
    text = (
        f"Its progress{where} has stood for {duration_text(quiet)}, and never for more than {_at_most(longest)} before."
    )
    return StuckSign("progress", look.at - quiet, text, quiet, longest, "s", look.where or None)


def flat_gpus(look: JobLook, lasts: float, before: float) -> StuckSign:
    now = look.gpu_utilization or 0.0
    text = f"Its GPUs have done nothing for {duration_text(lasts)}, and were up to {before:.0%} busy before."
    return StuckSign("gpu_flat", look.at - lasts, text, now, before, "1")


def spinning(look: JobLook, lasts: float, before: float) -> StuckSign:
    watts = look.gpu_watts or 0.0
    text = (
        f"Its GPUs report work and have drawn {watts:.0f} W for {duration_text(lasts)}, not {before:.0f} W as before."
    )
    return StuckSign("gpu_spin", look.at - lasts, text, watts, before, "W")


def flat_cpus(look: JobLook, lasts: float) -> StuckSign:
    text = f"Its processes have done nothing for {duration_text(lasts)}."
    return StuckSign("cpu_flat", look.at - lasts, text, look.cpus, None, "cores")


def _at_most(seconds: float) -> str:
    return duration_text(max(60.0, seconds))  # it is looked at once a minute


# Whether a job is stuck, from looks at it. No sign is enough by itself but a loss that stays no number.
# That it writes nothing, or that its progress stands, is a sign only where it did otherwise before, and counts only
# together with what the machine does: a long validation keeps its GPUs busy, a long step on the processors keeps
# those busy, and a checkpoint is written to its end. Ranks that wait for one another in a collective report busy
# GPUs, which draw far less than before. A job without a rhythm is told only when GPUs and processors both have long
# been at rest.
FLAT_RATIO = 0.01  # as for GPUs that are held and not used; the smallest training step is above it
_ACTIVE_RATIO = 0.05  # chosen: what a GPU never did more than, it need not be missed doing
_SPINNING_RATIO = 0.5  # chosen: a kernel that polls for the other ranks is counted as busy all the time
_SPINNING_WATTS = 0.6  # chosen: of what it drew before; ranks that poll draw a third of a training step
_FLAT_CPUS = 0.05  # chosen: a process that waits takes some thousandths of a core, one that copies files more than this
_LOSSES = 20  # chosen: mixed precision leaves out a few steps at its start, a batch of masked labels is one
_FEW_LOSSES = 5  # chosen: of a job that tells one in minutes, while they last as long as any other sign


class StuckWatch:
    """Watches one attempt. ``least_seconds`` is how long every sign lasts at least."""

    def __init__(self, now: float) -> None:
        self._begun = now
        self._log = Rhythm(now)
        self._progress = Rhythm(now)
        self._flat_gpus = Lasting()
        self._flat_cpus = Lasting()
        self._spinning = Lasting()
        self._broken = Lasting()
        self._written: int | None = None
        self._moved: float | None = None
        self._active_ratio = 0.0
        self._active_watts: float | None = None
        self._since: float | None = None

    def recall(self, written_at: Sequence[float], busy_ratio: float | None) -> None:
        """Take up what is known of the time before it was watched: when lines were written, how busy its GPUs were."""
        gaps = [after - before for before, after in pairwise(written_at)]
        self._log.recall(len(written_at), max([0.0, *gaps]))
        self._active_ratio = max(self._active_ratio, busy_ratio or 0.0)

    def judge(self, look: JobLook, least_seconds: float) -> Stuck | None:
        """Take a look, and tell whether the job is stuck."""
        self._take(look)
        signs = self._broken_loss(look, least_seconds) or self._standstill(look, least_seconds)
        if not signs:
            self._since = None
            return None
        if self._since is None:
            self._since = min(sign.since for sign in signs)
        return told(signs, self._since, look.at)

    def knows(self, now: float, least_seconds: float) -> bool:
        """Tell whether it has watched for long enough to say that a job is not stuck."""
        return now - self._begun >= least_seconds

    def _take(self, look: JobLook) -> None:
        written, moved = self._written, self._moved
        self._written, self._moved = look.written, look.moved
        self._log.look(look.now, happened=look.written is not None and look.written != written)
        self._progress.look(look.now, happened=look.moved is not None and look.moved != moved)
        self._flat_cpus.look(look.now, is_so=look.cpus is not None and look.cpus < _FLAT_CPUS)
        self._broken.look(look.now, is_so=look.losses_broken > 0)
        ratio, watts = look.gpu_utilization, look.gpu_watts
        self._flat_gpus.look(
            look.now, is_so=ratio is not None and ratio < FLAT_RATIO and self._active_ratio >= _ACTIVE_RATIO
        )
        spins = ratio is not None and ratio >= _SPINNING_RATIO and watts is not None and self._active_watts is not None
        spins = spins and watts is not None and watts < _SPINNING_WATTS * (self._active_watts or 0.0)
        self._spinning.look(look.now, is_so=spins)
        self._active_ratio = max(self._active_ratio, ratio or 0.0)
        if watts is not None and (ratio or 0.0) >= _ACTIVE_RATIO and self._goes_on(look.now):
            known = self._active_watts
            self._active_watts = watts if known is None else known + (watts - known) * _LATEST_SHARE

    def _goes_on(self, now: float) -> bool:
        """Tell whether it moved since the last look; of one that tells no progress, whether it wrote something."""
        return now == (self._progress.last if self._progress.times else self._log.last)

    # -- a loss that is no number --------------------------------------------------------------

    def _broken_loss(self, look: JobLook, least_seconds: float) -> tuple[StuckSign, ...]:
        lasts = self._broken.seconds(look.now)
        few = look.losses_broken >= _FEW_LOSSES and lasts >= least_seconds
        many = look.losses_broken >= _LOSSES and lasts > 0
        return (loss(look, lasts),) if few or many else ()

    # -- that nothing goes on any more ---------------------------------------------------------

    def _standstill(self, look: JobLook, least_seconds: float) -> tuple[StuckSign, ...]:
        least = least_seconds * (_AT_ITS_END if look.through else 1.0)
        stopped = self._stopped(look, least)
        witnesses = self._witnesses(look, least, alone=not stopped)
        return (*stopped, *witnesses) if witnesses else ()

    def _stopped(self, look: JobLook, least: float) -> tuple[StuckSign, ...]:
        found = []
        if self._log.has_stopped(look.now, least):
            found.append(silent(look, self._log))
        if self._progress.has_stopped(look.now, least) and not look.through:
            found.append(halted(look, self._progress))
        return tuple(found)

    def _witnesses(self, look: JobLook, least: float, *, alone: bool) -> tuple[StuckSign, ...]:
        """Return what the machine says to it; nothing where it does not agree. ``alone``: its log says nothing."""
        now = look.now
        if alone:
            least *= _WITHOUT_A_RHYTHM
        cpus, gpus = self._flat_cpus.seconds(now), self._flat_gpus.seconds(now)
        if look.gpus and look.gpu_utilization is not None:
            if not alone and self._spinning.seconds(now) >= least / 2:
                return (spinning(look, self._spinning.seconds(now), self._active_watts or 0.0),)
            if gpus < least / 2:
                return ()
            flat = flat_gpus(look, gpus, self._active_ratio)
            if look.cpus is None:
                return (flat,) if not alone and gpus >= least * _LESS_IS_KNOWN else ()
            return (flat, flat_cpus(look, cpus)) if cpus >= least / 2 else ()
        needed = least * _LESS_IS_KNOWN if look.gpus else least / 2
        return (flat_cpus(look, cpus),) if not alone and cpus >= needed else ()


_LATEST_SHARE = 0.2  # chosen: some five looks make what it draws usually
_AT_ITS_END = 4.0  # chosen: of a bar that is through, results are written and sent for as long as they take
_WITHOUT_A_RHYTHM = 4.0  # chosen: GPUs and processors alone speak against a job that tells nothing of itself
_LESS_IS_KNOWN = 4.0  # chosen: where one of the two witnesses is missing


# Looks at each running job once a minute: whether it is stuck, and who is to be told. The only part that asks others.
# What a job's log told comes from who reads it anyway, what its GPUs did from the history of telemetry. Sessions,
# shells and processes of people's own are left out: a person is in them, or nobody hears what they write.
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


_IDLE_LOOK_SECONDS = 60.0  # chosen: what is idle for half an hour is not in a hurry
_STUCK_LOOK_SECONDS = 60.0  # chosen: what lasts for a quarter of an hour is seen within a few per cent of it


class RunningWatch:
    """``runner_of`` is who looks after a job, ``publish`` tells everybody; ``metrics`` are the newest of a run."""

    def __init__(
        self,
        book: JobBook,
        outside: Outside,
        runner_of: Callable[[Job], Runner],
        publish: Callable[[Notice], None],
        metrics: Callable[[str], Mapping[str, float]] | None,
    ) -> None:
        self._idle: IdleHolders | None = None
        self._stuck: StuckJobs | None = None
        if outside.spent is not None and outside.idle_minutes is not None:
            parts = IdleParts(
                outside.idle_minutes, outside.spent, publish, lambda job, why: runner_of(job).preempt(job.id, why)
            )
            self._idle = IdleHolders(book, parts)
        if outside.stuck_minutes is not None:
            self._stuck = StuckJobs(
                book,
                StuckParts(
                    outside.stuck_minutes,
                    lambda job: runner_of(job).moving.followed(job.attempts[-1].id),
                    outside.spent,
                    metrics,
                    lambda: {} if self._idle is None else self._idle.idle,
                    outside.watched,
                ),
            )

    def start(self, loop: Loop) -> None:
        """Look by the clock: that nothing happens is announced by nobody."""
        if self._idle is not None:
            loop.repeat("jobs-idle", _IDLE_LOOK_SECONDS, self._idle.look, at_once=False)
        if self._stuck is not None:
            loop.repeat("jobs-stuck", _STUCK_LOOK_SECONDS, self._stuck.look, at_once=False)
