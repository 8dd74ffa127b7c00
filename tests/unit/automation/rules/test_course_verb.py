"""``rules courses``: of the rules that are named, within limits, and never longer than somebody waits."""

import pytest

from mlops_desk.automation.rules.storage import rule_verbs
from mlops_desk.automation.rules.storage.rule_verbs import RuleKeeping
from mlops_desk.kit.base.errors import Invalid, NotFound, TimedOut
from tests.rule_specs import METRICS
from tests.unit.automation.rules.test_condition_history import HOT, Past
from tests.unit.automation.rules.test_editing import House


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    made.past = Past({"a": [60.0, None, 79.0], "b": [50.0, 50.0, 50.0]})
    made.rules = RuleKeeping(METRICS, made.past, made.shelf, made.bus, made.may_not)
    made.rules.living = made.life
    made.rules.keep(HOT)
    made.rules.keep(HOT.replace("name: r", "name: cold").replace("above: 80, clear: 70", "below: 20, clear: 30"))
    yield made
    made.state.close()


def test_each_rule_that_is_named_is_told_once_with_the_thing_that_is_worst_off(house) -> None:
    found = house.rules.courses(["cold", "r", "cold"])
    assert [(one.rule, one.curve.thing, one.curve.values) for one in found] == [
        ("cold", "b", (49.0, 49.0, 49.0)),
        ("r", "a", (61.0, None, 80.0)),
    ]
    spans = {round(until - since) for *_, since, until, _ in house.past.asked}
    assert spans == {86_400}
    house.rules.courses(["r"], 2.0)
    *_, since, until, points = house.past.asked[-1]
    assert (round(until - since), points) == (7200, 96)


def test_a_rule_that_can_not_be_read_says_so(house, monkeypatch) -> None:
    one = house.shelf.named("r")
    unread = type(one)(one.written, None, Invalid("Line 4: 'hw.gone' is no metric."))
    monkeypatch.setattr(house.shelf, "named", lambda name: unread)
    found = house.rules.courses(["r"])
    assert [one.untold for one in found] == ["it can't be read: Line 4: 'hw.gone' is no metric."]


@pytest.mark.parametrize("hours", [0.5, 169.0])
def test_curves_are_of_an_hour_to_a_week(house, hours) -> None:
    with pytest.raises(Invalid, match="hours are not shown"):
        house.rules.courses(["r"], hours)


def test_so_many_rules_at_once_and_none_that_is_not_there(house) -> None:
    with pytest.raises(Invalid, match=r"101 rules are more than 100\."):
        house.rules.courses(["r"] * 101)
    with pytest.raises(NotFound, match="no-such"):
        house.rules.courses(["r", "no-such"])


def test_a_history_that_is_slow_is_waited_for_no_longer_than_20_seconds(house, monkeypatch) -> None:
    passed = iter([0.0, 1.0, 20.5])
    monkeypatch.setattr(rule_verbs.time, "monotonic", lambda: next(passed, 20.5))
    with pytest.raises(TimedOut, match=r"After 20 s the history had told of 1 of 2 rules\."):
        house.rules.courses(["r", "cold"])
