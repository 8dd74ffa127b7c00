"""What the gateway is told of an endpoint's replicas."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import EndpointChanged
from mlops_desk.serving.access import EndpointTokens
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.gateway.routes import NetworkListening, RoutingTable
from mlops_desk.serving.meters import EndpointMeters, EndpointPast
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef, Replica
from mlops_desk.serving.records.rollout import Rollout, RolloutGuard
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.rollout import DRAINING
from mlops_desk.serving.routing_sync import Switchboard


def board_of(folder: Path, state: State) -> Switchboard:
    shelf, tokens = Shelf(folder), EndpointTokens(folder)
    board = EndpointBoard(state.endpoints, shelf, tokens, Bus())
    replicas = (
        Replica("a", 1, "running", "unix:/a"), Replica("b", 1, DRAINING, "unix:/b"), Replica("c", 1, "running", None),
        Replica("d", 2, "running", "unix:/d"),
    )  # fmt: skip
    traffic = {"1": 0.75, "2": 0.25}
    board.put(Endpoint("front", EndpointState.LIVE, None, 1, ModelRef("m", "1", "u"), replicas, traffic))
    return Switchboard(folder, board, shelf, tokens, SettingsStore(folder / "s.json"), EndpointMeters(EndpointPast()))


def test_one_that_is_on_its_way_out_or_not_up_yet_gets_no_requests(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    try:
        routes = board_of(tmp_path, state)._table().endpoints["front"].routes
    finally:
        state.close()
    assert [(route.revision, route.weight, route.addresses) for route in routes] == [
        (1, 0.75, ("unix:/a",)), (2, 0.25, ("unix:/d",)),
    ]  # fmt: skip


def test_the_table_says_where_to_listen_beyond_loopback(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    try:
        board = board_of(tmp_path, state)
        assert board._table().network is None
        wanted = NetworkListening("0.0.0.0", 8443, "/x", ("a",))
        board.entrance.listening = lambda: wanted  # type: ignore[method-assign]  # what it says is tested elsewhere
        assert board._table().network == wanted
    finally:
        state.close()


def test_how_many_requests_a_canary_answered_is_told_while_it_is_on_its_way_and_never_stored(tmp_path: Path) -> None:
    state = State(tmp_path / "state.db")
    try:
        board = board_of(tmp_path, state)._board
        told: list[int | None] = []
        board._bus.subscribe(EndpointChanged, lambda event: told.append(event.endpoint.canary_answered))
        rollout = Rollout(2, 5.0, (25.0, 100.0), RolloutGuard(), 0.0)
        board.change("front", lambda known: replace(known, rollout=rollout))
        board.count_canaries({"front": 0, "gone": 3})
        board.count_canaries({"front": 7})
        assert told == [None, 0], "what comes after is announced with the load"
        assert board.get("front").canary_answered == 7
        board.change("front", lambda known: replace(known, follows="champion"))
        assert [one.canary_answered for one in state.endpoints.list()] == [None]
        board.change("front", lambda known: replace(known, rollout=None))
        assert board.get("front").canary_answered is None
    finally:
        state.close()


def up_at(container: str, address: str, known: Endpoint) -> Endpoint:
    """Return an endpoint in which a replica answers at an address."""
    there = tuple(replace(one, address=address) if one.container == container else one for one in known.replicas)
    return replace(known, replicas=there)


def test_two_replicas_that_come_up_at_once_are_both_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second has said what it will be, and is brought in only after the first is through with its own."""
    state = State(tmp_path / "state.db")
    board = board_of(tmp_path, state)
    late, first_is_through = threading.Event(), threading.Event()
    tables: list[RoutingTable] = []

    def bring_in() -> bool:
        if threading.current_thread() is not threading.main_thread():
            late.set()
            assert first_is_through.wait(20)
        tables.append(board._table())
        return True

    monkeypatch.setattr(board, "bring_in", bring_in)
    with ThreadPoolExecutor(1) as other:
        second = other.submit(
            board.move, "front", lambda known: up_at("d", "unix:/d2", known), lambda change: board._board.change("front", change)
        )  # fmt: skip
        assert late.wait(20)
        board.move(
            "front", lambda known: up_at("c", "unix:/c", known), lambda change: board._board.change("front", change)
        )
        first_is_through.set()
        assert second.result(20)
    told = [[route.addresses for route in table.endpoints["front"].routes] for table in tables]
    assert told == [[("unix:/a", "unix:/c"), ("unix:/d2",)]] * 2
    assert [one.address for one in board._board.get("front").replicas] == ["unix:/a", "unix:/b", "unix:/c", "unix:/d2"]
    assert board._table().endpoints["front"].routes == tables[-1].endpoints["front"].routes
    state.close()
