"""Which jobs of a sweep are ended early: by the median of the others, with the evidence, and never for luck alone."""

import math
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.jobs.group import best_of, find_behind, stop_reason
from mlops_desk.jobs.records.spec import Goal, Sweep

NAN = math.nan


def test_who_is_below_the_median_of_the_others_after_as_many_reports_is_behind():
    histories = {"a": [0.5, 0.6], "b": [0.7, 0.8, 0.1], "c": [0.2, 0.9, 0.95], "d": [0.6, 0.61]}
    found = find_behind(histories, ["a", "d"], Goal.MAXIMIZE, 2)
    assert set(found) == {"a", "d"}
    assert (found["a"].reports, found["a"].best, found["a"].median, found["a"].others) == (2, 0.6, 0.8, 3)


def test_what_others_have_reached_since_does_not_count():
    histories = {"late": [0.5], "b": [0.4, 0.9], "c": [0.4, 0.9], "d": [0.4, 0.9]}
    assert find_behind(histories, ["late"], Goal.MAXIMIZE, 1) == {}


def test_a_metric_that_is_to_be_small_is_compared_the_other_way():
    histories = {"a": [9.0], "b": [1.0], "c": [2.0], "d": [3.0]}
    assert set(find_behind(histories, histories, Goal.MINIMIZE, 1)) == {"a", "d"}
    assert "a" not in find_behind(histories, histories, Goal.MAXIMIZE, 1)


@pytest.mark.parametrize("least", [0, 1, 2, 3])
def test_nobody_is_compared_before_it_has_reported_often_enough(least):
    histories = {"a": [0.1, 0.1], "b": [0.9] * 5, "c": [0.9] * 5, "d": [0.9] * 5}
    assert ("a" in find_behind(histories, ["a"], Goal.MAXIMIZE, least)) == (least <= 2)
    assert find_behind({**histories, "a": []}, ["a"], Goal.MAXIMIZE, least) == {}


def test_two_others_are_too_few():
    assert find_behind({"a": [0.1], "b": [0.9], "c": [0.9]}, ["a"], Goal.MAXIMIZE, 1) == {}


def test_who_reports_no_numbers_is_behind_and_no_number_is_nobodys_best():
    histories = {"a": [NAN, NAN], "b": [NAN, 0.3], "c": [0.2, NAN], "d": [0.4, 0.1]}
    assert best_of(histories["b"], Goal.MAXIMIZE) == 0.3
    assert best_of(histories["a"], Goal.MAXIMIZE) is None
    assert set(find_behind(histories, ["a"], Goal.MINIMIZE, 1)) == {"a"}
    assert set(find_behind(histories, ["a"], Goal.MAXIMIZE, 1)) == {"a"}


VALUES = st.lists(st.floats(allow_nan=True, allow_infinity=False), max_size=6)


@given(st.dictionaries(st.sampled_from("abcdefgh"), VALUES), st.sampled_from(Goal), st.integers(0, 4))
@example({"a": [1.0], "b": [1.0], "c": [1.0], "d": [1.0]}, Goal.MAXIMIZE, 1)
def test_the_leader_is_never_ended_and_whoever_is_has_at_least_half_of_the_others_before_it(histories, goal, least):
    better = max if goal is Goal.MAXIMIZE else min
    for job_id, behind in find_behind(histories, histories, goal, least).items():
        mine = best_of(histories[job_id][: behind.reports], goal)
        others = [
            best_of(values[: behind.reports], goal)
            for name, values in histories.items()
            if name != job_id and len(values) >= behind.reports
        ]
        ahead = [
            one for one in others if one is not None and (mine is None or (one != mine and better(one, mine) == one))
        ]
        assert len(others) >= 3
        assert 2 * len(ahead) >= len(others)


def test_the_reason_quotes_what_was_compared():
    found = find_behind({"a": [0.61], "b": [0.8], "c": [0.83], "d": [0.9]}, ["a"], Goal.MAXIMIZE, 1)["a"]
    told = stop_reason(Sweep(metric="auc"), found)
    assert told.class_ == "sweep_stopped"
    assert "auc is below the median" in told.text
    assert told.evidence == "After 1 reports its best was 0.61; the median of 3 others was 0.83 by then."
    assert statistics.median([0.8, 0.83, 0.9]) == 0.83
