"""Which revision answers: shares, rollouts and their ends, by the real board, shelf and table of routes. No container."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.records.event import Notice
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.access import EndpointTokens
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.meters import EndpointMeters, EndpointPast
from mlops_desk.serving.records.endpoint import Endpoint, EndpointScale, EndpointState, LentGpus, ModelRef, Replica
from mlops_desk.serving.revision import Revision, Shelf
from mlops_desk.serving.rollout import DRAINING
from mlops_desk.serving.routing_sync import Switchboard
from mlops_desk.serving.traffic_shift import Stages

NAME = "front"
SLOW = Reason("canary_slow", "It was slow.")
IDLE = Reason("idle", "Nobody asked.")
PATIENCE_SECONDS = 60.0


class Rows:
    """A table of records in memory: what the board has stored."""

    def __init__(self) -> None:
        self.by_name: dict[str, Endpoint] = {}

    def put(self, record: Endpoint) -> None:
        self.by_name[record.name] = record

    def list(self, *, newest_first: bool = True) -> list[Endpoint]:
        return [*self.by_name.values()]

    def remove(self, key: str) -> None:
        self.by_name.pop(key, None)


class Shelves(Shelf):
    """Revisions in memory: thousands of examples need no disk."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.known: dict[tuple[str, int], Revision] = {}
        self.pruned: tuple[str, set[int]] | None = None

    def read(self, endpoint: str, number: int) -> Revision | None:
        return self.known.get((endpoint, number))

    def write(self, revision: Revision) -> Revision:
        self.known[revision.endpoint, revision.number] = revision
        return revision

    def numbers(self, endpoint: str) -> list[int]:
        return sorted(number for name, number in self.known if name == endpoint)

    def prune(self, endpoint: str, needed: Any) -> None:
        self.pruned = endpoint, set(needed)


