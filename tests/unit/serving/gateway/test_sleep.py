"""Requests to an endpoint that sleeps: they wait, the agent hears of them at once, they go on when it is up."""

import threading
from pathlib import Path

import pytest

from mlops_desk.serving.gateway.routes import EndpointRoutes
from mlops_desk.serving.gateway.wake_signal import Doorbell, DoorbellEar
from tests.unit.serving.gateway.world import World, eventually, within


def asleep(seconds: float = 20.0, queue: int = 8) -> dict[str, EndpointRoutes]:
    note = "Endpoint digits is asleep."
    return {"digits": EndpointRoutes((), "/nowhere", note=note, queue=queue, hold_seconds=seconds)}


def test_requests_wait_ring_and_are_answered_once_it_is_up() -> None:
    async def scenario(world: World) -> None:
        rung: list[str] = []
        world.proxy.wake = rung.append
        world.endpoints(asleep())
        talks = [await world.dial() for _ in range(3)]
        for number, talk in enumerate(talks):
            talk.send(world.request())
            await eventually(lambda: world.proxy._lanes["digits"].waiting == number + 1)  # noqa: B023 - waited for within the turn
        assert rung == ["digits"] * 3
        world.proxy.tidy()
        assert len(rung) == 4, "told again as long as somebody waits: the agent may just begin"
        assert world.proxy._lanes["digits"].in_flight == 0, "who waits takes no place"
        world.endpoints(asleep())
        assert world.proxy._lanes["digits"].waiting == 3, "another table that leads nowhere lets none go"
        world.route(await world.replica())
        assert [(await talk.said()).status for talk in talks] == [200] * 3
        world.proxy.tidy()
        assert len(rung) == 4

    within(scenario)


def test_who_has_waited_for_as_long_as_is_said_is_told_why_and_to_come_again() -> None:
    async def scenario(world: World) -> None:
        world.endpoints(asleep(0.1))
        said = await world.ask(world.request())
        assert (said.status, said.headers["retry-after"]) == (503, "2")
        assert b"Endpoint digits is asleep." in said.body
        assert world.proxy._lanes["digits"].waiting == 0

    within(scenario)


def test_more_than_may_wait_are_told_at_once_and_one_that_holds_none_lets_go() -> None:
    async def scenario(world: World) -> None:
        world.endpoints(asleep(queue=4))
        talks = [await world.dial() for _ in range(4)]
        for number, talk in enumerate(talks):
            talk.send(world.request())
            await eventually(lambda: world.proxy._lanes["digits"].waiting == min(3, number + 1))  # noqa: B023 - waited for within the turn
        said = await talks[-1].said()
        assert said.status == 503
        assert b"Too many requests wait already." in said.body
        world.endpoints({"digits": EndpointRoutes((), "/nowhere", note="Endpoint digits is failed.", queue=4)})
        for talk in talks[:3]:
            said = await talk.said()
            assert (said.status, b"is failed" in said.body) == (503, True)

    within(scenario)


def test_a_ping_wakes_nobody() -> None:
    async def scenario(world: World) -> None:
        rung: list[str] = []
        world.proxy.wake = rung.append
        world.endpoints(asleep())
        assert (await world.ask(world.head("GET", "/digits/ping"))).status == 503
        assert rung == []

    within(scenario)


@pytest.mark.parametrize("depth", [1, 40])
def test_the_agent_hears_the_bell_also_in_a_deep_folder_and_stops_hearing(tmp_path: Path, depth: int) -> None:
    path = tmp_path.joinpath(*["deep"] * depth) / "bell.sock"
    Doorbell(path).ring("front")  # nobody hears it, and nothing breaks
    ear = DoorbellEar(path)
    bell = Doorbell(path)
    bell.ring("front")
    assert ear.hear() == "front"
    bell.ring("front")
    bell.ring("back")
    assert ear.hear() == "back", "the same is told once for a while"
    heard: list[str | None] = []
    thread = threading.Thread(target=lambda: heard.append(ear.hear()))
    thread.start()
    ear.close()
    thread.join(5)
    assert heard == [None]
