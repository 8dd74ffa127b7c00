"""When an alert of a person's rule is over: when it does not hold, never because nobody knows, and with its rule."""

from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.automation.alarms import RuleAlarms
from mlops_desk.machine.records.alert import Alert

RAISED = Alert("a1", "rules/bad", "Bad", "warning", "GPU-1", "", "it is bad", None, 100.0, None, "1", subject="GPU-1")


class World:
    def __init__(self) -> None:
        self.now, self.holds = 0.0, True
        self.rule: Any = SimpleNamespace(written=SimpleNamespace(id="r", is_paused=False, created_at=50.0))
        self.fires = [RAISED]
        alerts: Any = SimpleNamespace(raised=lambda: [*self.fires], end_raised=self._end, begin_raised=lambda one: one)
        shelf: Any = SimpleNamespace(find=lambda name: self.rule if name == "bad" else None)
        self.alarms = RuleAlarms(alerts, shelf, self._stands, lambda subject: subject and "GPU 0", lambda: self.now)

    def _end(self, alert_id: str) -> None:
        self.fires = [one for one in self.fires if one.id != alert_id]

    def _stands(self, rule_id: str, subject: str) -> bool | None:
        assert (rule_id, subject) == ("r", "GPU-1")
        return self.holds

    def goes_on(self, after: float = 1.0) -> bool:
        self.now += after
        self.alarms.look()
        return bool(self.fires)


@pytest.fixture
def world() -> World:
    return World()


def test_it_ends_when_the_rule_holds_no_more(world: World) -> None:
    assert world.goes_on()
    world.holds = False
    assert not world.goes_on()


def test_while_nobody_knows_it_goes_on_for_an_hour_counted_from_the_last_time_that_somebody_did(world: World) -> None:
    world.holds = None  # type: ignore[assignment]  # nobody knows
    assert world.goes_on()
    assert world.goes_on(3599.0)
    world.holds = True
    assert world.goes_on()
    world.holds = None  # type: ignore[assignment]  # nobody knows
    assert world.goes_on(3000.0)
    assert world.goes_on(3600.0)
    assert not world.goes_on()


@pytest.mark.parametrize("become", ["gone", "paused", "another"])
def test_it_ends_with_its_rule(world: World, become: str) -> None:
    assert world.goes_on()
    if become == "gone":
        world.rule = None
    elif become == "paused":
        world.rule.written.is_paused = True
    else:
        world.rule.written.created_at = 101.0
    assert not world.goes_on()


def test_a_thing_has_the_name_that_people_know(world: World) -> None:
    assert world.alarms.begin(RAISED).device_title == "GPU 0"
