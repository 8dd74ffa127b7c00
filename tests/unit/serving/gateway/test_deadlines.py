"""Who is late is told once, who has ended never, whatever the others do."""

import asyncio
from collections.abc import Awaitable, Callable

import uvloop

from mlops_desk.serving.gateway.deadlines import Deadlines
from tests.unit.serving.gateway.world import eventually


class Timed:
    """Notes that it is late, and does what a test has it do then."""

    def __init__(self, name: str, told: list[str], then: Callable[[], object] = bool) -> None:
        self.name = name
        self.then = then
        self._told = told

    def late(self) -> None:
        self._told.append(self.name)
        self.then()


def run(scenario: Callable[[Deadlines, list[str]], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with asyncio.timeout(20):
            await scenario(Deadlines(), [])

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(whole())


def test_who_is_late_is_told_in_turn_and_who_has_ended_is_not() -> None:
    async def scenario(deadlines: Deadlines, told: list[str]) -> None:
        timed = {name: Timed(name, told) for name in "abc"}
        lines = {name: deadlines.begin(one, 0.05) for name, one in timed.items()}
        lines["b"].end(timed["b"])
        lines["b"].end(timed["b"])
        deadlines.begin(slow := Timed("slow", told), 0.2)
        await eventually(lambda: "slow" in told)
        assert told == ["a", "c", "slow"]
        lines["a"].again(timed["a"])  # the line was forgotten meanwhile
        assert deadlines.begin(Timed("d", told), 0.05) is lines["a"], "one line for all that have equally long"
        await eventually(lambda: told[-1] == "d")
        assert told[3:] == ["a", "d"]
        assert slow.name == "slow"

    run(scenario)


def test_a_line_that_is_empty_is_forgotten() -> None:
    async def scenario(deadlines: Deadlines, told: list[str]) -> None:
        for seconds in (0.01, 0.02, 0.03):
            line = deadlines.begin(one := Timed("over", told), seconds)
            line.end(one)
        await eventually(lambda: not deadlines._lines)
        assert told == []

    run(scenario)


def test_who_begins_again_is_late_later_than_the_others() -> None:
    async def scenario(deadlines: Deadlines, told: list[str]) -> None:
        first, second = Timed("first", told), Timed("second", told)
        line = deadlines.begin(first, 0.1)
        deadlines.begin(second, 0.1)
        line.again(first)
        await eventually(lambda: len(told) == 2)
        assert told == ["second", "first"]

    run(scenario)


def test_who_is_late_may_begin_another_and_end_others() -> None:
    async def scenario(deadlines: Deadlines, told: list[str]) -> None:
        ended, kept = Timed("ended", told), Timed("kept", told)
        first = Timed("first", told)
        line = deadlines.begin(first, 0.05)
        deadlines.begin(ended, 0.05)

        def then() -> None:
            line.end(ended)
            line.again(Timed("next", told))

        first.then = then
        await asyncio.sleep(0.02)
        deadlines.begin(kept, 0.05)
        await eventually(lambda: "next" in told)
        assert told == ["first", "kept", "next"]

    run(scenario)


def test_one_that_fails_keeps_no_other_from_being_told() -> None:
    async def scenario(deadlines: Deadlines, told: list[str]) -> None:
        said: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context.get("exception")))

        def fail() -> None:
            raise ValueError("odd")

        deadlines.begin(Timed("bad", told, fail), 0.05)
        deadlines.begin(Timed("good", told), 0.05)
        await eventually(lambda: "good" in told)
        assert told == ["bad", "good"]
        assert isinstance(said[0], ValueError)

    run(scenario)
