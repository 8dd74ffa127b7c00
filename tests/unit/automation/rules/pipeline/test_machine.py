"""How a run goes from step to step: what each state becomes, where it begins again, and what is forgotten by that."""

from dataclasses import replace

import pytest

from mlops_desk.automation.records.pipelines.comparison import ModelComparison, Scored
from mlops_desk.automation.records.pipelines.evidence import StepEvidence
from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState, PipelineStep, StepName, StepState
from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.automation.rules.pipeline.driver import goal_of
from mlops_desk.automation.rules.pipeline.machine import (
    StepOutcome,
    again_from,
    applied,
    begun,
    next_step,
    paused,
    resumed,
    retried,
    same_before,
)
from mlops_desk.automation.rules.pipeline.repository import retraining_of
from mlops_desk.jobs.records.spec import Goal
from mlops_desk.kit.base.errors import Refused

COMPARED = ModelComparison("accuracy", Goal.MAXIMIZE, 100, "rows", Scored(0.9), Scored(0.95), better=True)
RUNNING = PipelineState.RUNNING


def run(at: StepName, step: StepState = StepState.FAILED, state: PipelineState = PipelineState.FAILED) -> PipelineRun:
    """Return a run that has come to a step, which stands as told."""
    order = list(StepName)
    steps = tuple(
        PipelineStep(
            name, step if name is at else StepState.DONE if order.index(name) < order.index(at) else StepState.WAITING
        )
        for name in order
    )
    return PipelineRun(
        "a", "again", state, steps, COMPARED, "digits", "champion", manifest_sha256="m", recipe_sha256="r",
        job_id="job-2", challenger_version="2", champion_version="1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("failed", "first"),
    [
        ("freeze", "freeze"), ("validate", "freeze"), ("augment", "augment"), ("train", "train"),
        ("evaluate", "evaluate"), ("gate", "evaluate"), ("approve", "evaluate"), ("register", "register"),
        ("shadow", "shadow"), ("canary", "shadow"), ("promote", "shadow"),
    ],
)  # fmt: skip
def test_a_run_begins_again_where_what_failed_was_decided(failed: str, first: str) -> None:
    again = retried(run(StepName(failed)))
    assert (again.state, next_step(again).name) == (RUNNING, first)
    assert [step.name for step in again.steps] == list(StepName)
    is_trained = first in {"freeze", "augment", "train"}
    assert (again.tries, again.job_id is None, again.challenger_version is None) == (
        2 if is_trained else 1, is_trained, is_trained,
    )  # fmt: skip
    assert (again.manifest_sha256 is None) is (first == "freeze")
    assert (again.comparison is None) is (list(StepName).index(StepName(first)) <= 4), "from the scores on"


def test_what_was_frozen_is_frozen_again_where_it_is_gone() -> None:
    assert next_step(retried(replace(run(StepName.TRAIN), manifest_sha256=None))).name is StepName.FREEZE


@pytest.mark.parametrize("state", [RUNNING, PipelineState.PROMOTED, PipelineState.REJECTED, PipelineState.PAUSED])
def test_what_did_not_fail_is_not_tried_again(state: PipelineState) -> None:
    with pytest.raises(Refused, match="can't be tried again"):
        retried(run(StepName.TRAIN, state=state))


def test_a_step_that_is_begun_again_began_when_it_did_first() -> None:
    first = begun(run(StepName.TRAIN, StepState.WAITING, RUNNING), StepName.TRAIN, 5.0)
    assert begun(first, StepName.TRAIN, 9.0).step(StepName.TRAIN).started_at == 5.0
    failed = replace(first, steps=tuple(replace(one, state=StepState.FAILED) for one in first.steps))
    assert begun(failed, StepName.TRAIN, 9.0).step(StepName.TRAIN).started_at == 9.0


