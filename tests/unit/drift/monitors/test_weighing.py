"""A monitor's columns weighed: only when somebody asks, kept with how it was found, and never by halves."""

import threading

import pytest

from mlops_desk.drift.monitors.path_check import HeldLooks
from mlops_desk.drift.records.importance import ComputedImportance, FoundWeight, ImportanceMethod
from mlops_desk.kit.base.errors import NotFound, Refused, TimedOut, Unavailable
from mlops_desk.machine.records.event import MonitorChanged
from tests.unit.drift.monitors.test_service import World

FOUND = ComputedImportance(
    ImportanceMethod.PERMUTATION, {"age": FoundWeight(0.3, 0.1), "income": FoundWeight(0.1, 0.1)}, "digits/3", 7.0, 40
)


@pytest.fixture
def world(tmp_path):
    made = World(tmp_path)
    made.service.check_due()
    made.weighed = []

    def weigh(monitor, wish, ticket):
        made.weighed.append((monitor.name, wish, ticket))
        return FOUND

    made.weigh = weigh
    yield made
    made.loop.stop()
    made.state.close()


def test_nothing_is_weighed_by_itself(world) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")
    assert world.weighed == []
    assert world.service.show("digits").monitor.computed is None


def test_what_was_found_is_kept_told_and_weighs(world) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")
    standing = world.service.weigh("digits", rows=500, repeats=3, seed=9, metric="accuracy", permute=True, ticket="t")
    ((name, wish, ticket),) = world.weighed
    assert (name, ticket) == ("digits", "t")
    assert (wish.columns, wish.rows, wish.repeats, wish.seed) == (("age", "income", "height"), 500, 3, 9)
    assert (wish.metric, wish.permute) == ("accuracy", True)
    assert standing.monitor.importance == {"age": 0.75, "income": 0.25}
    assert standing.monitor.computed == FOUND
    (told,) = [one for one in world.events if isinstance(one, MonitorChanged)][-1:]
    assert told.standing.monitor.computed == FOUND
    assert world.make().show("digits").monitor.computed == FOUND, "another agent knows it too"
    assert world.service.show("digits").monitor.is_proposed, "it still goes with the settings"


def test_what_a_person_says_afterwards_counts(world) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")
    world.service.weigh("digits")
    kept = world.service.configure("digits", level="info").monitor
    assert (kept.computed, kept.importance) == (FOUND, {"age": 0.75, "income": 0.25})
    changed = world.service.configure("digits", importance={"age": "2"}).monitor
    assert (changed.computed, changed.importance) == (None, {"age": 2.0})


def test_a_monitor_that_has_no_reference_yet_says_so(world) -> None:
    world.store.references.clear()
    with pytest.raises(NotFound, match="no reference yet") as caught:
        world.service.weigh("digits")
    assert caught.value.command == "mlops-desk drift monitors check digits"
    assert "that finds rows" in caught.value.hint, "a look before the first request reads none"
    assert world.weighed == []


def test_what_fails_leaves_what_was_known(world) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")
    world.service.weigh("digits")

    def fail(*_):
        raise Unavailable("The engine is gone.")

    world.weigh = fail
    with pytest.raises(Unavailable):
        world.service.weigh("digits")
    assert world.service.show("digits").monitor.computed == FOUND
    assert world.service.check("digits"), "and nobody is kept from looking"


def test_one_that_got_another_reference_meanwhile_keeps_nothing_of_it(world) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")

    def meanwhile(*_):
        world.service.configure("digits", reference="previous")
        return FOUND

    world.weigh = meanwhile
    with pytest.raises(Refused, match="another model or reference"):
        world.service.weigh("digits")
    assert world.service.show("digits").monitor.computed is None
    world.weigh = lambda *_: world.service.remove("digits") and FOUND
    with pytest.raises(NotFound):
        world.service.weigh("digits")


def test_a_slow_look_does_not_lose_what_was_found(world, monkeypatch) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")
    waited = []

    def held():
        waited.append(len(waited))
        if len(waited) < 4:
            raise TimedOut("A monitor is still being looked at.")
        return HeldLooks(threading.Lock())

    monkeypatch.setattr(world.service, "_held", held)
    assert world.service.weigh("digits").monitor.computed == FOUND
    assert len(world.weighed) == 1, "it is found once"
    waited.clear()
    monkeypatch.setattr(world.service, "_held", lambda: held_never(waited))
    with pytest.raises(TimedOut):
        world.service.weigh("digits")
    assert len(waited) == 4, "and not waited for without end"


def held_never(waited):
    waited.append(0)
    raise TimedOut("A monitor is still being looked at.")


def test_monitors_are_looked_at_and_changed_while_one_is_weighed(world) -> None:
    world.waiting = [(0.0, None)]
    world.service.check("digits")

    def meanwhile(*_):
        world.service.configure("digits", level="info")
        world.service.check("digits")
        return FOUND

    world.weigh = meanwhile
    found = world.service.weigh("digits").monitor
    assert (found.level, found.computed) == ("info", FOUND)
