"""Rules that change while others are judged, and things that are named before anybody has heard of them."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mlops_desk.automation.records.retraining_rule import Rule
from mlops_desk.automation.records.rule_state import RuleClock
from mlops_desk.automation.rules.document.document import parse_rule
from mlops_desk.automation.rules.live.rule_loop import LifeParts, RuleLife
from mlops_desk.automation.rules.storage.built_in import BuiltInRule
from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.storage.state import State
from tests.rule_specs import METRICS

HEAD = "apiVersion: mlops-desk/v1\nkind: Rule\nname: {}\n"
THEN = "then: [{notify: [desktop]}]\n"
GROWS = "when: {metric: hw.gpu.memory.usage, device: gpu, above: 4, grownOver: 1h}\n"
OF_GPU0 = "when: {metric: hw.gpu.utilization, device: gpu, of: gpu0, above: 0.5}\n"
EACH_GPU = "when: {metric: hw.gpu.utilization, device: gpu, above: 0.5}\n"
UUID = "GPU-4c1f"


class House:
    """Rules by a clock that stands until somebody looks; ``gpus`` are those that anybody has heard of."""

    def __init__(self, folder: Path) -> None:
        self.state = State(folder / "state.db")
        self.now = 1000.0
        self.gpus: dict[str, str] = {}
        self.fired: list[Any] = []
        self.begin()

    def begin(self) -> None:
        """Begin as a new agent does, which has heard of nothing yet."""
        self.shelf = RuleShelf(self.state.rule_tables, METRICS)
        clock = lambda: RuleClock(1_790_000_000.0 + self.now, self.now, "boot")  # noqa: E731 - one of three arguments
        self.life = RuleLife(self.shelf, LifeParts(self.name, self.fired.extend, clock=clock))

    def name(self, device: str, given: str) -> str:
        if device == "gpu" and given not in {*self.gpus, *self.gpus.values()}:
            raise NotFound(f"There is no device {given}.")
        return self.gpus.get(given, given)

    def keep(self, name: str, when: str) -> None:
        self.shelf.add(parse_rule(HEAD.format(name) + when + THEN, METRICS), 1000)

    def hear(self, fact: str, thing: str, value: float) -> None:
        self.now += 1.0
        self.life.board.put(fact, thing, value)
        self.life.look()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.state.close()


def test_a_counter_goes_on_being_counted_when_another_rule_is_made_changed_and_removed(house: House) -> None:
    house.keep("grows", GROWS)
    house.life.look()
    for step, counted in enumerate((100.0, 101.0, 102.0, 103.0)):
        house.hear("gpu/hw.gpu.memory.usage", UUID, counted)
        if step == 1:
            house.keep("other", EACH_GPU)
        elif step == 2:
            house.shelf.change(
                "other", parse_rule(HEAD.format("other") + EACH_GPU.replace("0.5", "0.6") + THEN, METRICS)
            )
        else:
            house.life.renew()
    house.shelf.remove("other")
    assert house.fired == []
    house.hear("gpu/hw.gpu.memory.usage", UUID, 104.0)
    assert [one.rule for one in house.fired] == ["grows"]


def test_a_rule_that_is_made_hears_what_is_so_already_beside_rules_that_heard_it_before(house: House) -> None:
    house.keep("first", EACH_GPU)
    house.life.look()
    house.hear("gpu/hw.gpu.utilization", UUID, 0.9)
    house.keep("second", EACH_GPU)
    house.life.look()
    assert [(one.rule, one.subject) for one in house.fired] == [("first", UUID), ("second", UUID)]
    house.life.renew()
    house.life.look()
    assert len(house.fired) == 2, "what goes on is no news"


def test_a_thing_that_people_name_is_known_once_it_was_heard_of_by_the_next_agent_too(house: House) -> None:
    house.keep("of-gpu0", OF_GPU0)
    house.life.look()
    house.gpus["gpu0"] = UUID
    house.life.renew()
    house.life.look()
    house.hear("gpu/hw.gpu.utilization", UUID, 0.9)
    house.hear("gpu/hw.gpu.utilization", UUID, 0.1)
    assert len(house.fired) == 1
    house.gpus.clear()
    house.begin()
    house.gpus["gpu0"] = UUID
    house.hear("gpu/hw.gpu.utilization", UUID, 0.2)
    house.hear("gpu/hw.gpu.utilization", UUID, 0.9)
    assert len(house.fired) == 2


def test_an_index_that_goes_over_to_another_device_takes_the_rule_along(house: House) -> None:
    house.gpus["gpu0"] = UUID
    house.keep("of-gpu0", OF_GPU0)
    house.life.look()
    house.gpus["gpu0"] = "GPU-77aa"
    house.life.renew()
    house.hear("gpu/hw.gpu.utilization", UUID, 0.9)
    assert house.fired == []
    house.hear("gpu/hw.gpu.utilization", "GPU-77aa", 0.9)
    assert len(house.fired) == 1


def test_who_fires_by_hand_names_a_thing_as_people_do_and_is_told_of_a_slip_of_the_pen(house: House) -> None:
    house.gpus["gpu0"] = UUID
    house.keep("each", EACH_GPU)
    each = house.shelf.named("each")
    assert house.life.fire(each, "gpu0", "by me", ()).subject == UUID
    with pytest.raises(NotFound, match="gpu9"):
        house.life.fire(each, "gpu9", "by me", ())
    assert [one.subject for one in house.life.firings(each, 10)] == [UUID]
    assert house.life.fire(each, "", "by me", ()).subject == ""


def say(name: str, level: float) -> Any:
    return parse_rule(HEAD.format(name) + EACH_GPU.replace("0.5", str(level)) + THEN, METRICS)


CHANGES = {
    "add": lambda shelf: shelf.add(say("new", 0.9), 1000),
    "change": lambda shelf: shelf.change("old", say("old", 0.9)),
    "pause": lambda shelf: shelf.pause("old", is_paused=True),
    "remove": lambda shelf: shelf.remove("old"),
    "put": lambda shelf: shelf.put(Rule("again", "digits", "champion", "accuracy", data={})),
    "fired": lambda shelf: shelf.put(replace(shelf.get("retrains"), last_fired_at=1790000000.0)),
    "built in changed": lambda shelf: shelf.change("hot", say("hot", 0.9), 1000),
    "built in paused": lambda shelf: shelf.pause("hot", is_paused=True, changed_by=1000),
    "built in said again": lambda shelf: shelf.change("hot", say("hot", 0.5), 1000),
    "reset": lambda shelf: shelf.reset("hot"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_look_that_goes_on_beside_a_change_and_the_change_do_not_wait_for_each_other(
    house: House, change: str
) -> None:
    """A look holds what a change is told to, and asks the rules meanwhile."""
    hot = BuiltInRule("hot", "Hot", "A GPU is hot.", say("hot", 0.5), lambda _spec: None)
    shelf = RuleShelf(house.state.rule_tables, METRICS, [hot])
    shelf.add(say("old", 0.1), 1000)
    shelf.put(Rule("retrains", "digits", "champion", "accuracy", data={}))
    told = []

    def looks() -> None:
        look = threading.Thread(target=shelf.all, daemon=True)
        look.start()
        look.join(30)
        told.append(not look.is_alive())

    shelf.changed = looks
    CHANGES[change](shelf)
    assert told == [True]
