"""What begins and ends with the agent does so in one order and its opposite, whatever becomes of one part."""

import threading
from collections.abc import Iterator

import pytest

from mlops_desk.desk.lifecycle import STOP_SECONDS, Lifecycle, OnDemand, Part
from mlops_desk.kit.base.errors import Closed, Unavailable
from mlops_desk.kit.base.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop("test")
    yield loop
    assert loop.stop(10.0) == []


def test_what_began_first_ends_last(loop: Loop) -> None:
    seen: list[str] = []
    parts = [
        Part(name, lambda name=name: seen.append(f"+{name}"), lambda name=name: seen.append(f"-{name}"))
        for name in "abc"
    ]
    life = Lifecycle([*parts, Part("neither starts nor ends")], loop)
    life.start()
    life.stop()
    assert seen == ["+a", "+b", "+c", "-c", "-b", "-a"]


def test_what_can_not_be_started_is_told_and_nothing_after_it_begins(loop: Loop) -> None:
    seen: list[str] = []

    def fail() -> None:
        raise Unavailable("The disk is full.")

    with pytest.raises(Unavailable, match="disk is full"):
        Lifecycle([Part("a", fail), Part("b", lambda: seen.append("b"))], loop).start()
    assert seen == []


def test_what_hangs_fails_or_breaks_on_the_way_out_keeps_nothing_else_from_its_end(
    loop: Loop, caplog: pytest.LogCaptureFixture
) -> None:
    let_go, seen = threading.Event(), []

    def fail() -> None:
        raise Unavailable("The engine does not answer.")

    def bug() -> None:
        raise ZeroDivisionError

    parts = [
        Part("the state", stop=lambda: seen.append("the state")),
        Part("the engine", stop=fail),
        Part("jobs", stop=bug),
        Part("endpoints", stop=lambda: let_go.wait(60.0), stop_seconds=0.05),
    ]
    Lifecycle(parts, loop).stop()
    let_go.set()
    assert seen == ["the state"]
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "On the way out: the end of endpoints did not answer within 0.05 s.",
        "A bug on the way out, in jobs",
        "On the way out: The engine does not answer.",
    ]
    assert [record.levelname for record in caplog.records] == ["WARNING", "ERROR", "WARNING"]
    assert "ZeroDivisionError" in caplog.text


def test_a_part_is_waited_for_three_tenths_of_a_second_unless_it_says_otherwise() -> None:
    assert Part("a").stop_seconds == STOP_SECONDS == 0.3


class Diary:
    """A service that notes what becomes of it."""

    def __init__(self, seen: list[str], name: str = "it") -> None:
        self.seen, self.name = seen, name
        seen.append(f"{name} made")

    def start(self) -> None:
        self.seen.append(f"{self.name} started")

    def close(self) -> None:
        self.seen.append(f"{self.name} closed")

    def ask(self, what: str) -> str:
        return f"{self.name}: {what}"


def test_what_nobody_asks_and_has_no_work_is_never_made(loop: Loop) -> None:
    seen: list[str] = []
    part = OnDemand("it", lambda: Diary(seen), lambda: 0, lambda: False)
    part.make_if_needed()
    life = Lifecycle([part], loop)
    life.start()
    life.stop()
    assert seen == []
    with pytest.raises(Closed, match="it"):
        part.service.ask("late")
    assert seen == []


def test_what_has_work_is_made_before_anything_starts_and_is_started_in_its_turn(loop: Loop) -> None:
    seen: list[str] = []
    part = OnDemand("it", lambda: Diary(seen), lambda: False, lambda: 3)
    part.make_if_needed()
    assert seen == ["it made"]
    life = Lifecycle([Part("before", lambda: seen.append("before started")), part], loop)
    life.start()
    life.stop()
    assert seen == ["it made", "before started", "it started", "it closed"]


def test_the_first_question_makes_and_starts_it_once_though_many_ask_at_once(loop: Loop) -> None:
    seen: list[str] = []
    part = OnDemand("it", lambda: Diary(seen), lambda: False)
    life = Lifecycle([part], loop)
    life.start()
    start, answers = threading.Barrier(8), []

    def ask(number: int) -> None:
        start.wait(30.0)
        answers.append(part.service.ask(str(number)))

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(30.0)
    assert sorted(answers) == [f"it: {number}" for number in range(8)]
    life.stop()
    assert seen == ["it made", "it started", "it closed"]


def test_what_is_made_may_ask_for_others_that_are_not_there_yet(loop: Loop) -> None:
    seen: list[str] = []
    other = OnDemand("other", lambda: Diary(seen, "other"))

    class Asking(Diary):
        def start(self) -> None:
            super().start()
            self.seen.append(other.service.ask("in time"))

    part = OnDemand("it", lambda: Asking(seen))
    life = Lifecycle([part, other], loop)
    life.start()
    part.service.ask("")
    life.stop()
    assert seen == [
        "it made", "it started", "other made", "other started", "other: in time", "other closed", "it closed",
    ]  # fmt: skip
