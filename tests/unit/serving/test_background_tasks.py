"""What is under way: told by its ticket to who began it alone, stopped by them, by root, and by the agent's end."""

from collections.abc import Iterator

import pytest

from mlops_desk.kit.base import caller
from mlops_desk.kit.base.caller import Caller
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.background_tasks import WorkBook

ANNA, BO = 64_001, 64_002


@pytest.fixture
def loop() -> Iterator[Loop]:
    loop = Loop("test")
    yield loop
    assert loop.stop(2.0) == []


@pytest.fixture(autouse=True)
def asked_by_anna() -> Iterator[None]:
    token = caller._current.set(Caller(ANNA, ANNA, 1))
    yield
    caller._current.reset(token)


def test_how_far_it_is_is_told_while_it_lasts_and_not_afterwards(loop: Loop) -> None:
    book = WorkBook(loop)
    with pytest.raises(NotFound):
        book.progress("t")
    with book.begun("The replay", "t") as work:
        assert book.progress("t").text == "It begins."
        work.tell("Sending\x1b[31m <b>", 3, 10)
        told = book.progress("t")
        assert (told.what, told.done, told.total, told.is_stopping) == ("The replay", 3, 10, False)
        assert "\x1b" not in told.text
    with pytest.raises(NotFound):
        book.progress("t")
    with pytest.raises(NotFound):
        book.cancel("t")


def test_it_is_stopped_wherever_it_tells_or_waits_next(loop: Loop) -> None:
    book = WorkBook(loop)
    with (
        pytest.raises(Refused, match="The export was stopped"),
        book.begun("The export", "t") as work,
    ):
        assert book.cancel("t").is_stopping
        work.tell("Saving.")
    with pytest.raises(Refused), book.begun("The export", "t") as work:
        book.cancel("t")
        work.wait(600.0)
    with book.begun("The export", "t") as work:
        work.wait(0.0)  # the ticket is as new again


def test_a_ticket_is_answered_to_who_began_it_and_to_root_alone(loop: Loop) -> None:
    book = WorkBook(loop)
    with book.begun("The replay", "t") as work:
        caller.set_caller(Caller(BO, BO, 2))
        with pytest.raises(NotFound):
            book.progress("t")
        with pytest.raises(NotFound):
            book.cancel("t")
        assert not work.stopping.is_set()
        caller.set_caller(Caller(0, 0, 3))
        assert book.progress("t").what == "The replay"


def test_one_ticket_is_for_one_and_none_is_nobodys(loop: Loop) -> None:
    book = WorkBook(loop)
    with book.begun("The replay", "t"), pytest.raises(Refused, match="already"), book.begun("The export", "t"):
        pass
    with book.begun("The replay", None), book.begun("The replay", None), pytest.raises(NotFound):
        book.progress("")


def test_the_agents_end_stops_all_and_what_begins_then(loop: Loop) -> None:
    book = WorkBook(loop)
    with pytest.raises(Unavailable, match="The agent ends"), book.begun("The replay", None) as work:
        loop.stop(2.0)
        work.wait(600.0)
    with pytest.raises(Unavailable), book.begun("The replay", "late") as work:
        work.wait(600.0)
