"""How a job ended: what its wrapper left behind, what its runtime says, and the verdict from both. Pure.

The wrapper's word is the outcome. The runtime's exit code is a hint, believed only for an end that this
agent, or an engine that has lived on since the start, has watched, and never when it is one that a
restarting engine makes up. Nothing else is guessed: without either the outcome is UNKNOWN.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_desk.jobs.failure_causes.judge import why
from mlops_desk.jobs.records.failure_facts import EndFacts, SeenFacts
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.runtime import Outcome, Sighting
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain

# An engine that was away reports 255 for what ended meanwhile, and 137 or 143 for what it stopped itself.
_MADE_UP_CODES = frozenset({137, 143, 255})


@dataclass(frozen=True, slots=True)
class Ending:
    """All that is known of an attempt that is over. ``seen`` None: it is gone.

    ``stopped_for`` is why the desk itself stopped it, if it did; ``spec`` what it was asked to be, ``facts`` what
    telemetry saw of its GPUs and of the machine, ``memory_peak_bytes`` the most memory that the kernel counted for it.
    """

    outcome: Outcome | None
    seen: Sighting | None
    watched: bool
    cancel_requested: bool
    log_tail: Sequence[str] = ()
    leased: tuple[str, ...] = ()
    stopped_for: Reason | None = None
    spec: JobSpec | None = None
    facts: SeenFacts = field(default_factory=SeenFacts)
    memory_peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class AttemptVerdict:
    state: JobState
    exit_code: int | None
    reason: Reason | None


def judge(ending: Ending) -> AttemptVerdict:
    """Say how it ended."""
    if ending.outcome is not None:
        return _by_outcome(ending, ending.outcome)
    if ending.stopped_for is not None:
        return AttemptVerdict(JobState.FAILED, _told_code(ending), ending.stopped_for)
    if ending.cancel_requested:
        return AttemptVerdict(JobState.CANCELLED, _told_code(ending), _cancelled(ending))
    return _by_engine(ending)


def _by_outcome(ending: Ending, outcome: Outcome) -> AttemptVerdict:
    code = outcome.exit_code
    if outcome.gpu_proof == "failed":
        return AttemptVerdict(JobState.FAILED, code, _proof_failed(ending, outcome))
    if outcome.signal is not None and ending.stopped_for is not None:
        return AttemptVerdict(JobState.FAILED, code, ending.stopped_for)
    if outcome.signal is not None and ending.cancel_requested:
        return AttemptVerdict(JobState.CANCELLED, code, _cancelled(ending))
    if outcome.signal is not None:
        return AttemptVerdict(JobState.UNKNOWN if code == 0 else JobState.FAILED, code, _stopped(outcome))
    if code == 0:
        return AttemptVerdict(JobState.SUCCEEDED, 0, None)
    return AttemptVerdict(JobState.FAILED, code, _failed(ending, code))


def _by_engine(ending: Ending) -> AttemptVerdict:
    seen, code = ending.seen, _told_code(ending)
    if seen is None:
        text = "The container is gone and left no outcome: nobody saw how the job ended."
        hint = "Somebody removed it, or the engine's data was reset. What the job wrote will tell."
        return AttemptVerdict(
            JobState.UNKNOWN, None, Reason("container_vanished", text, hint=hint, title="Container gone")
        )
    if seen.oom_killed and code == 137:
        return AttemptVerdict(JobState.FAILED, code, _failed(ending, code))
    if ending.watched and code is not None and code not in _MADE_UP_CODES:
        if code == 0:
            return AttemptVerdict(JobState.SUCCEEDED, 0, None)
        return AttemptVerdict(JobState.FAILED, code, _failed(ending, code))
    watched = "was watched" if ending.watched else "was not watched to its end"
    evidence = f"The engine says {seen.status} with exit code {code}; the container {watched} and left no outcome file."
    text = "Nobody saw how the job ended."
    hint = "Its log and what it wrote will tell. It is not started again by itself."
    return AttemptVerdict(
        JobState.UNKNOWN, code, Reason("engine_lost", text, evidence, hint, title="Not seen to its end")
    )


def _told_code(ending: Ending) -> int | None:
    return None if ending.seen is None else ending.seen.exit_code


def _cancelled(ending: Ending) -> Reason:
    killed = ending.outcome is None and _told_code(ending) == 137
    evidence = "It did not end within the grace after TERM and was killed." if killed else None
    return Reason("cancelled", "The job was cancelled.", evidence)


def _stopped(outcome: Outcome) -> Reason:
    evidence = f"It was sent {plain(outcome.signal or '')} and then ended with exit code {outcome.exit_code}."
    hint = "The engine was shut down, or somebody stopped the container by hand. Submit the job again if need be."
    return Reason(
        "stopped", "Something other than MLOps Desk stopped the job.", evidence, hint, title="Stopped from outside"
    )


def _proof_failed(ending: Ending, outcome: Outcome) -> Reason:
    visible = plain(outcome.visible_gpus.strip(), 300) or "none"
    evidence = f"Leased: {', '.join(ending.leased)}. Visible in the container: {visible}."
    hint = Hint("mlops-desk doctor", before="Check the NVIDIA container toolkit and its CDI files: ", after=".")
    text = "The GPUs in the container were not the ones leased for it, so the command was not started."
    return Reason("gpu_proof_failed", text, evidence, hint, title="Not the GPUs it was leased")


def _failed(ending: Ending, code: int) -> Reason:
    spec = ending.spec
    return why(
        EndFacts(
            exit_code=code,
            log=ending.log_tail,
            oom_killed=ending.seen is not None and ending.seen.oom_killed,
            memory_limit_bytes=None if spec is None else spec.resources.memory_bytes,
            mounts=() if spec is None else tuple((mount.source, mount.target) for mount in spec.mounts),
            gpus=ending.facts.gpus,
            host=ending.facts.host,
            memory_peak_bytes=ending.memory_peak_bytes,
        )
    )
