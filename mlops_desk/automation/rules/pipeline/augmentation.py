"""The step between looking at the data and training: rows made besides the real ones, where the recipe asks for them.

They are made by a job of their own, judged by the desk from the rows themselves, and held against gates. What models
are scored on is never among them.
"""

from mlops_desk.automation.records.pipelines.evidence import GateResult, StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.automation.records.pipelines.synthetic import Augmentation, AugmentUse, SyntheticData, SyntheticReport
from mlops_desk.automation.rules.pipeline.machine import StepOutcome, failed_outcome
from mlops_desk.automation.rules.pipeline.origins import maker_origin
from mlops_desk.automation.rules.pipeline.ports import PipelineParts
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.errors import Hint, Refused, TimedOut
from mlops_desk.kit.base.text import plain

_ENDED = {JobState.FAILED: "failed", JobState.CANCELLED: "been cancelled"}


def made_for(run: PipelineRun) -> SyntheticData | None:
    """Return the data set that was made for a run's training; None where it gets the real one."""
    step = run.step(StepName.AUGMENT)
    return step.evidence.synthetic if step.state.is_over else None


class Augmenting:
    """Has rows made and judges them."""

    def __init__(self, parts: PipelineParts) -> None:
        self._parts = parts

    def augment(self, run: PipelineRun) -> StepOutcome:
        """Let a job make rows, and hold them against the gates of the recipe."""
        if run.augment is None:
            return StepOutcome(run, StepEvidence("The recipe asks for no made rows."), StepState.SKIPPED)
        if run.challenger_version is not None:
            text = "Nothing is trained, so no rows are made."
            return StepOutcome(run, StepEvidence(text), StepState.SKIPPED)
        if run.champion_job is None:
            raise AssertionError("a run without a job to repeat is not begun")
        job = self._parts.job(run.champion_job)
        maker = self._parts.job_of_origin(maker_origin(run)) or self._begun(run, job)
        if not maker.state.is_final:
            return StepOutcome(run, StepEvidence(f"Job {maker.id} makes rows.", job_id=maker.id), StepState.RUNNING)
        if maker.state is JobState.SUCCEEDED:
            return self._judged(run, run.augment, maker, self._parts.rows.take(run, job, maker))
        return _lost(run, maker)

    def _begun(self, run: PipelineRun, job: Job) -> Job:
        try:
            return self._parts.rows.begin(run, job, maker_origin(run))
        except TimedOut:  # whether it was queued is unknown: it is looked for by its origin
            found = self._parts.job_of_origin(maker_origin(run))
            if found is None:
                hint = Hint(f"mlops-desk pipelines retry {run.id}", before="To make them all the same: ")
                raise Refused("The queue did not answer, and no rows are made.", hint) from None
            return found

    def _judged(self, run: PipelineRun, asked: Augmentation, maker: Job, made: SyntheticData) -> StepOutcome:
        gates = gates_of_rows(made.report, asked)
        evidence = StepEvidence(job_id=maker.id, gates=gates, synthetic=made)
        failed = [one.text for one in gates if one.passed is False]
        if failed:
            text = f"The made rows are not good enough, so nothing is trained on them. {' '.join(failed)}"
            hint = Hint(f"mlops-desk pipelines retry {run.id}", before="To make others: ")
            return failed_outcome(run, text, hint, evidence=evidence)
        beside = "with" if made.use is AugmentUse.WITH else "instead of"
        text = f"{made.report.made_rows:,} rows of {plain(made.template)} are trained on {beside} the real ones."
        told = StepEvidence(text, job_id=maker.id, gates=gates, synthetic=made)
        return StepOutcome(run, told)


def gates_of_rows(report: SyntheticReport, asked: Augmentation) -> tuple[GateResult, ...]:
    """Return what each gate says of made rows; what is not known passes no gate."""
    privacy = report.privacy
    allowed = max(asked.copies, privacy.copies_by_chance or 0.0)
    chance = "" if privacy.copies_by_chance is None else f" (of the rows held back {privacy.copies_by_chance:.2%} are)"
    text = f"{privacy.copies:.2%} of the made rows are copies of real ones{chance}; {allowed:.2%} are allowed."
    return (
        _least("quality", "The quality of the made rows", report.quality, asked.quality),
        GateResult("copies", privacy.copies <= allowed, text, privacy.copies, allowed),
        _least("protection", "The protection of the rows learned from", privacy.protection, asked.protection),
    )


def _least(gate: str, what: str, value: float | None, limit: float) -> GateResult:
    if value is None:
        return GateResult(gate, passed=False, text=f"{what} is not known.", limit=limit)
    return GateResult(gate, value >= limit, f"{what} is {value:.3f}; at least {limit:g} is asked.", value, limit)


def _lost(run: PipelineRun, maker: Job) -> StepOutcome:
    evidence = StepEvidence(job_id=maker.id)
    if maker.state is JobState.UNKNOWN:
        text = "Nobody saw how the job that makes rows ended, so nothing is trained."
        return failed_outcome(run, text, ends_in=PipelineState.UNKNOWN, evidence=evidence)
    reason = f": {plain(maker.reason.text, 500)}" if maker.reason else "."
    text = f"The job that makes rows has {_ENDED[maker.state]}{reason}"
    return failed_outcome(run, text, Hint(f"mlops-desk jobs logs {maker.id}"), evidence=evidence)
