"""Who is better, and what the gates say: by both models' scores on the same rows."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.automation.records.pipelines.comparison import (
    COMPARED,
    GroupScore,
    ModelCost,
    ModelEvaluation,
    PairedScore,
    Scored,
    figure_of,
)
from mlops_desk.automation.records.pipelines.plan import EvaluationPlan
from mlops_desk.automation.rules.pipeline.promotion_gates import comparison_of, gates_of
from mlops_desk.jobs.records.spec import Goal

PLAN = EvaluationPlan(delta=0.01)
UP, DOWN = Goal.MAXIMIZE, Goal.MINIMIZE


def score(part, champion, challenger, rows=200, unanswered=0, groups=()):
    gap = None if None in (champion, challenger) else challenger - champion
    return PairedScore(
        part, f"the {part} rows", "accuracy", rows, rows, Scored(champion), Scored(challenger),
        Scored(gap, None if gap is None else gap - 0.01, None if gap is None else gap + 0.01), "bootstrap",
        unanswered, groups,
    )  # fmt: skip


def judged(*scores, plan=PLAN, goal=UP, **costs):
    return comparison_of(ModelEvaluation(scores, **costs), plan, goal)


def test_the_case_that_failed_the_challenger_wins_on_the_new_rows() -> None:
    """Champion 0.954 on its old test set and 0.790 on the new rows; challenger 0.953 and 0.95."""
    found = judged(score("fixed", 0.954, 0.953), score("newest", 0.790, 0.95))
    assert found is not None
    assert found.better
    assert (found.data, found.champion.value, found.challenger.value) == ("the newest rows", 0.790, 0.95)


def test_one_that_is_worse_on_the_fixed_set_by_more_than_delta_does_not() -> None:
    assert not judged(score("fixed", 0.954, 0.943), score("newest", 0.790, 0.95)).better
    assert judged(score("fixed", 0.954, 0.944), score("newest", 0.790, 0.95)).better


def test_the_goal_may_be_the_lower_value() -> None:
    fixed, newest = score("fixed", 0.30, 0.309), score("newest", 0.9, 0.5)
    assert judged(fixed, newest, goal=DOWN).better
    assert not judged(fixed, newest, goal=UP).better
    assert not judged(score("fixed", 0.30, 0.32), newest, goal=DOWN).better


def test_with_one_part_alone_it_has_to_be_better_there() -> None:
    assert judged(score("fixed", 0.8, 0.81)).better
    assert not judged(score("fixed", 0.8, 0.8)).better
    assert not judged(score("newest", 0.8, 0.8)).better
    assert judged(score("newest", 0.8, 0.9, rows=30)).better, "as few rows as say something"
    assert judged() is None


@pytest.mark.parametrize(
    "bad",
    [
        score("newest", 0.5, 0.9, rows=29),
        score("newest", 0.5, 0.9, unanswered=1),
        score("newest", None, 0.9),
        score("newest", 0.5, None),
        score("newest", 0.5, float("inf")),
        score("newest", float("nan"), 0.9),
    ],
)
def test_what_says_nothing_never_makes_better(bad) -> None:
    found = gates_of(ModelEvaluation((bad,)), PLAN, UP)
    assert found[0].passed is False
    assert found[0].text
    assert not judged(score("fixed", 0.5, 0.9), bad).better


@given(st.floats(0, 1), st.floats(0, 1), st.sampled_from([UP, DOWN]))
def test_better_is_strictly_better_in_the_goals_direction(champion, challenger, goal) -> None:
    found = judged(score("newest", champion, challenger), goal=goal)
    gain = challenger - champion if goal is UP else champion - challenger
    assert found.better == (gain > 1e-12)


def test_a_group_that_loses_stops_it_though_all_together_gain() -> None:
    groups = (
        GroupScore("site", "a", 100, Scored(0.7), Scored(0.9)),
        GroupScore("site", "b", 40, Scored(0.8), Scored(0.75)),
    )
    plan = EvaluationPlan(slices=("site",), slice_delta=0.02)
    gate = next(
        one
        for one in gates_of(ModelEvaluation((score("newest", 0.7, 0.85, groups=groups),)), plan, UP)
        if one.gate == "slice"
    )
    assert (gate.passed, round(gate.value, 3), gate.limit) == (False, -0.05, -0.02)
    assert "b (40 rows, newest)" in gate.text
    allowed = EvaluationPlan(slices=("site",), delta=0.06)
    gates = gates_of(ModelEvaluation((score("newest", 0.7, 0.85, groups=groups),)), allowed, UP)
    assert all(one.passed is not False for one in gates)
    none = gates_of(ModelEvaluation((score("newest", 0.7, 0.85),)), plan, UP)
    assert next(one for one in none if one.gate == "slice").passed is False, "groups that nobody saw pass nothing"


@pytest.mark.parametrize(
    ("before", "after", "limit", "passed"),
    [(100, 150, 1.5, True), (100, 151, 1.5, False), (100, 900, None, None), (None, 5, 2.0, False), (0, 0, 1.0, True)],
)
def test_size_and_latency_are_held_against_the_champions(before, after, limit, passed) -> None:
    evaluation = ModelEvaluation(
        (score("newest", 0.5, 0.9),), ModelCost(before, 100, before), ModelCost(after, 100, after)
    )
    plan = EvaluationPlan(size_times=limit, latency_times=limit)
    found = {one.gate: one.passed for one in gates_of(evaluation, plan, UP)}
    assert (found["size"], found["latency"]) == (passed, passed)


@pytest.mark.parametrize(
    ("metric", "figure"),
    [
        ("accuracy", "accuracy"), ("val_acc", "accuracy"), ("test_auc", "roc_auc"), ("AUC", "roc_auc"),
        ("eval-f1-score", "f1"), ("rmse", "rmse"), ("loss", None), ("bias", None), ("", None), ("val_", None),
    ],
)  # fmt: skip
def test_a_runs_metric_means_a_figure_or_none(metric, figure) -> None:
    assert figure_of(metric) == figure
    assert figure is None or figure in COMPARED


def test_what_is_wrong_is_said_of_whom_it_is_wrong_with() -> None:
    def told(found):
        return gates_of(ModelEvaluation((found,)), PLAN, DOWN)[0]

    lost = [replace(score("fixed", *sides), metric="log_loss") for sides in ((0.3, None), (None, 0.3))]
    texts = [told(one).text for one in lost]
    assert texts[0].endswith("it is not defined for the challenger, whose answers are no probabilities.")
    assert texts[1].endswith("it is not defined for the champion, whose answers are no probabilities.")
    assert told(score("fixed", None, None, rows=0, unanswered=84)).text.endswith(
        "the challenger leaves 84 rows unanswered, which the champion answers."
    )
    nobody = told(replace(score("fixed", None, None, rows=0), read=84))
    assert nobody.text.endswith("0 rows: none of 84 has a label and an answer of the champion that can be scored.")
    assert nobody.passed is False


def test_what_each_gate_says_begins_as_a_sentence() -> None:
    plan = replace(PLAN, slices=("plan",), size_times=2.0, latency_times=None)
    costs = {side: ModelCost(size, 40, 0.01) for side, size in (("champion", 100), ("challenger", 300))}
    gates = gates_of(ModelEvaluation((score("newest", 0.9, 0.8), score("fixed", 0.9, 0.8)), **costs), plan, UP)
    assert {gate.gate for gate in gates} == {"metric", "slice", "size", "latency"}
    assert [gate.text for gate in gates if not gate.text[0].isupper()] == []
