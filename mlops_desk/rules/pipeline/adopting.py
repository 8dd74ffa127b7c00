"""What was retrained before there were pipelines, as runs of them. Pure.

Its job is found by its origin. What was proposed had been compared by what each run logged about itself: it is scored
on the same rows before anybody decides.
"""

from dataclasses import replace

from mlops_desk.records.pipelines.evidence import StepEvidence
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.records.rule import Retraining, RetrainState, Rule

_SKIPPED = StepEvidence("It was begun before data were frozen.")


def adopted(retraining: Retraining, rule: Rule | None) -> PipelineRun:
    """Return the run of a retraining that is under way; without its rule it ends, as it is proposed to nobody."""
    over = {StepName.FREEZE: StepState.SKIPPED, StepName.VALIDATE: StepState.SKIPPED}
    if retraining.state is RetrainState.WAITING_FOR_APPROVAL:
        over[StepName.TRAIN] = StepState.DONE
    at = retraining.created_at
    steps = tuple(
        PipelineStep(name, over[name], at, at, _SKIPPED) if name in over else PipelineStep(name) for name in StepName
    )
    run = PipelineRun(
        id=retraining.id,
        rule=retraining.rule,
        state=PipelineState.RUNNING,
        steps=steps,
        trigger=retraining.trigger,
        champion_version=retraining.champion_version,
        challenger_version=retraining.challenger_version,
        job_id=retraining.job_id,
        created_at=at,
        created_by=retraining.created_by,
    )
    if rule is None:
        text = "The rule was removed before there were pipelines."
        return replace(run, state=PipelineState.REJECTED, text=text, ended_at=at)
    return replace(
        run, model=rule.model, alias=rule.alias, metric=rule.metric, higher_is_better=rule.higher_is_better,
        endpoint=rule.endpoint, plan=rule.plan, data=rule.data,
    )  # fmt: skip