class Ends:
    """Ends containers, as soon as it may."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ended: list[str] = []
        self.may_end = threading.Event()
        self.may_end.set()

    def end(self, name: str) -> None:
        self.asked.append(name)
        assert self.may_end.wait(PATIENCE_SECONDS)
        self.ended.append(name)

    def drop_network(self) -> None:
        """There is none."""


class House:
    """An endpoint whose revision 1 answers, and what the stages stand on."""

    def __init__(self, root: Path) -> None:
        self.bus, self.loop, self.trial = Bus(), Loop("stages"), Ends()
        self.notices: list[Notice] = []
        self.bus.subscribe(Notice, self.notices.append)
        self.shelf = Shelves(root)
        tokens, settings = EndpointTokens(root), SettingsStore(root / "settings.json")
        self.rows = Rows()
        self.board = EndpointBoard(cast("Any", self.rows), self.shelf, tokens, self.bus)
        self.switchboard = Switchboard(root, self.board, self.shelf, tokens, settings, EndpointMeters(EndpointPast()))
        self.switchboard.bring_in = lambda: True  # type: ignore[method-assign]  # the gateway has tests of its own
        self.switchboard.route = lambda: 1  # type: ignore[method-assign]  # likewise
        self.busy: set[str] = set()
        self.switchboard.is_answering = (  # type: ignore[method-assign]  # likewise
            lambda replicas: any(one.container in self.busy for one in replicas)
        )
        self.dropped: list[set[str]] = []
        images = SimpleNamespace(of=lambda name: {f"{name}:old"}, drop=self.dropped.append)
        self.stages = Stages(
            self.board, self.shelf, cast("Any", self.trial), self.switchboard, cast("Any", images), settings, self.loop,
            self.bus,
        )  # fmt: skip
        ref = ModelRef("m", "1", "u")
        self.board.put(Endpoint(NAME, EndpointState.BUILDING, None, 1, ref, (), {}))
        self.enter(1)

    @property
    def now(self) -> Endpoint:
        return self.board.get(NAME)

    def revision(self, number: int) -> Revision:
        found = self.shelf.read(NAME, number)
        assert found is not None
        return found

    def enter(self, number: int, percent: float | None = None, replicas: int = 1, **more: Any) -> None:
        """Let a revision come up beside the live one, or in its place."""
        version = ModelVersion("m", str(number), None, None, "READY")
        made = Revision(NAME, number, ModelRef("m", str(number), "u"), version, enters_percent=percent, **more)
        self.shelf.write(made)
        up = [
            Replica(f"r{number}-{one}", number, "running", f"unix:/{number}-{one}", one)
            for one in range(1, replicas + 1)
        ]
        self.stages.enter(made, up, lambda change: self.board.change(NAME, change))

    def settle(self) -> None:
        """Wait until what leaves has ended."""
        self.wait_until(lambda: all(one.state != DRAINING for one in self.now.replicas))

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_so():
            assert time.monotonic() < deadline, self.now
            time.sleep(0.005)

    def running(self) -> set[int]:
        return {one.revision for one in self.now.replicas if one.state == "running"}


@contextmanager
def house_at(root: Path) -> Iterator[House]:
    house = House(root)
    try:
        yield house
    finally:
        house.trial.may_end.set()
        house.loop.stop(10.0)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with house_at(tmp_path) as made:
        yield made


# How a revision comes in.


def test_a_revision_takes_over_at_once_and_the_one_before_ends_once_it_has_answered(house: House) -> None:
    house.busy.add("r1-1")
    house.enter(2, replicas=2)
    assert (house.now.revision, house.now.traffic, house.now.rollout) == (2, {"2": 1.0}, None)
    assert [(one.container, one.state) for one in house.now.replicas] == [
        ("r2-1", "running"), ("r2-2", "running"), ("r1-1", DRAINING),
    ]  # fmt: skip
    assert (house.revision(1).state, house.revision(2).state, house.revision(2).was_live) == ("retired", "live", True)
    assert house.trial.ended == []
    house.busy.clear()
    house.settle()
    assert house.trial.ended == ["r1-1"]
    house.wait_until(lambda: house.shelf.pruned == (NAME, {2}))
    assert house.rows.by_name[NAME].traffic == {"2": 1.0}


@pytest.mark.parametrize(("percent", "state"), [(0.0, "shadow"), (0.1, "canary"), (5.0, "canary"), (99.0, "canary")])
def test_a_revision_begins_beside_the_live_one_with_its_share(house: House, percent: float, state: str) -> None:
    house.enter(2, percent)
    assert house.now.traffic == {"1": pytest.approx(1 - percent / 100), "2": pytest.approx(percent / 100)}
    assert house.now.rollout is not None
    assert (house.now.rollout.revision, house.now.rollout.percent) == (2, percent)
    assert (house.now.revision, house.revision(2).state, house.running()) == (1, state, {1, 2})


def test_where_nothing_answers_a_canary_takes_over(house: House) -> None:
    house.stages.part(NAME, house.now.replicas)
    house.settle()
    house.enter(2, 5.0)
    assert (house.now.revision, house.now.traffic, house.now.rollout) == (2, {"2": 1.0}, None)


def test_another_canary_takes_the_place_of_the_one_on_its_way(house: House) -> None:
    house.enter(2, 5.0)
    house.enter(3, 25.0)
    house.settle()
    assert house.running() == {1, 3}
    assert house.now.traffic == {"1": 0.75, "3": 0.25}
    assert house.revision(2).state == "retired"
    assert house.trial.ended == ["r2-1"]


def test_a_scale_counts_when_a_revision_first_takes_over_and_is_kept_when_it_comes_back(house: House) -> None:
    house.enter(2, scale=EndpointScale(2, 4))
    assert (house.now.scale, house.now.wanted) == (EndpointScale(2, 4), 2)
    house.enter(3, scale=EndpointScale(1, 1))
    assert (house.now.scale, house.now.wanted) == (EndpointScale(1, 1), 1)
    house.enter(2, scale=EndpointScale(2, 4), was_live=True)
    assert (house.now.scale, house.now.wanted) == (EndpointScale(1, 1), 1)


# On, through, and back.


def test_a_rollout_goes_on_by_its_steps_and_says_so(house: House) -> None:
    house.stages.go_on(NAME)
    assert house.notices == [], "nothing is on its way"
    house.enter(2, 5.0)
    house.stages.go_on(NAME)
    assert house.now.rollout is not None
    step = house.now.rollout.percent
    assert 5.0 < step < 100.0
    assert house.now.traffic == {"1": pytest.approx(1 - step / 100), "2": pytest.approx(step / 100)}
    assert [one.text for one in house.notices] == [f"Revision 2 of endpoint {NAME} gets {step:g} % of the requests."]


def test_who_is_promoted(house: House) -> None:
    with pytest.raises(Refused, match="No revision of endpoint front is on its way"):
        house.stages.promote(NAME)
    with pytest.raises(NotFound):
        house.stages.promote("other")
    before = house.now
    assert house.stages.promote(NAME, 1) == before, "it is live already"
    assert house.notices == []
    assert house.stages.promote(NAME, 7) is None, "it is not up"
    house.enter(2, 5.0)
    promoted = house.stages.promote(NAME)
    assert promoted is not None
    assert (promoted.revision, promoted.traffic, promoted.rollout) == (2, {"2": 1.0}, None)
    assert house.notices[-1].about == ("endpoint", NAME)
    house.settle()
    assert (house.running(), house.revision(1).state) == ({2}, "retired")
    assert house.stages.promote(NAME, 1) is None, "its container has ended"


def test_the_live_revision_that_is_promoted_ends_the_rollout_beside_it(house: House) -> None:
    house.enter(2, 5.0)
    house.stages.promote(NAME, 1)
    assert (house.now.revision, house.now.rollout, house.now.traffic) == (1, None, {"1": 1.0})
    assert house.revision(2).state == "rolled_back", "what is newer than what answers went back"


def test_what_is_about_to_end_may_take_over_again_until_it_ends(house: House) -> None:
    house.busy.add("r1-1")
    house.enter(2)
    assert house.stages.promote(NAME, 1) is not None
    house.busy.clear()
    house.settle()
    assert (house.now.revision, house.running(), house.trial.ended) == (1, {1}, ["r2-1"])


def test_what_is_being_ended_is_waited_for_and_can_not_be_promoted(house: House) -> None:
    house.trial.may_end.clear()
    house.enter(2)
    house.wait_until(lambda: house.trial.asked == ["r1-1"])
    assert house.stages.promote(NAME, 1) is None
    threading.Timer(0.05, house.trial.may_end.set).start()
    house.stages.wait_for_end(NAME, 1)
    assert "r1-1" in house.trial.ended


def test_a_container_that_has_ended_is_forgotten_so_that_another_may_bear_its_name(house: House) -> None:
    house.enter(2)
    house.settle()
    house.enter(1, 5.0, was_live=True)
    promoted = house.stages.promote(NAME)
    assert promoted is not None
    assert promoted.revision == 1
    house.settle()
    assert (house.running(), house.trial.ended) == ({1}, ["r1-1", "r2-1"])


def test_a_rollout_goes_back_with_its_reason_and_the_live_one_has_everything(house: House) -> None:
    unchanged = house.stages.go_back(NAME, SLOW)
    assert (unchanged.reason, house.notices) == (None, [])
    house.enter(2, 25.0)
    house.stages.go_back(NAME, SLOW)
    assert (house.now.revision, house.now.traffic, house.now.rollout, house.now.reason) == (1, {"1": 1.0}, None, SLOW)
    assert (house.revision(2).state, house.revision(2).reason) == ("rolled_back", SLOW)
    assert house.notices[-1].level == "warning"
    house.settle()
    assert (house.running(), house.trial.ended) == ({1}, ["r2-1"])


# Shares by hand.


@pytest.mark.parametrize(
    "percents", [{1: 99.5}, {1: 60.0, 2: 40.5}, {1: 33.3, 2: 66.6}, {1: 100.0}, {2: 100.0, 1: 0.0}]
)
def test_shares_that_are_all_within_rounding_are_taken(house: House, percents: dict[int, float]) -> None:
    house.enter(2, 5.0)
    changed = house.stages.split(NAME, percents)
    assert sum(changed.traffic.values()) == pytest.approx(1.0)
    assert set(changed.traffic) == {str(number) for number, percent in percents.items() if percent}
    assert changed.rollout is not None
    assert (changed.rollout.is_held, changed.rollout.percent) == (
        True,
        pytest.approx(100 * changed.traffic.get("2", 0.0)),
    )


@pytest.mark.parametrize(
    "percents", [{}, {1: 99.49}, {1: 60.0, 2: 40.51}, {1: -0.01, 2: 100.0}, {1: 100.01}, {1: 0.0}, {1: 150.0, 2: -50.0}]
)
def test_shares_that_are_not_all_are_refused_and_nothing_changes(house: House, percents: dict[int, float]) -> None:
    house.enter(2, 5.0)
    before = house.now
    with pytest.raises(Invalid):
        house.stages.split(NAME, percents)
    assert house.now == before


def test_a_share_for_what_is_not_up_is_refused(house: House) -> None:
    with pytest.raises(Refused, match="Revision 2 of endpoint front is not up") as refused:
        house.stages.split(NAME, {1: 50.0, 2: 50.0})
    assert refused.value.hint == "Up is: 1."
    house.busy.add("r1-1")
    house.enter(2)
    with pytest.raises(Refused, match="Revision 1"):
        house.stages.split(NAME, {1: 50.0, 2: 50.0})
    house.busy.clear()


# Replicas, and sleep.


def test_one_more_replica_joins_only_what_answers(house: House) -> None:
    more = Replica("r1-2", 1, "running", "unix:/1-2", 2)
    assert house.stages.join(NAME, more)
    assert house.stages.join(NAME, replace(more, address="unix:/moved")), "the same one again is still one"
    assert [(one.container, one.address) for one in house.now.replicas] == [
        ("r1-1", "unix:/1-1"),
        ("r1-2", "unix:/moved"),
    ]
    assert not house.stages.join(NAME, Replica("r2-1", 2, "running", "unix:/2-1"))
    house.stages.part(NAME, [more])
    house.settle()
    assert house.trial.ended == ["r1-2"]
    house.board.change(NAME, lambda known: replace(known, state=EndpointState.STOPPED))
    assert not house.stages.join(NAME, more)


def test_an_endpoint_sleeps_unless_a_revision_is_on_its_way_and_may_stay_awake_until_its_containers_end(
    house: House,
) -> None:
    house.enter(2, 5.0)
    house.stages.sleep(NAME, IDLE)
    assert house.now.state is EndpointState.LIVE
    house.stages.go_back(NAME, SLOW)
    house.settle()
    house.busy.add("r1-1")
    house.stages.sleep(NAME, IDLE, LentGpus(("GPU-1",), 5.0))
    asleep = house.now
    assert (asleep.state, asleep.reason, asleep.lent) == (EndpointState.ASLEEP, IDLE, LentGpus(("GPU-1",), 5.0))
    assert asleep.asleep_since is not None
    assert house.stages.stay_awake(NAME)
    assert (house.now.state, house.now.lent, house.now.reason, house.running()) == (EndpointState.LIVE, None, None, {1})
    assert not house.stages.stay_awake(NAME), "it does not sleep"
    house.stages.sleep(NAME, IDLE)
    house.busy.clear()
    house.settle()
    assert not house.stages.stay_awake(NAME), "there is nothing left to answer"
    assert house.now.state is EndpointState.ASLEEP


def test_what_an_earlier_agent_was_draining_is_ended(house: House) -> None:
    left = Replica("old", 9, DRAINING, "unix:/old")
    house.board.change(NAME, lambda known: replace(known, replicas=(*known.replicas, left)))
    house.stages.take_up()
    house.settle()
    assert (house.trial.ended, house.running()) == (["old"], {1})


# What leaves, and what stays of it.


def test_what_has_ended_leaves_no_image_and_keeps_the_revisions_that_are_up(house: House) -> None:
    house.enter(2, 5.0)
    house.enter(3, 25.0)
    house.settle()
    house.wait_until(lambda: house.dropped == [{"front:old"}])
    assert house.shelf.pruned == (NAME, {1, 3}), "revision 1 answers, revision 3 is on its way"


def test_each_container_that_leaves_is_ended_once(house: House) -> None:
    house.enter(2, replicas=2)
    house.settle()
    house.trial.may_end.clear()
    house.stages.part(NAME, house.now.replicas[:1])
    house.wait_until(lambda: "r2-1" in house.trial.asked)
    house.stages.part(NAME, [one for one in house.now.replicas if one.container == "r2-1"])
    house.stages.part(NAME, [one for one in house.now.replicas if one.container == "r2-2"])
    house.wait_until(lambda: "r2-2" in house.trial.asked)
    house.trial.may_end.set()
    house.settle()
    house.loop.stop(10.0)
    assert house.trial.asked == ["r1-1", "r2-1", "r2-2"]


def test_all_replicas_of_what_leaves_end_also_where_one_refuses(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house.enter(2, replicas=2)
    house.enter(3)
    house.settle()
    assert house.trial.ended == ["r1-1", "r2-1", "r2-2"]
    refused: list[str] = []

    def refuse(name: str) -> None:
        refused.append(name)
        raise OSError(5, "the engine does not answer")

    monkeypatch.setattr(house.trial, "end", refuse)
    house.enter(4)
    house.settle()
    assert (refused, house.running()) == (["r3-1"], {4}), "what did not end is no replica any more"


def test_what_has_not_answered_after_its_time_ends_all_the_same(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    real, later, looked = time.monotonic, [0.0], threading.Event()

    def is_answering(_leaving: Sequence[Replica]) -> bool:
        looked.set()
        return True

    monkeypatch.setattr(time, "monotonic", lambda: real() + later[0])
    monkeypatch.setattr(house.switchboard, "is_answering", is_answering)
    house.enter(2)
    assert looked.wait(PATIENCE_SECONDS)
    assert house.trial.asked == []
    later[0] = 30.0
    house.settle()
    assert house.trial.ended == ["r1-1"]


def test_an_agent_that_ends_leaves_what_still_answers_to_the_next_one(house: House) -> None:
    house.busy.add("r1-1")
    house.enter(2)
    house.loop.stop(10.0)
    assert house.trial.asked == []
    assert [(one.container, one.state) for one in house.now.replicas] == [("r2-1", "running"), ("r1-1", DRAINING)]


def test_an_endpoint_that_is_removed_while_its_container_ends_is_no_error(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.trial.may_end.clear()
    house.enter(2)
    house.wait_until(lambda: house.trial.asked == ["r1-1"])
    house.board.remove(NAME)
    house.trial.may_end.set()
    house.loop.stop(10.0)
    assert (house.trial.ended, house.dropped, caplog.records) == (["r1-1"], [], [])


def test_only_containers_of_the_revision_that_is_asked_for_are_waited_for(house: House) -> None:
    house.trial.may_end.clear()
    house.enter(2)
    house.wait_until(lambda: house.trial.asked == ["r1-1"])
    waits = [threading.Thread(target=house.stages.wait_for_end, args=(NAME, number), daemon=True) for number in (2, 1)]
    for wait in waits:
        wait.start()
    waits[0].join(10.0)  # half of what an end is waited for at most
    assert [wait.is_alive() for wait in waits] == [False, True]
    house.trial.may_end.set()
    waits[1].join(10.0)
    assert not waits[1].is_alive()


def test_a_replica_that_came_up_by_the_name_of_one_that_is_being_ended_stays(house: House) -> None:
    house.trial.may_end.clear()
    house.enter(2)
    house.wait_until(lambda: house.trial.asked == ["r1-1"])
    house.enter(1, 5.0, was_live=True)
    house.trial.may_end.set()
    house.wait_until(lambda: house.dropped != [])
    assert [(one.container, one.state) for one in house.now.replicas] == [("r2-1", "running"), ("r1-1", "running")]


def test_the_live_replicas_stay_before_those_of_a_canary_which_forgets_why_another_went_back(house: House) -> None:
    house.enter(2, 5.0)
    house.stages.go_back(NAME, SLOW)
    house.settle()
    house.enter(3, 5.0, replicas=2)
    assert [one.container for one in house.now.replicas] == ["r1-1", "r3-1", "r3-2"]
    assert house.now.reason is None
    house.enter(3, 25.0)
    assert (house.running(), house.revision(3).state) == ({1, 3}, "canary"), "it does not retire itself"
    assert {one.state for one in house.now.replicas} == {"running"}


def test_a_revision_that_takes_over_wakes_what_slept_and_ends_its_shortage(house: House) -> None:
    house.stages.sleep(NAME, IDLE, LentGpus(("GPU-1",), 5.0))
    house.settle()
    house.board.change(NAME, lambda known: replace(known, shortage=SLOW))
    house.enter(2)
    assert (house.now.state, house.now.asleep_since, house.now.lent, house.now.shortage) == (
        EndpointState.LIVE, None, None, None,
    )  # fmt: skip


def test_what_falls_asleep_asks_for_no_gpus_and_wakes_at_its_least(house: House) -> None:
    house.enter(2, scale=EndpointScale(1, 4))
    house.board.change(NAME, lambda known: replace(known, wanted=3, claimed=("GPU-1",)))
    house.stages.sleep(NAME, IDLE)
    assert (house.now.claimed, house.now.wanted) == ((), 1)


def test_what_stays_awake_is_named_before_what_still_ends(house: House) -> None:
    house.busy.update({"r1-1", "r2-1"})
    house.enter(2)
    house.stages.sleep(NAME, IDLE)
    assert house.stages.stay_awake(NAME)
    assert [(one.container, one.state) for one in house.now.replicas] == [("r2-1", "running"), ("r1-1", DRAINING)]
    house.busy.clear()


def test_what_is_refused_is_told_by_the_lowest_number_first(house: House) -> None:
    house.enter(8)
    house.enter(3, 5.0)
    with pytest.raises(Refused, match="Revision 5 of endpoint front is not up") as refused:
        house.stages.split(NAME, {16: 50.0, 5: 50.0})
    assert refused.value.hint == "Up are: 3, 8."


# Whatever is done, in whatever order.

acts = st.lists(
    st.one_of(
        st.tuples(st.just("enter"), st.one_of(st.none(), st.floats(0.0, 99.0))),
        st.tuples(st.just("go_on"), st.none()),
        st.tuples(st.just("go_back"), st.none()),
        st.tuples(st.just("promote"), st.one_of(st.none(), st.integers(1, 6))),
        st.tuples(st.just("split"), st.floats(0.0, 100.0)),
        st.tuples(st.just("sleep"), st.none()),
        st.tuples(st.just("stay_awake"), st.none()),
    ),
    max_size=8,
)


def do(house: House, what: str, value: Any, number: int) -> None:
    match what:
        case "enter":
            house.enter(number, value)
        case "promote":
            house.stages.promote(NAME, value)
        case "split":
            rollout = house.now.rollout
            other = house.now.revision if rollout is None else rollout.revision
            shares = (
                {house.now.revision: 100.0}
                if other == house.now.revision
                else {other: value, house.now.revision: 100 - value}
            )
            house.stages.split(NAME, shares)
        case "go_back":
            house.stages.go_back(NAME, SLOW)
        case "sleep":
            house.stages.sleep(NAME, IDLE)
        case "go_on":
            rollout = house.now.rollout
            if rollout is not None and rollout.steps:  # the pilot promotes what has no step to come
                house.stages.go_on(NAME)
        case _:
            house.stages.stay_awake(NAME)


def check(endpoint: Endpoint, done: Sequence[tuple[str, Any]]) -> None:
    assert sum(endpoint.traffic.values()) == pytest.approx(1.0), done
    assert all(0.0 <= share <= 1.0 for share in endpoint.traffic.values()), done
    up = {str(one.revision) for one in endpoint.replicas if one.state == "running"}
    if endpoint.state is EndpointState.LIVE:
        assert {number for number, share in endpoint.traffic.items() if share} <= up, (done, endpoint)
        assert str(endpoint.revision) in up, (done, endpoint)
    else:
        assert not up, done
    if endpoint.rollout is not None:
        share = endpoint.traffic.get(str(endpoint.rollout.revision), 0.0)
        assert share == pytest.approx(endpoint.rollout.percent / 100), done
    containers = [one.container for one in endpoint.replicas]
    assert len(containers) == len(set(containers)), done


@pytest.mark.slow
@given(acts)
def test_all_requests_always_go_to_what_is_up(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, Any]]
) -> None:
    with house_at(tmp_path_factory.mktemp("stages")) as house:
        for number, (what, value) in enumerate(done, 2):
            with suppress(Refused):
                do(house, what, value, number)
            check(house.now, done)
        house.settle()
        check(house.now, done)
        assert not set(house.trial.ended) & {one.container for one in house.now.replicas}, done
