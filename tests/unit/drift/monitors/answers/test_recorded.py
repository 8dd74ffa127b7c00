"""Figures of answers as numbers over time: rules are about them, and nobody knows what nobody can tell."""

import math

import pytest

from mlops_desk.automation.rules.document.document import format_rule, parse_rule
from mlops_desk.automation.rules.live.event_adapter import RuleHearing
from mlops_desk.automation.rules.live.fact_store import FactBoard
from mlops_desk.drift.performance.metrics import RECORDED, series_of
from mlops_desk.drift.records.answers import AnswersState, ScoredWindow
from mlops_desk.drift.records.performance import ExpectedFigure, Figure
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.history import SeriesName
from tests.unit.drift.monitors.answers.world import Answered

ESTIMATED = ("monitor", "churn", "performance.estimated.accuracy")
REALISED = ("monitor", "churn", "performance.realised.accuracy")


@pytest.fixture
def world(tmp_path):
    state = State(tmp_path / "state.sqlite")
    yield Answered(tmp_path, state)
    state.close()


@pytest.mark.slow
def test_what_is_expected_is_told_before_labels_come_and_what_turned_out_once_they_have(world):
    world.traffic(0.0, 0.0)
    world.look()
    (points,) = world.recorded[ESTIMATED]
    ends = [one.window_end for one in world.windows()]
    assert [at for at, _ in points] == [*ends, ends[-1]]
    assert all(0.7 < value <= 1.0 for _, value in points)
    assert REALISED not in world.recorded
    world.label([name for name in world.truth if name < "r0000200"])
    world.look()
    told = world.recorded[REALISED][-1]
    assert {at for at, _ in told} == {ends[0]}  # the newest that labels tell of is the first window
    assert 0.7 < told[-1][1] <= 1.0
    other = world.again()
    world.recorded.clear()
    other.look(world.monitor)  # another agent tells at once how it stands
    assert world.recorded[REALISED][-1][-1] == told[-1]
    assert world.recorded[ESTIMATED][-1][-1][0] == ends[-1]


def window(number, state=AnswersState.FINE, expected=None, realised=None):
    return ScoredWindow(
        f"w{number}", "m", 100.0 * number, 100.0 * number + 99.0, 50, number, state,
        expected={} if expected is None else {"accuracy": ExpectedFigure(*expected)},
        figures={} if realised is None else {"accuracy": Figure(realised)},
    )  # fmt: skip


def told(windows, changed=()):
    return {series.metric: points for series, points in series_of("m", windows, changed)}


def test_a_newest_window_without_an_estimate_is_unknown_and_no_old_number():
    known, unknown = window(1, expected=(0.9,)), window(2, expected=(None,))
    points = told([known, unknown], [unknown])["performance.estimated.accuracy"]
    assert points[-1][0] == 299.0
    assert math.isnan(points[-1][1])
    assert told([unknown]) == {}


def test_too_few_labels_realise_nothing_and_the_newest_window_that_has_enough_counts():
    good, few = window(1, realised=0.8), window(2, AnswersState.INSUFFICIENT, realised=0.1)
    assert told([good, few], [few]) == {"performance.realised.accuracy": [(199.0, 0.8)]}
    assert told([few]) == {}


def test_labels_that_come_late_for_an_old_window_do_not_pass_for_the_newest():
    old, new = window(1, realised=0.5), window(2, realised=0.9)
    points = told([old, new], [old])["performance.realised.accuracy"]
    assert points == [(199.0, 0.5), (299.0, 0.9)]


def test_a_rule_hears_of_them_and_what_is_not_a_number_is_unknown():
    board = FactBoard(lambda: 0.0)
    fact = "monitor/performance.estimated.accuracy"
    board.want([fact])
    hearing = RuleHearing(board, lambda: 0.0)
    series = SeriesName("monitor", "m", "performance.estimated.accuracy")
    hearing.recorded(series, [(5.0, 0.7), (9.0, 0.9)])
    assert board.news() == [(fact, "m", 0.9)]
    hearing.recorded(series, [(5.0, 0.7), (9.0, math.nan)])
    assert board.news() == [(fact, "m", None)]


@pytest.mark.parametrize("kind", ["estimated", "realised"])
def test_a_rule_may_be_about_them(kind):
    metrics = {(one.device, one.name): one for one in RECORDED}
    document = (
        "apiVersion: mlops-desk/v1\nkind: Rule\nname: worse\n"
        f"when: {{metric: performance.{kind}.accuracy, below: 0.85, clear: 0.88, of: churn}}\n"
        "for: 2h\nthen:\n- notify: [desktop]\n"
    )
    spec = parse_rule(document, metrics)
    assert (spec.when.device, spec.when.of, spec.when.threshold) == ("monitor", "churn", 0.85)
    assert parse_rule(format_rule(spec), metrics) == spec
