"""A curve that grows: what was logged since is put where it belongs, whatever order it was logged in."""

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.window.runs import live_curves
from mlops_desk.registry.window.runs.live_curves import followed, joined

POINT = st.tuples(st.integers(-3, 6), st.integers(0, 4), st.sampled_from([0.5, 1.0, math.nan, math.inf]))


def curve(points, mark=None, n_points=None):
    ordered = sorted(points, key=lambda point: point[:2])
    steps, times, values = zip(*ordered, strict=True) if ordered else ((), (), ())
    return RunCurve("r", "loss", len(ordered) if n_points is None else n_points, steps, times, values, mark)


def told(one):
    return [(step, at, repr(value)) for step, at, value in zip(one.steps, one.timestamps, one.values, strict=True)]


@given(st.lists(POINT, unique_by=lambda p: (p[0], p[1], repr(p[2]))), st.integers(0, 20), st.integers(0, 5))
@example([(0, 0, math.nan), (0, 0, 1.0), (1, 0, 0.5)], 2, 1)
def test_known_and_new_points_are_the_whole_curve_whatever_was_told_twice(points, known, again):
    old, new = curve(points[:known], "1"), curve(points[max(known - again, 0) :], "2")
    whole = joined(old, new)
    assert sorted(told(whole)) == sorted(told(curve(points)))
    assert [point[:2] for point in told(whole)] == sorted(point[:2] for point in told(whole))
    if len(points) > known:
        assert (whole.n_points, whole.mark) == (len(points), "2")
    else:
        assert whole is old, "nothing came: nothing is drawn"


class Agent:
    """Answers ``overlay`` from a list of curves, and notes what it was asked."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.runs = self

    def overlay(self, run_ids, metric, uri=None, points=1000, since=""):
        self.asked.append((run_ids, metric, uri, since))
        answer = self.answers.pop(0)
        if isinstance(answer, DeskError):
            raise answer
        return [answer]


def test_only_what_was_logged_since_is_asked_for():
    agent = Agent(curve([(2, 2, 0.5)], "b", n_points=3))
    (now,) = followed(agent, [curve([(0, 0, 1.0), (1, 1, 0.7)], "a")], "lab")
    assert agent.asked == [("r", "loss", "lab", "a")]
    assert (now.steps, now.n_points, now.mark) == ((0, 1, 2), 3, "b")


def test_a_curve_without_a_mark_and_one_that_became_long_are_asked_for_whole():
    long = curve([(step, step, 0.5) for step in range(3001)], "a")
    agent = Agent(curve([(0, 0, 1.0)]), curve([(0, 0, 1.0), (1, 1, 0.5)], "b"))
    marked, short = followed(agent, [curve([(0, 0, 1.0)]), long], None)
    assert [since for *_, since in agent.asked] == ["", ""]
    assert marked.steps == (0,)
    assert len(short.steps) == 2


def test_one_that_can_not_be_followed_any_more_is_asked_for_whole_and_other_errors_are_told():
    agent = Agent(Invalid("This curve can't be followed from there any more."), curve([(5, 5, 0.1)], "z"))
    (now,) = followed(agent, [curve([(0, 0, 1.0)], "a")], None)
    assert (now.steps, now.mark) == ((5,), "z")
    with pytest.raises(DeskError, match="busy"):
        followed(Agent(DeskError("busy")), [curve([(0, 0, 1.0)], "a")], None)


def test_whole_answers_that_tell_the_same_are_no_news():
    old = curve([(0, 0, math.nan), (1, 1, 0.5)])
    (now,) = followed(Agent(curve([(0, 0, math.nan), (1, 1, 0.5)])), [old], None)
    assert now is old
    assert live_curves.FOLLOW_MS < 250
