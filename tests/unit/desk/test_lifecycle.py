"""What begins and ends with the agent does so in one order and its opposite, whatever becomes of one part."""

import threading
from collections.abc import Iterator

import pytest

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.desk.lifecycle import STOP_SECONDS, Lifecycle, Part


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
