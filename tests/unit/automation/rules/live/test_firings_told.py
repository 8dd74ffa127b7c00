"""What is told of a rule's firings: by what it was set off, when its hour comes once, and what became of the newest."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from mlops_desk.automation.records.firing import FiringState, FiringStep, KeptFiring
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.kit.storage.state import State
from tests.rule_specs import METRICS

DAILY = """apiVersion: mlops-desk/v1
kind: Rule
name: daily
when: {{cron: "{cron}", zone: Europe/Berlin}}
then: [{{notify: [desktop]}}]
"""
STEP_SECONDS = 300.0  # as late as a look may come on a machine that is busy


class House:
    """One rule of a schedule, by a wall clock that a test sets."""

    def __init__(self, folder: Path, begins: datetime, cron: str) -> None:
        self.state = State(folder / "state.db")
        self.wall = begins.timestamp()
        self.fired: list[KeptFiring] = []
        self.shelf = RuleShelf(self.state.rule_tables, METRICS)
        self.shelf.add(parse_rule(DAILY.format(cron=cron), METRICS), 1000)
        clock = lambda: RuleClock(self.wall, self.wall, "boot")  # noqa: E731 - one of three arguments
        self.life = RuleLife(self.shelf, LifeParts(lambda _, name: name, self.fired.extend, clock=clock))
        self.life.look()

    def go_on_until(self, end: datetime) -> None:
        while self.wall < end.timestamp():
            self.wall += STEP_SECONDS
            self.life.look()

    def shown(self) -> Any:
        (rule,) = (self.life.shown(one) for one in self.shelf.all())
        return rule


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Any]:
    made: list[House] = []

    def begin(*begins: int, cron: str = "30 2 * * *") -> House:
        made.append(House(tmp_path, datetime(*begins, tzinfo=UTC), cron))  # type: ignore[arg-type]  # year to minute
        return made[0]

    yield begin
    for one in made:
        one.state.close()


def in_berlin(house: House) -> list[str]:
    zone = ZoneInfo("Europe/Berlin")
    return [datetime.fromtimestamp(one.at, zone).strftime("%d %H:%M %z") for one in house.fired]


@pytest.mark.slow
def test_an_hour_that_spring_skips_comes_once_right_after_it(house: Any) -> None:
    shown = house(2026, 3, 28, 2)
    shown.go_on_until(datetime(2026, 3, 30, 2, tzinfo=UTC))
    assert in_berlin(shown) == ["29 03:00 +0200", "30 02:30 +0200"]


@pytest.mark.slow
def test_an_hour_that_autumn_has_twice_comes_once(house: Any) -> None:
    shown = house(2026, 10, 24, 2)
    shown.go_on_until(datetime(2026, 10, 26, 2, tzinfo=UTC))
    assert in_berlin(shown) == ["25 02:30 +0200", "26 02:30 +0100"]


def test_what_was_set_off_by_a_schedule_says_so(house: Any) -> None:
    shown = house(2026, 6, 1, 0)
    shown.go_on_until(datetime(2026, 6, 1, 1, tzinfo=UTC))
    assert [one.trigger for one in shown.fired] == ["its schedule"]


def test_a_rule_tells_what_became_of_its_newest_firing(house: Any) -> None:
    shown = house(2026, 6, 1, 0)
    assert shown.shown().last_state is None
    shown.go_on_until(datetime(2026, 6, 1, 1, tzinfo=UTC))
    (firing,) = shown.fired
    for state in (FiringState.INTENDED, FiringState.FAILED, FiringState.DONE):
        shown.state.rule_tables.firings.put(replace(firing, state=state))
        assert shown.shown().last_state is state


def test_a_firing_that_a_person_did_not_agree_to_has_not_failed(house: Any) -> None:
    shown = house(2026, 6, 1, 0)
    shown.go_on_until(datetime(2026, 6, 1, 1, tzinfo=UTC))
    asked = FiringStep("ApprovalAction", "ask: Train?", FiringState.FAILED, "ana did not agree.")
    shown.state.rule_tables.firings.put(replace(shown.fired[0], steps=(asked,), state=FiringState.FAILED))
    assert shown.shown().last_state is None
