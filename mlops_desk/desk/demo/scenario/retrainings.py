"""Retrainings of the demonstration's last weeks, in the states in which they end: promoted, held up, failed.

They go through the same pure steps as real ones (``rules/pipeline/machine``, ``judging``); how models scored is made up
as for those that run now.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_desk.automation.records.pipelines.comparison import GroupScore, ModelCost, ModelEvaluation, Scored
from mlops_desk.automation.records.pipelines.evidence import DataCheck, DataManifest, EndpointMove, StepEvidence
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, StepName, StepState
from mlops_desk.automation.records.retraining_rule import Retraining
from mlops_desk.automation.rules.pipeline.machine import StepOutcome, applied, begun, failed_outcome
from mlops_desk.automation.rules.pipeline.promotion_gates import comparison_of, gates_of
from mlops_desk.desk.demo import data, seed_records
from mlops_desk.desk.demo.pipelines import scored
from mlops_desk.desk.demo.scenario.rules import EU_RETRAINED, LINE_RETRAINED
from mlops_desk.jobs.records.spec import Goal

_TRAINED_SECONDS = 3600.0  # chosen: as the trainings of the past take
_MEBIBYTE = 1 << 20  # what it is
_LINE_PLAN = EvaluationPlan(delta=0.002, slices=("camera",), slice_delta=0.01)
_LOST = 0.19  # chosen: about what of the column was lost by then


@dataclass(frozen=True, slots=True)
class _Told:
    """A retraining: its id, which rule's, of which versions, when it was begun (Unix time), and who decided."""

    id: str
    rule: str
    model: str
    metric: str
    champion: str
    challenger: str | None
    at: float
    trigger: str
    decided_by: str | None = None


def runs(seed: int, now: float) -> list[PipelineRun]:
    """Return the retrainings that were over before ``now`` (Unix time)."""
    churn = [_promoted(_of_churn(one), "churn-prod") for one in seed_records.retrainings(seed, now)]
    return [*churn, *_of_line(now), _broken(now)]


def _of_churn(one: Retraining) -> _Told:
    return _Told(
        one.id, one.rule, "churn", "auc", one.champion_version, one.challenger_version, one.created_at, one.trigger,
        one.decided_by,
    )  # fmt: skip


def _of_line(now: float) -> tuple[PipelineRun, PipelineRun]:
    """Return two of the model of the line: one camera was worse by the first, and the second went through."""
    first, second = (
        _Told(
            seed_records.named(f"pipeline.{LINE_RETRAINED}.{back}"), LINE_RETRAINED, "resnet50", "accuracy", champion,
            challenger, now - hours * 3600.0, "by maria", by,
        )
        for back, champion, challenger, hours, by in ((1, "4", "5", 337.0, None), (0, "5", "6", 169.0, "maria"))
    )  # fmt: skip
    held = _trained(first, _LINE_PLAN)
    found = _evaluation(first, (("1", 0.004), ("2", 0.006), ("3", -0.034)))
    held = _judged(held, found)
    gates = gates_of(found, _LINE_PLAN, Goal.MAXIMIZE)
    text = " ".join(one.text for one in gates if one.passed is False)
    evidence = StepEvidence(gates=gates)
    held = _step(
        held, StepName.GATE, 2.0,
        lambda run: failed_outcome(run, text, ends_in=PipelineState.NOT_BETTER, evidence=evidence),
    )  # fmt: skip
    return held, _promoted(second, None, _LINE_PLAN, (("1", 0.008), ("2", 0.007), ("3", 0.015)))


def _broken(now: float) -> PipelineRun:
    """Return one whose new data were not of the same kind."""
    told = _Told(
        seed_records.named(f"pipeline.{EU_RETRAINED}.0"), EU_RETRAINED, "churn", "auc", "3", None, now - 76.0 * 3600.0,
        "drift of churn-eu",
    )  # fmt: skip
    run = _frozen(replace(_begun(told, EvaluationPlan()), endpoint="churn-eu"), told)
    name = data.LOSES
    checks = (
        DataCheck("missing", passed=False, text=f"{_LOST:.1%} of the values of {name} are missing.", column=name,
                  value=_LOST),
        DataCheck("rows", passed=True, text="There are 41208 rows; 30 are needed."),
        DataCheck("schema", passed=True, text="All 6 columns of the reference are there."),
        DataCheck("range", passed=True, text="0.4% of the values of tenure_months lie outside the reference's range.",
                  column="tenure_months", value=0.004, limit=0.5),
    )  # fmt: skip
    text = f"The new data are broken: {checks[0].text}"
    hint = "Mend what writes them, then try it again."
    return _step(
        run, StepName.VALIDATE, 21.0, lambda one: failed_outcome(one, text, hint, evidence=StepEvidence(checks=checks))
    )


