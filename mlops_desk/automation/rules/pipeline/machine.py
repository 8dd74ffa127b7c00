"""How a run of a pipeline goes from step to step, and what people may do to it meanwhile. Pure.

A step's work is done outside of this, on a run as it was loaded; what came of it is then applied to the same run, if
nobody has changed it meanwhile (``book``).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops_desk.automation.records.pipelines.evidence import StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.kit.base.errors import Hint, Refused

_AGAIN = frozenset({
    PipelineState.FAILED, PipelineState.UNKNOWN, PipelineState.CANCELLED, PipelineState.NOT_BETTER,
    PipelineState.ROLLED_BACK,
})  # fmt: skip
_ENDS_STEP = {
    PipelineState.CANCELLED: StepState.CANCELLED,
    PipelineState.UNKNOWN: StepState.UNKNOWN,
}
_BEGINS_AT = {
    StepName.VALIDATE: StepName.FREEZE,  # whoever mends the data has changed them
    StepName.GATE: StepName.EVALUATE,
    StepName.APPROVE: StepName.EVALUATE,
    StepName.CANARY: StepName.SHADOW,
    StepName.PROMOTE: StepName.SHADOW,
}
"""Where a run begins again whose step did not end well: at that step itself, but for these."""


@dataclass(frozen=True, slots=True)
class StepOutcome:
    """What came of a step: ``run`` with what it changed, and how the step stands now.

    ``step`` RUNNING: it goes on elsewhere, and is looked at again. WAITING: steps before it come first. ``ends_in``:
    the run ends in this state, or waits.
    """

    run: PipelineRun
    evidence: StepEvidence
    step: StepState = StepState.DONE
    ends_in: PipelineState | None = None


def next_step(run: PipelineRun) -> PipelineStep | None:
    """Return the first step that is not over; None where all are."""
    return next((step for step in run.steps if not step.state.is_over), None)


def begun(run: PipelineRun, name: StepName, now: float) -> PipelineRun:
    """Return the run with a step under way; one that was under way already began when it did."""
    step = run.step(name)
    at = step.started_at if step.state is StepState.RUNNING and step.started_at is not None else now
    return _with(run, replace(step, state=StepState.RUNNING, started_at=at, ended_at=None))


def applied(outcome: StepOutcome, name: StepName, now: float) -> PipelineRun:
    """Return the run as a step has left it."""
    run, over = outcome.run, outcome.step not in {StepState.RUNNING, StepState.WAITING}
    step = run.step(name)
    run = _with(run, replace(step, state=outcome.step, ended_at=now if over else None, evidence=outcome.evidence))
    state = outcome.ends_in or run.state
    if over and outcome.ends_in is None and next_step(run) is None:
        state = PipelineState.PROMOTED
    return replace(
        run,
        state=state,
        text=outcome.evidence.text or run.text,
        hint=outcome.evidence.hint,
        ended_at=now if state.is_final else None,
    )


def paused(run: PipelineRun) -> PipelineRun:
    """Return the run paused: nothing of it is begun any more. What runs in a container goes on. Raises Refused."""
    if run.state is PipelineState.PAUSED:
        return run
    if run.state.is_final:
        raise Refused(f"Pipeline {run.id} is over: {words(run.state)}.", run.text)
    return replace(run, state=PipelineState.PAUSED, paused_in=run.state)


def resumed(run: PipelineRun) -> PipelineRun:
    """Return a paused run as it was. Raises Refused."""
    if run.state is not PipelineState.PAUSED:
        hint = Hint(f"mlops-desk pipelines retry {run.id}", before="One that failed goes on by: ")
        raise Refused(f"Pipeline {run.id} is not paused: {words(run.state)}.", hint)
    return replace(run, state=run.paused_in or PipelineState.RUNNING, paused_in=None)


def cancelled(run: PipelineRun, by: str, now: float) -> PipelineRun:
    """Return the run cancelled, with the step that was under way. Raises Refused."""
    if run.state is PipelineState.CANCELLED:
        return run
    if run.state.is_final:
        raise Refused(f"Pipeline {run.id} is over: {words(run.state)}.", run.text)
    step = next_step(run)
    text = f"It was cancelled by {by}."
    if step is not None:
        run = _with(run, replace(step, state=StepState.CANCELLED, ended_at=now))
    return replace(
        run, state=PipelineState.CANCELLED, paused_in=None, text=text, hint=None, ended_at=now, decided_by=by
    )


def retried(run: PipelineRun) -> PipelineRun:
    """Return the run begun again where it did not end well; what went well before stays. Raises Refused."""
    if run.state not in _AGAIN:
        hint = Hint(f"mlops-desk pipelines show {run.id}")
        raise Refused(f"Pipeline {run.id} can't be tried again: it is {words(run.state)}.", hint)
    failed = next_step(run)
    if failed is None:
        raise Refused(f"Pipeline {run.id} has nothing left to do.")
    first = _BEGINS_AT.get(failed.name, failed.name)
    if first is StepName.TRAIN and run.manifest_sha256 is None:  # what was frozen is not there any more
        first = StepName.FREEZE
    is_trained_again = first in {StepName.FREEZE, StepName.VALIDATE, StepName.AUGMENT, StepName.TRAIN}
    run = again_from(run, first)
    if is_trained_again:
        run = replace(run, tries=run.tries + 1, job_id=None, challenger_version=None)
    return replace(run, state=PipelineState.RUNNING, text=None, hint=None, ended_at=None)


def again_from(run: PipelineRun, first: StepName) -> PipelineRun:
    """Return the run with a step and all behind it not begun; a comparison that is to be made again is forgotten."""
    order = list(StepName)
    kept = [step for step in run.steps if order.index(step.name) < order.index(first)]
    steps = (*kept, *(PipelineStep(name) for name in order[order.index(first) :]))
    forgets = order.index(first) <= order.index(StepName.EVALUATE)
    manifest = None if first is StepName.FREEZE else run.manifest_sha256
    return replace(run, steps=steps, comparison=None if forgets else run.comparison, manifest_sha256=manifest)


def failed_outcome(
    run: PipelineRun, text: str, hint: str | None = None, *, ends_in: PipelineState = PipelineState.FAILED,
    evidence: StepEvidence | None = None,
) -> StepOutcome:  # fmt: skip
    """Return what comes of a step that did not go well."""
    told = replace(evidence or StepEvidence(), text=text, hint=hint)
    return StepOutcome(run, told, _ENDS_STEP.get(ends_in, StepState.FAILED), ends_in)


def same_before(run: PipelineRun, earlier: Iterable[PipelineRun]) -> PipelineRun | None:
    """Return the newest earlier run that has trained the same data by the same recipe, of those newest first."""
    if run.recipe_sha256 is None or run.manifest_sha256 is None:
        return None
    same = (run.recipe_sha256, run.manifest_sha256, run.model)
    return next(
        (
            one
            for one in earlier
            if one.id != run.id
            and (one.recipe_sha256, one.manifest_sha256, one.model) == same
            and one.challenger_version is not None
            and one.step(StepName.TRAIN).state.is_over
        ),
        None,
    )


def words(state: PipelineState) -> str:
    return state.replace("_", " ")


def _with(run: PipelineRun, step: PipelineStep) -> PipelineRun:
    return replace(run, steps=tuple(step if one.name is step.name else one for one in run.steps))
