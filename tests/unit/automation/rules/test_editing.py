"""A rule is given another document: its firings go on being counted, what was seen for the old one counts no more."""

import os
from types import SimpleNamespace

import pytest

from mlops_desk.automation.records.conditions import MetricClause
from mlops_desk.automation.records.rule_record import RuleSight
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.automation.rules.storage.rule_verbs import RuleKeeping
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import AutomationChanged
from tests.rule_specs import METRICS

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: r\n"
FAILED = HEAD + "when: {state: job, of: nightly, is: [failed]}\nthen: [{notify: [desktop]}]\n"
QUEUED = FAILED.replace("[failed]", "[queued]")


class House:
    """Rules, and what judges them, by a clock that stands until it is set."""

    def __init__(self, folder):
        self.state = State(folder / "state.db")
        self.bus, self.events, self.acted = Bus(), [], []
        self.now = 1000.0
        self.bus.subscribe(object, self.events.append)
        self.begin()

    def begin(self):
        """Return what a new agent has."""
        self.shelf = RuleShelf(self.state.rule_tables, METRICS)
        clock = lambda: RuleClock(1_790_000_000.0 + self.now, self.now, "boot")  # noqa: E731 - one of four arguments
        parts = LifeParts(lambda _, name: name, self.acted.extend, clock=clock)
        self.life = RuleLife(self.shelf, parts)
        self.rules = RuleKeeping(METRICS, SimpleNamespace(), self.shelf, self.bus, self.may_not)
        self.rules.living = self.life

    def may_not(self, uid):
        raise Refused("Your rules may run no command.")

    def hear(self, word):
        self.now += 1.0
        self.life.board.put("state/job/named", "nightly", word)
        self.life.look()


@pytest.fixture
def house(tmp_path):
    made = House(tmp_path)
    yield made
    made.state.close()


@pytest.mark.parametrize("restarted", [False, True])
def test_a_rule_that_says_something_else_fires_when_that_begins_to_hold(house, restarted):
    house.rules.keep(FAILED)
    house.hear("failed")
    assert [one.number for one in house.acted] == [1]
    changed = house.rules.edit("r", QUEUED)
    assert "queued" in changed.sentence
    assert [(one.holds, one.since, one.fired) for one in changed.standings] == [(None, None, 1)], "it is not judged yet"
    house.hear("failed")
    assert len(house.acted) == 1  # what the old document waited for is nothing now
    if restarted:
        house.begin()
    house.hear("queued")
    assert [one.number for one in house.acted] == [1, 2]  # one more, and no id is given twice
    assert len({one.id for one in house.acted}) == 2
    assert house.shelf.named("r").written.id == house.acted[0].rule_id


def test_a_cooldown_goes_on_over_an_edit(house):
    cooling = FAILED + "cooldown: 1h\n"
    house.rules.keep(cooling)
    house.hear("failed")
    house.rules.edit("r", cooling.replace("[failed]", "[queued]"))
    house.hear("queued")
    assert len(house.acted) == 1
    assert house.rules.show("r").standings[0].held_by == "cooldown"


def test_what_was_seen_of_another_folder_is_no_news_of_the_new_one(house):
    folder = HEAD + "when: {newData: /srv/a}\nthen: [{notify: [desktop]}]\n"
    kept = house.rules.keep(folder)
    house.life.look()
    house.life.saw(RuleSight(kept.id, 0, "a's files", 1.0))
    house.now += 1.0
    house.life.look()
    house.rules.edit("r", folder.replace("/srv/a", "/srv/b"))
    house.life.saw(RuleSight(kept.id, 0, "b's files", 2.0))
    house.now += 1.0
    house.life.look()
    assert house.acted == []
    house.life.saw(RuleSight(kept.id, 0, "more of b's files", 3.0))
    house.now += 1.0
    house.life.look()
    assert len(house.acted) == 1


def test_an_edit_that_makes_no_sense_changes_nothing(house):
    house.rules.keep(FAILED)
    with pytest.raises(Refused, match="of the rule other, and not of r"):
        house.rules.edit("r", FAILED.replace("name: r", "name: other"))
    with pytest.raises(Invalid, match="Line 4"):
        house.rules.edit("r", FAILED.replace("is: [failed]", "is: 7"))
    with pytest.raises(Refused, match="may run no command"):
        house.rules.edit("r", FAILED.replace("desktop", "command"))
    with pytest.raises(NotFound):
        house.rules.edit("gone", FAILED)
    assert house.rules.show("r").document == house.rules.check(FAILED).document


def test_a_rule_that_trains_nothing_is_announced_too(house):
    house.rules.keep(FAILED)
    house.rules.pause("r")
    told = [one.rule for one in house.events if isinstance(one, AutomationChanged)]
    assert [one.enabled for one in told] == [True, False]
    assert told[0].created_by == os.getuid()


def test_a_rule_tells_which_metrics_it_watches(house):
    kept = house.rules.keep(
        HEAD + "when: {metric: hw.temperature, device: gpu, above: 80}\nthen: [{notify: [desktop]}]\n"
    )
    assert kept.lasts
    assert not house.rules.keep(
        HEAD.replace("name: r", "name: m") + "when: {manual: true}\nthen: [{submit: t}]\n"
    ).lasts
    assert kept.watched == (MetricClause("hw.temperature", "gpu", 80.0, kept.watched[0].clear),)
