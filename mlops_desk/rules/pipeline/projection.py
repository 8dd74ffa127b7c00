"""A run of a pipeline as the retraining that it is to its rule, for whoever asks for those. Pure."""

from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, StepName
from mlops_desk.records.rule import Retraining, RetrainState

_STATES = {
    PipelineState.WAITING_FOR_APPROVAL: RetrainState.WAITING_FOR_APPROVAL,
    PipelineState.PROMOTED: RetrainState.APPROVED,
    PipelineState.NOT_BETTER: RetrainState.NOT_BETTER,
    PipelineState.ALREADY_TRAINED: RetrainState.NOT_BETTER,
    PipelineState.REJECTED: RetrainState.REJECTED,
    PipelineState.CANCELLED: RetrainState.FAILED,
    PipelineState.FAILED: RetrainState.FAILED,
    PipelineState.ROLLED_BACK: RetrainState.FAILED,
    PipelineState.UNKNOWN: RetrainState.UNKNOWN,
}


def retraining_of(run: PipelineRun) -> Retraining:
    """Return the retraining: what was approved is, from then on until it is rolled out or went back."""
    state = run.paused_in or run.state if run.state is PipelineState.PAUSED else run.state
    if state is PipelineState.RUNNING:
        found = RetrainState.APPROVED if run.step(StepName.APPROVE).state.is_over else RetrainState.TRAINING
    else:
        found = _STATES[state]
    is_rolled_out = state is PipelineState.RUNNING and found is RetrainState.APPROVED
    scored = run.comparison
    return Retraining(
        id=run.id,
        rule=run.rule,
        state=found,
        trigger=run.trigger,
        job_id=run.job_id,
        champion_version=run.champion_version,
        champion_value=None if scored is None else scored.champion.value,
        challenger_version=run.challenger_version,
        challenger_value=None if scored is None else scored.challenger.value,
        created_at=run.created_at,
        decided_by=run.decided_by,
        decided_at=run.decided_at,
        text=run.text,
        created_by=run.created_by,
        stage=next((step.name.value for step in run.steps if not step.state.is_over), None) if is_rolled_out else None,
    )
