"""Signs that a job is stuck, in words and as fields."""

from collections.abc import Sequence

from mlops_desk.base.text import duration_text
from mlops_desk.jobs.stuck.look import JobLook
from mlops_desk.jobs.stuck.rhythm import Rhythm
from mlops_desk.records.jobs.running import Stuck, StuckSign

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
