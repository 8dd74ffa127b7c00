"""How a run goes from stage to stage: what may begin, what is skipped, how it ends, and what a gate says."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.automation.ci.document import parse_pipeline
from mlops_desk.automation.ci.fields import CiLimitFields, CiWhenFields
from mlops_desk.automation.ci.machine import cancelled, gate_stage, held, is_for, ready, settled, stages_of, with_stage
from mlops_desk.automation.records.ci.run import CiRun, CiStage, CiStageKind, CiStageState, CiState
from mlops_desk.kit.base.errors import Refused

STAGES = """apiVersion: mlops-desk/v1
kind: Pipeline
name: a
{when}stages:
  - {{name: one, image: i, command: [x]}}
  - {{name: two, image: i, command: [x], needs: [one]}}
  - {{name: three, image: i, command: [x], needs: [two]}}
  - {{name: tagged, image: i, command: [x], when: {{tags: ["v*"]}}}}
"""


def made(ref: str | None = "main", kind: str | None = "branch", when: str = "") -> CiRun:
    file = parse_pipeline(STAGES.format(when=when))
    return CiRun("1", "a", "/r", CiState.RUNNING, stages_of(file, ref, kind))


def become(run: CiRun, name: str, state: CiStageState) -> CiRun:
    return settled(with_stage(run, replace(run.stage(name), state=state, text="why", hint="what")), 9.0)


def states(run: CiRun) -> list[str]:
    return [stage.state.value for stage in run.stages]


@pytest.mark.parametrize(
    ("ref", "kind", "is_meant"),
    [
        ("main", "branch", True),
        ("release/1", "branch", True),
        ("v1", "tag", True),
        ("main", "tag", False),
        ("v1", "branch", False),
        ("12/merge", "branch", False),
        (None, None, False),
    ],
)
def test_a_pattern_is_of_branches_or_of_tags(ref: str | None, kind: str | None, is_meant: bool) -> None:
    when = CiWhenFields(branches=("main", "release/*"), tags=("v*",))
    assert is_for(when, ref, kind) is is_meant
    assert is_for(None, ref, kind)
    assert is_for(CiWhenFields(), ref, kind)


def test_a_stage_begins_when_all_that_it_needs_has_passed() -> None:
    run = made()
    assert [stage.name for stage in ready(run)] == ["one"]
    run = become(run, "one", CiStageState.PASSED)
    assert [stage.name for stage in ready(run)] == ["two"]
    run = become(become(run, "two", CiStageState.PASSED), "three", CiStageState.PASSED)
    assert (run.state, run.ended_at, states(run)) == (CiState.PASSED, 9.0, ["passed", "passed", "passed", "skipped"])


@pytest.mark.parametrize(
    ("state", "ends"),
    [
        (CiStageState.FAILED, CiState.FAILED),
        (CiStageState.UNKNOWN, CiState.UNKNOWN),
        (CiStageState.CANCELLED, CiState.CANCELLED),
    ],
)
def test_what_needs_a_stage_that_did_not_pass_is_skipped_all_the_way(state: CiStageState, ends: CiState) -> None:
    run = become(made(), "one", state)
    assert states(run) == [state.value, "skipped", "skipped", "skipped"]
    assert (run.state, run.text, run.hint) == (ends, "one: why", "what")
    assert run.stage("three").text == "two, which it needs, did not pass: skipped."


def test_a_run_for_another_branch_has_nothing_to_do_and_passes() -> None:
    run = settled(made("topic", "branch", "when: {branches: [main]}\n"), 9.0)
    assert (run.state, run.text) == (CiState.PASSED, "Nothing of it is for this branch or tag.")
    assert run.stage("one").text == "It is not for branch topic."


def test_a_run_is_ended_once_and_what_had_ended_stays() -> None:
    run = cancelled(become(made(), "one", CiStageState.PASSED), "by anna", 9.0)
    assert states(run) == ["passed", "cancelled", "cancelled", "skipped"]
    with pytest.raises(Refused, match="is over: cancelled"):
        cancelled(run, "by bo", 10.0)


@pytest.mark.parametrize(
    ("value", "passed", "said"),
    [
        (0.9, True, "accuracy 0.9 held."),
        (0.89999, False, "accuracy is 0.89999, below 0.9."),
        (0.95, True, "accuracy 0.95 held."),
        (0.96, False, "accuracy is 0.96, above 0.95."),
        (None, None, "accuracy was not told as a number."),
        (float("nan"), None, "accuracy was not told as a number."),
        (float("inf"), None, "accuracy was not told as a number."),
    ],
)
def test_a_gate_holds_what_is_told_and_never_takes_nothing_for_zero(
    value: float | None, passed: bool | None, said: str
) -> None:
    checks = held({"accuracy": CiLimitFields(at_least=0.9, at_most=0.95)}, {} if value is None else {"accuracy": value})
    stage = gate_stage(CiStage("good", CiStageKind.GATE), checks, 9.0)
    assert (checks[0].passed, stage.text) == (passed, said)
    assert stage.state is (CiStageState.PASSED if passed else CiStageState.FAILED)


def test_zero_is_a_value() -> None:
    checks = held({"loss": CiLimitFields(at_most=0.0)}, {"loss": 0.0})
    assert checks[0].passed is True


@pytest.mark.parametrize("state", [one for one in CiStageState if one is not CiStageState.PASSED])
def test_nothing_begins_on_what_has_not_passed(state: CiStageState) -> None:
    run = made()
    run = with_stage(run, replace(run.stage("one"), state=state))
    assert "two" not in [stage.name for stage in ready(run)]


ENDS = [state for state in CiStageState if state.is_over and state is not CiStageState.SKIPPED]


@given(
    needs=st.lists(st.sets(st.integers(0, 5)), min_size=1, max_size=6),
    choices=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(ENDS)), min_size=6, max_size=6),
)
@example(needs=[set()], choices=[(0, CiStageState.PASSED)] * 6)
@example(needs=[set(), {0}, {1}], choices=[(0, CiStageState.FAILED)] * 6)
@example(needs=[set(), set(), {0, 1}], choices=[(1, CiStageState.UNKNOWN), (0, CiStageState.FAILED)] * 3)
@example(needs=[set(), set(), {0}], choices=[(0, CiStageState.CANCELLED), (0, CiStageState.PASSED)] * 3)
def test_whatever_stages_come_to_a_run_ends_once_and_begins_nothing_on_what_did_not_pass(
    needs: list[set[int]], choices: list[tuple[int, CiStageState]]
) -> None:
    stages = tuple(
        CiStage(str(at), CiStageKind.JOB, tuple(str(one) for one in sorted(before) if one < at))
        for at, before in enumerate(needs)
    )
    run = CiRun("1", "a", "/r", CiState.RUNNING, stages)
    for which, state in choices:
        for stage in ready(run):
            assert all(run.stage(name).state is CiStageState.PASSED for name in stage.needs)
            run = with_stage(run, replace(stage, state=CiStageState.RUNNING))
        under_way = [stage for stage in run.stages if stage.state is CiStageState.RUNNING]
        if not under_way:
            break
        assert not run.state.is_final
        stage = under_way[which % len(under_way)]
        run = settled(with_stage(run, replace(stage, state=state)), 9.0)
        assert settled(run, 10.0) == run
    assert run.state.is_final
    came_to = {stage.state for stage in run.stages}
    assert came_to <= {*ENDS, CiStageState.SKIPPED}
    assert (run.state is CiState.PASSED) is (came_to == {CiStageState.PASSED})
    assert (run.state is CiState.FAILED) is (CiStageState.FAILED in came_to)


@given(
    st.none() | st.floats(), st.none() | st.floats(allow_nan=False, allow_infinity=False),
    st.none() | st.floats(allow_nan=False, allow_infinity=False),
)  # fmt: skip
@example(float("nan"), 0.9, None)
@example(float("nan"), None, 0.9)
@example(float("-inf"), None, 0.9)
@example(0.0, 0.0, 0.0)
def test_whatever_a_metric_is_a_gate_says_what_it_holds(
    value: float | None, least: float | None, most: float | None
) -> None:
    limit = CiLimitFields(at_least=least, at_most=most)
    stage = gate_stage(CiStage("g", CiStageKind.GATE), held({"m": limit}, {} if value is None else {"m": value}), 9.0)
    is_number = value is not None and abs(value) < float("inf")
    holds = is_number and (least is None or value >= least) and (most is None or value <= most)  # type: ignore[operator]  # is_number says that it is one
    assert (stage.state is CiStageState.PASSED) is holds
    assert ("not told as a number" in stage.text) is not is_number
