"""What is told of a job whose data are not there yet: a few words, with the numbers, and what to do."""

from collections.abc import Sequence

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.jobs.runtimes.disk_shares import STAGING, WHOLE
from mlops_desk.jobs.staging.cache import StagingRules
from mlops_desk.jobs.staging.eviction import RoomPlan
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.text import duration_text, plain, size_text

DATA_STAGING = "data_staging"
"""The class of the reason while data are copied, or are to be."""
NO_ROOM = "staging_no_room"
FAILED = "staging_failed"
MISSING = "staging_source_missing"
CLASSES = frozenset({DATA_STAGING, NO_ROOM, MISSING})
"""Of those that wait for their data."""
_SHOWN = 1000  # chosen: a path may be long
SILENT_SECONDS = 20.0
"""Chosen: no share that is well takes so long for one file; a server that restarts does."""
_STUCK = "It goes on by itself when the share answers; cancel the job, or mount the data unstaged."
_NAMED = 3  # chosen: as many as stand in one line
WAITS = Reason(DATA_STAGING, "Its data are copied to the local cache first; others are copied now.")


def going_on(progress: StagingProgress, now: float | None = None) -> Reason:
    """Say how far a copy is; from a moment after (``now``) also that nothing has come since, where that is long ago."""
    silent = 0.0 if now is None else now - progress.seen_at
    if silent < SILENT_SECONDS or progress.phase == "waiting":
        return _how_far(progress)
    lasts = duration_text(silent - silent % SILENT_SECONDS)  # in steps, so that it is not told anew each second
    text = f"Nothing has come from {plain(progress.source)} for {lasts}: does its share answer?"
    return Reason(DATA_STAGING, f"{text} {_how_far(progress).text}", hint=_STUCK)


def _how_far(progress: StagingProgress) -> Reason:
    what = plain(progress.source)
    if progress.phase == "listing":
        return Reason(DATA_STAGING, f"Looks through {what} to copy it: {progress.files:,} files so far.")
    if progress.phase == "checking":
        return Reason(DATA_STAGING, f"Looks whether {what} has changed while it was copied: {progress.files:,} files.")
    if progress.phase == "waiting" or progress.total_bytes is None:
        return Reason(DATA_STAGING, f"Waits until {what} is copied to the local cache.")
    text = f"Copies {what} to the local cache: {size_text(progress.size_bytes)} of {size_text(progress.total_bytes)}"
    if progress.bytes_per_second:
        text += f", {size_text(int(progress.bytes_per_second))} a second"
    if progress.left_seconds is not None:
        text += f", {duration_text(progress.left_seconds)} left"
    return Reason(DATA_STAGING, f"{text}.")


def no_room(source: str, need_bytes: int, plan: RoomPlan, rules: StagingRules) -> Reason:
    """Say what is missing, and which setting or what else gives it."""
    what = f"{plain(source)} takes {size_text(need_bytes)} in the cache"
    missing = f"{size_text(plan.missing_bytes)} are missing"
    if plan.later_bytes >= plan.missing_bytes:
        text = f"{what}, and {missing} until jobs that use other data are over."
        return Reason(DATA_STAGING, text, hint=Hint("mlops-desk jobs cache", after=" shows who uses what."))
    if not plan.by_budget:
        return _disk(f"{what}, and {missing} on its disk: {size_text(rules.reserve_bytes)} of it are kept free.", rules)
    text = f"{what}, and {missing}: its budget is {size_text(rules.budget_bytes)}."
    wanted = -(-(rules.budget_bytes + plan.missing_bytes) // (1 << 20))
    hint = Hint(f"mlops-desk settings set {STAGING} {wanted}", before="Give it more: ", after=f" (within {WHOLE}), or "
                "mount the data unstaged.")  # fmt: skip
    return Reason(NO_ROOM, text, hint=hint)


def disk_full(rules: StagingRules) -> Reason:
    """Say that the disk has become too full while data were copied."""
    text = f"The disk of the staging cache is full, but for the {size_text(rules.reserve_bytes)} that are kept free."
    return _disk(f"{text} What was copied is kept.", rules)


def _disk(text: str, rules: StagingRules) -> Reason:
    after = ", or less is kept free by the setting jobs.staging_reserve_mebibytes."
    return Reason(NO_ROOM, text, hint=Hint(f"df -h {rules.folder}", before="Free some space: ", after=after))


def source_missing(error: DeskError) -> Reason:
    """Say that there is nothing to copy from."""
    return Reason(MISSING, error.message, hint=error.hint, title="Data not found")


def later(error: DeskError) -> Reason:
    """Say why data can't be copied now; it is tried again."""
    return Reason(DATA_STAGING, f"Its data can't be copied now: {error.message}", hint=error.hint)


def changing(source: str, paths: Sequence[str], rounds: int) -> Reason:
    """Say that a source is never the same twice."""
    named = f" ({', '.join(plain(path) for path in paths[:_NAMED])})" if paths else ""
    text = f"{plain(source)} was written to each time that it was copied{named}, {rounds} times."
    return Reason(
        FAILED,
        text,
        hint="Submit the job again when nothing writes there, or mount it unstaged.",
        title="Data changed while copied",
    )


def refused(error: DeskError) -> Reason:
    """Say why data can't be copied, and never will."""
    text = "The job was not started: its data can't be copied to the local cache."
    return Reason(FAILED, text, evidence=plain(error.message, _SHOWN), hint=error.hint, title="Data not copied")