def _promoted(
    told: _Told, endpoint: str | None, plan: EvaluationPlan | None = None, groups: tuple[tuple[str, float], ...] = ()
) -> PipelineRun:
    plan = plan or EvaluationPlan()
    run = replace(_trained(told, plan), endpoint=endpoint)
    found = _evaluation(told, groups)
    run, gates = _judged(run, found), gates_of(found, plan, Goal.MAXIMIZE)
    text = " ".join(one.text for one in gates if one.passed and one.gate == "metric")
    run = _done(run, StepName.GATE, 2.0, StepEvidence(text, gates=gates))
    decided = f"Version {told.challenger} was approved by {told.decided_by}."
    run = _done(run, StepName.APPROVE, 1800.0, StepEvidence(decided, version=told.challenger))
    run = replace(run, decided_by=told.decided_by, decided_at=run.step(StepName.APPROVE).ended_at)
    alias = f"{told.model}@champion is version {told.challenger}."
    run = _done(run, StepName.REGISTER, 1.0, StepEvidence(alias, version=told.challenger))
    if endpoint is None:
        none = StepEvidence("No endpoint follows the alias.")
        for name in (StepName.SHADOW, StepName.CANARY):
            run = _step(run, name, 0.1, lambda one: StepOutcome(one, none, StepState.SKIPPED))
        return _done(run, StepName.PROMOTE, 0.2, StepEvidence(alias))
    for name, state, seconds, said in (
        (StepName.SHADOW, "shadow", 900.0, "answered the same requests, and nobody got its answers"),
        (StepName.CANARY, "canary", 3600.0, "answered 5, 25 and 50 % of them without more errors"),
        (StepName.PROMOTE, "live", 2.0, "answers all of them"),
    ):
        move = EndpointMove(endpoint, follows=True, state=state, version=told.challenger, text=f"It {said}.")
        run = _done(
            run, name, seconds, StepEvidence(f"{endpoint}: version {told.challenger} {said}.", endpoints=(move,))
        )
    return run


# -- how far a run is ------------------------------------------------------------------------


def _begun(told: _Told, plan: EvaluationPlan) -> PipelineRun:
    return PipelineRun(
        id=told.id, rule=told.rule, state=PipelineState.RUNNING, model=told.model, alias="champion", metric=told.metric,
        plan=plan, trigger=told.trigger, champion_version=told.champion, created_at=told.at,
        champion_run=data.run_id(told.model, int(told.champion)),
    )  # fmt: skip


def _frozen(run: PipelineRun, told: _Told) -> PipelineRun:
    manifest = DataManifest(seed_records.named(f"data.{told.id}") * 2, 12, 348 * _MEBIBYTE, ("/data",))
    return _done(run, StepName.FREEZE, 9.0, StepEvidence("12 files of 365 MB on /data are frozen by their hashes.",
                                                         manifest=manifest))  # fmt: skip


def _trained(told: _Told, plan: EvaluationPlan) -> PipelineRun:
    run = _frozen(_begun(told, plan), told)
    run = _done(run, StepName.VALIDATE, 14.0, StepEvidence("All 8 checks of the data pass."))
    skipped = StepEvidence("The recipe asks for no made rows.")
    run = _step(run, StepName.AUGMENT, 0.1, lambda one: StepOutcome(one, skipped, StepState.SKIPPED))
    said = StepEvidence(f"Its job has registered version {told.challenger}.", version=told.challenger)
    return _done(replace(run, challenger_version=told.challenger), StepName.TRAIN, _TRAINED_SECONDS, said)


def _judged(run: PipelineRun, found: ModelEvaluation) -> PipelineRun:
    text = f"Both were scored on {' and on '.join(f'{one.rows:,} rows of {one.data}' for one in found.scores)}."
    compared = comparison_of(found, run.plan, Goal.MAXIMIZE)
    return _done(replace(run, comparison=compared), StepName.EVALUATE, 48.0, StepEvidence(text, evaluation=found))


def _evaluation(told: _Told, groups: tuple[tuple[str, float], ...]) -> ModelEvaluation:
    """Score both versions by what their runs have logged; ``groups`` gain so much more or less than the whole."""
    before, after = (round(data.metric_of(told.model, int(one)), 4) for one in (told.champion, told.challenger or "0"))
    part = ("newest", "the newest labelled requests of endpoint churn-prod")
    if told.model != "churn":
        part = ("fixed", "the test set of the champion's run")
    score = scored("roc_auc" if told.metric == "auc" else told.metric, part, before, after)
    of_groups = tuple(
        GroupScore("camera", name, score.rows // len(groups), Scored(before), Scored(before + gain))
        for name, gain in groups
    )
    size = 98 * _MEBIBYTE if told.model == "resnet50" else 2_400_000
    costs = (ModelCost(size, 100, 0.011), ModelCost(round(size * 1.01), 100, 0.0112))
    return ModelEvaluation((replace(score, groups=of_groups),), *costs)


def _done(run: PipelineRun, name: StepName, seconds: float, evidence: StepEvidence) -> PipelineRun:
    return _step(run, name, seconds, lambda one: StepOutcome(one, evidence))


def _step(
    run: PipelineRun, name: StepName, seconds: float, outcome: Callable[[PipelineRun], StepOutcome]
) -> PipelineRun:
    """Return the run after one more step, which took so many seconds and began where the one before ended."""
    at = max([run.created_at, *(one.ended_at for one in run.steps if one.ended_at is not None)])
    return applied(outcome(begun(run, name, at)), name, at + seconds)
