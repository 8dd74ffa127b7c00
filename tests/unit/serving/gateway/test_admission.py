"""Nobody holds more than a share, and whoever has kept the gateway waiting longest makes room."""

import asyncio
from collections import Counter
from types import SimpleNamespace

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.kit.base.network import Places
from mlops_desk.serving.gateway.inbound.connection_guard import Admission, Warden
from mlops_desk.serving.gateway.routes import GatewayLimits


def test_a_peer_with_its_share_pushes_out_its_own_oldest() -> None:
    admission = Admission[str](10, 2)
    assert admission.enter("a1", "ann") == (True, None)
    assert admission.enter("a2", "ann") == (True, None)
    assert admission.enter("b1", "bob") == (True, None)
    assert admission.enter("a3", "ann") == (True, "a1")
    assert admission.enter("a4", "ann") == (True, "a2")
    assert len(admission) == 3


def test_a_full_house_takes_from_whoever_has_most() -> None:
    admission = Admission[str](4, 3)
    for connection in ("a1", "a2", "a3"):
        admission.enter(connection, "ann")
    admission.enter("b1", "bob")
    assert admission.enter("c1", "cem") == (True, "a1")
    assert admission.enter("d1", "dea") == (True, "a2")


def test_who_is_being_answered_stays_and_who_rests_goes_after_who_owes() -> None:
    admission = Admission[str](3, 3)
    for connection in ("works", "rests", "owes"):
        admission.enter(connection, "ann")
    admission.works("works")
    admission.works("rests")
    admission.rests("rests")
    assert admission.enter("next", "ann") == (True, "owes")
    admission.works("next")
    assert admission.enter("last", "ann") == (True, "rests")
    admission.works("last")
    assert admission.enter("none", "ann") == (False, None)
    assert len(admission) == 3


def test_where_the_largest_crowd_is_all_at_work_the_next_makes_room() -> None:
    admission = Admission[str](3, 3)
    for connection in ("a1", "a2"):
        admission.enter(connection, "ann")
        admission.works(connection)
    admission.enter("b1", "bob")
    assert admission.enter("c1", "cem") == (True, "b1")


def test_who_owes_again_is_as_new_as_its_request() -> None:
    admission = Admission[str](2, 2)
    admission.enter("first", "ann")
    admission.enter("second", "ann")
    admission.works("first")
    admission.owes("first")
    assert admission.enter("third", "ann") == (True, "second")


def test_places_are_given_back_and_nothing_is_taken_by_half() -> None:
    places = Places(10, 6)
    assert places.take("ann", 6)
    assert not places.take("ann", 1)
    assert not places.take("bob", 5)
    assert places.take("bob", 4)
    assert (places.taken, places.of("ann"), places.of("bob")) == (10, 6, 4)
    places.give("ann", 6)
    assert (places.taken, places.of("ann")) == (4, 0)
    assert places.take("bob", 2)


ACTS = st.lists(
    st.tuples(st.sampled_from(["enter", "owes", "works", "rests", "leave"]), st.integers(0, 9)), max_size=80
)


@given(ACTS, st.integers(1, 6), st.integers(1, 4))
@example([("enter", 0), ("works", 0), ("enter", 3)], 1, 1)
@example([("enter", 0), ("enter", 0), ("leave", 0)], 2, 1)
@example([("enter", 0), ("enter", 1), ("enter", 4)], 6, 1)
def test_the_limits_hold_whatever_comes(acts: list[tuple[str, int]], most: int, most_of_one: int) -> None:
    admission = Admission[int](most, most_of_one)
    inside: dict[int, str] = {}
    busy: set[int] = set()
    for act, number in acts:
        peer = f"user {number % 3}"
        if act == "enter":
            if number in inside:
                continue
            is_in, victim = admission.enter(number, peer)
            if victim is not None:
                assert victim not in busy
                del inside[victim]
            if is_in:
                inside[number] = peer
            else:
                assert victim is None
        elif act == "leave":
            admission.leave(number)
            inside.pop(number, None)
            busy.discard(number)
        else:
            getattr(admission, act)(number)
            if number in inside:
                (busy.add if act == "works" else busy.discard)(number)
        assert len(admission) == len(inside) <= most
        assert all(count <= most_of_one for count in Counter(inside.values()).values())


class Visitor:
    """A connection that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def check(self, _now: float, _limits: GatewayLimits) -> None:
        self.told.append("check")

    def end(self, status: int, _text: str) -> None:
        self.told.append(f"end {status}")

    def finish(self) -> None:
        self.told.append("finish")

    def abort(self) -> None:
        self.told.append("abort")


def test_who_has_left_is_forgotten_and_keeps_the_gateway_from_ending_no_more() -> None:
    gone, here = Visitor(), Visitor()

    async def come_and_go() -> None:
        warden = Warden(SimpleNamespace(name=lambda *_: "ann"), GatewayLimits, 9, 9)
        warden.enter(gone, None)
        warden.enter(here, None)
        warden.leave(gone)
        await warden.finish(0.0)
        warden.leave(here)
        await asyncio.wait_for(warden.finish(600.0), 20.0)

    asyncio.run(come_and_go())
    assert (gone.told, here.told) == ([], ["finish", "abort"])
