"""What becomes of a retraining once its job has ended: a proposal, or a sentence that says why there is none."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_desk.base.text import plain
from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.rule import Retraining, RetrainState, Rule
from mlops_desk.rules.decision import decide

NEVER_SUBMITTED = "The job was never submitted."


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Asks the registry what a job's run has brought. Both callables may raise DeskError: then ask again later."""

    metric: Callable[[str, str], float | None]
    versions_of_run: Callable[[str], list[ModelVersion]]

    def of(self, retraining: Retraining, job: Job, rule: Rule | None) -> Retraining:
        """Return the retraining as its job has left it, unchanged while the job goes on."""
        retraining = replace(retraining, job_id=job.id)
        if not job.state.is_final:
            return retraining
        if job.state is JobState.UNKNOWN:
            text = "Nobody saw how the job ended, so nothing is proposed."
            return replace(retraining, state=RetrainState.UNKNOWN, text=text)
        if job.state is not JobState.SUCCEEDED:
            reason = f": {plain(job.reason.text, 500)}" if job.reason else "."
            return replace(retraining, state=RetrainState.FAILED, text=f"The job has {_ENDED[job.state]}{reason}")
        if rule is None:
            text = "The rule was removed before the training ended."
            return replace(retraining, state=RetrainState.REJECTED, text=text)
        return self._proposal(retraining, job.mlflow_run_id, rule)

    def _proposal(self, retraining: Retraining, run_id: str | None, rule: Rule) -> Retraining:
        versions = self.versions_of_run(run_id) if run_id else []
        registered = [version for version in versions if version.name == rule.model]
        if run_id is None or not registered:
            text = f"The job registered no version of {plain(rule.model)} from its run."
            return replace(retraining, state=RetrainState.FAILED, text=text)
        challenger = max(registered, key=lambda version: (len(version.version), version.version))
        value = self.metric(run_id, rule.metric)
        decision = decide(rule, retraining.champion_value, value)
        return replace(
            retraining,
            state=RetrainState.WAITING_FOR_APPROVAL if decision.better else RetrainState.NOT_BETTER,
            challenger_version=challenger.version,
            challenger_value=value,
            text=decision.text,
        )


_ENDED = {JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}


def against(rule: Rule, retraining: Retraining, champion: ModelVersion, value: float | None) -> Retraining:
    """Decide again against a version that has become champion since the proposal was made."""
    decision = decide(rule, value, retraining.challenger_value)
    return replace(
        retraining,
        state=retraining.state if decision.better else RetrainState.NOT_BETTER,
        champion_version=champion.version,
        champion_value=value,
        text=decision.text,
    )
