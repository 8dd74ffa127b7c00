"""The steps from a challenger to a person's word: both models on the same rows, the gates, and the approval."""

from dataclasses import replace

from mlops_desk.base.errors import Hint
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.spec import Goal
from mlops_desk.records.pipelines.evidence import StepEvidence
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.rules.pipeline.judging import comparison_of, gates_of
from mlops_desk.rules.pipeline.machine import StepOutcome, failed_outcome
from mlops_desk.rules.pipeline.ports import PipelineParts


def goal_of(run: PipelineRun) -> Goal:
    return Goal.MAXIMIZE if run.higher_is_better else Goal.MINIMIZE


class Contest:
    """Judges challengers."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts

    def evaluate(self, run: PipelineRun) -> StepOutcome:
        """Score champion and challenger on the same rows. Who is champion is asked now, for it may have changed."""
        champion = self._parts.champion(run.model, run.alias)
        challenger = run.challenger_version or ""
        if champion.version == challenger:
            text = f"Version {challenger} is {run.model}@{run.alias} already."
            return failed_outcome(run, text, ends_in=PipelineState.NOT_BETTER)
        run = replace(run, champion_version=champion.version, champion_run=champion.run_id)
        found = self._parts.evaluate(run, champion, self._parts.version(run.model, challenger))
        comparison = comparison_of(found, run.plan, goal_of(run))
        if comparison is None:
            text = f"The two models can't be compared on the same rows. {' '.join(found.missing)}"
            before = "Name a file of labelled rows when the rule is made: "
            hint = Hint(f"mlops-desk rules create {run.rule} --test FILE", before=before)
            return failed_outcome(run, text, hint, evidence=StepEvidence(evaluation=found))
        text = f"Both were scored on {' and on '.join(f'{one.rows:,} rows of {one.data}' for one in found.scores)}."
        text = " ".join((text, *found.missing))  # who approves is to see what the challenger was not held against
        return StepOutcome(replace(run, comparison=comparison), StepEvidence(text, evaluation=found))

    def gate(self, run: PipelineRun) -> StepOutcome:
        """Hold the challenger against the rule's gates."""
        evaluation = run.step(StepName.EVALUATE).evidence.evaluation
        if evaluation is None:
            return failed_outcome(run, "There is no evaluation to judge by.")
        gates = gates_of(evaluation, run.plan, goal_of(run))
        failed = [one for one in gates if one.passed is False]
        if failed:
            text = " ".join(one.text for one in failed)
            return failed_outcome(run, text, ends_in=PipelineState.NOT_BETTER, evidence=StepEvidence(gates=gates))
        text = " ".join(one.text for one in gates if one.passed and one.gate == "metric")
        return StepOutcome(run, StepEvidence(text, gates=gates))

    def approve(self, run: PipelineRun) -> StepOutcome:
        """Wait for people, with the comparison before them; where a policy wants nobody, go on."""
        text = run.step(StepName.GATE).evidence.text
        standing = self._parts.approving.standing(run)
        if standing is not None and standing.passes:
            text = f"The policy of {plain(run.model)}@{plain(run.alias)} wants nothing that is not there. {text}"
            return StepOutcome(run, StepEvidence(text, version=run.challenger_version))
        if standing is not None:
            text = f"{text} Its policy: {'; '.join(standing.lacking)}."
        hint = Hint(f"mlops-desk approvals approve {run.id}", after=" (or reject) decides it.")
        evidence = StepEvidence(text, hint, version=run.challenger_version)
        return StepOutcome(run, evidence, StepState.RUNNING, PipelineState.WAITING_FOR_APPROVAL)
