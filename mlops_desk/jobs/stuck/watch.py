"""Whether a job is stuck, from looks at it. No sign is enough by itself but a loss that stays no number.

That it writes nothing, or that its progress stands, is a sign only where it did otherwise before, and counts only
together with what the machine does: a long validation keeps its GPUs busy, a long step on the processors keeps those
busy, and a checkpoint is written to its end. Ranks that wait for one another in a collective report busy GPUs, which
draw far less than before. A job without a rhythm is told only when GPUs and processors both have long been at rest.
"""

from collections.abc import Sequence
from itertools import pairwise

from mlops_desk.jobs.stuck import words
from mlops_desk.jobs.stuck.look import JobLook
from mlops_desk.jobs.stuck.rhythm import Lasting, Rhythm
from mlops_desk.records.jobs.running import Stuck, StuckSign

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
        return words.told(signs, self._since, look.at)

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
        return (words.loss(look, lasts),) if few or many else ()

    # -- that nothing goes on any more ---------------------------------------------------------

    def _standstill(self, look: JobLook, least_seconds: float) -> tuple[StuckSign, ...]:
        least = least_seconds * (_AT_ITS_END if look.through else 1.0)
        stopped = self._stopped(look, least)
        witnesses = self._witnesses(look, least, alone=not stopped)
        return (*stopped, *witnesses) if witnesses else ()

    def _stopped(self, look: JobLook, least: float) -> tuple[StuckSign, ...]:
        found = []
        if self._log.has_stopped(look.now, least):
            found.append(words.silent(look, self._log))
        if self._progress.has_stopped(look.now, least) and not look.through:
            found.append(words.halted(look, self._progress))
        return tuple(found)

    def _witnesses(self, look: JobLook, least: float, *, alone: bool) -> tuple[StuckSign, ...]:
        """Return what the machine says to it; nothing where it does not agree. ``alone``: its log says nothing."""
        now = look.now
        if alone:
            least *= _WITHOUT_A_RHYTHM
        cpus, gpus = self._flat_cpus.seconds(now), self._flat_gpus.seconds(now)
        if look.gpus and look.gpu_utilization is not None:
            if not alone and self._spinning.seconds(now) >= least / 2:
                return (words.spinning(look, self._spinning.seconds(now), self._active_watts or 0.0),)
            if gpus < least / 2:
                return ()
            flat = words.flat_gpus(look, gpus, self._active_ratio)
            if look.cpus is None:
                return (flat,) if not alone and gpus >= least * _LESS_IS_KNOWN else ()
            return (flat, words.flat_cpus(look, cpus)) if cpus >= least / 2 else ()
        needed = least * _LESS_IS_KNOWN if look.gpus else least / 2
        return (words.flat_cpus(look, cpus),) if not alone and cpus >= needed else ()


_LATEST_SHARE = 0.2  # chosen: some five looks make what it draws usually
_AT_ITS_END = 4.0  # chosen: of a bar that is through, results are written and sent for as long as they take
_WITHOUT_A_RHYTHM = 4.0  # chosen: GPUs and processors alone speak against a job that tells nothing of itself
_LESS_IS_KNOWN = 4.0  # chosen: where one of the two witnesses is missing