@pytest.mark.parametrize("step", [StepState.RUNNING, StepState.WAITING])
def test_what_goes_on_elsewhere_has_not_ended(step: StepState) -> None:
    made = applied(
        StepOutcome(run(StepName.TRAIN, StepState.RUNNING, RUNNING), StepEvidence("It trains."), step),
        StepName.TRAIN,
        9.0,
    )
    assert (made.step(StepName.TRAIN).ended_at, made.ended_at, made.state, made.text) == (
        None,
        None,
        RUNNING,
        "It trains.",
    )


def test_a_run_is_promoted_by_its_last_step_alone_and_only_if_that_went_well() -> None:
    last = run(StepName.PROMOTE, StepState.RUNNING, RUNNING)
    made = applied(StepOutcome(last, StepEvidence()), StepName.PROMOTE, 9.0)
    assert (made.state, made.ended_at, made.step(StepName.PROMOTE).ended_at) == (PipelineState.PROMOTED, 9.0, 9.0)
    made = applied(StepOutcome(last, StepEvidence(), ends_in=PipelineState.ROLLED_BACK), StepName.PROMOTE, 9.0)
    assert made.state is PipelineState.ROLLED_BACK
    earlier = run(StepName.GATE, StepState.RUNNING, RUNNING)
    made = applied(StepOutcome(earlier, StepEvidence()), StepName.GATE, 9.0)
    assert (made.state, made.ended_at, made.step(StepName.GATE).ended_at) == (RUNNING, None, 9.0)


def test_what_is_over_is_not_paused_and_what_waited_for_people_waits_for_them_again() -> None:
    with pytest.raises(Refused, match="is over: failed"):
        paused(run(StepName.TRAIN))
    waits = run(StepName.APPROVE, StepState.RUNNING, PipelineState.WAITING_FOR_APPROVAL)
    assert resumed(paused(waits)).state is PipelineState.WAITING_FOR_APPROVAL
    assert retraining_of(paused(waits)).state is RetrainState.WAITING_FOR_APPROVAL
    going = run(StepName.SHADOW, StepState.RUNNING, RUNNING)
    assert (retraining_of(paused(going)).state, retraining_of(paused(going)).stage) == (RetrainState.APPROVED, "shadow")


def test_a_comparison_that_is_made_anew_is_forgotten_and_one_that_holds_is_not() -> None:
    waits = run(StepName.APPROVE, StepState.RUNNING, PipelineState.WAITING_FOR_APPROVAL)
    assert again_from(waits, StepName.EVALUATE).comparison is None
    assert again_from(waits, StepName.GATE).comparison == COMPARED
    assert again_from(waits, StepName.TRAIN).manifest_sha256 == "m"
    assert again_from(waits, StepName.FREEZE).manifest_sha256 is None


@pytest.mark.parametrize(
    "other",
    [
        {"recipe_sha256": "x"}, {"manifest_sha256": "x"}, {"model": "letters"}, {"challenger_version": None},
        {"steps": run(StepName.TRAIN).steps}, {"id": "b"},
    ],
)  # fmt: skip
def test_only_the_same_data_by_the_same_recipe_for_the_same_model_were_trained_before(other: dict[str, object]) -> None:
    new = replace(run(StepName.FREEZE, StepState.RUNNING, RUNNING), id="b", challenger_version=None)
    before = run(StepName.GATE)
    assert same_before(new, [before]) is before
    assert same_before(new, [replace(before, **other)]) is None  # type: ignore[arg-type]  # fields by their names
    assert same_before(replace(new, recipe_sha256=None), [replace(before, recipe_sha256=None)]) is None
    assert same_before(new, [replace(before, **other), before]) is before  # type: ignore[arg-type]  # likewise


def test_a_loss_is_better_the_lower() -> None:
    assert goal_of(replace(run(StepName.GATE), higher_is_better=False)) is Goal.MINIMIZE
    assert goal_of(run(StepName.GATE)) is Goal.MAXIMIZE
