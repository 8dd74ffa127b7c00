"""Verbs that take minutes on the command line: how far they are on standard error, and what Ctrl+C does."""

import io
import threading
import time

import pytest

from mlops_desk.desk.cli.parser import arguments_of, parse
from mlops_desk.kit.base.errors import NotFound, Refused, Unavailable
from mlops_desk.serving.cli.task_progress import followed
from mlops_desk.serving.records.task_progress import Undertaking
from mlops_desk.serving.text.task_progress import line_of


class Endpoints:
    """Tells one after the other of ``news``, and lets ``over`` be set by a cancel."""

    def __init__(self, *news: Undertaking) -> None:
        self._news = list(news)
        self.cancelled: list[str] = []
        self.over = threading.Event()
        self.error: Exception | None = None

    def progress(self, _ticket: str) -> Undertaking:
        if not self._news:
            self.over.set()
            raise NotFound("Nothing is under way by that ticket.")
        return self._news.pop(0)

    def cancel(self, ticket: str) -> None:
        self.cancelled.append(ticket)
        if len(self.cancelled) == 1:
            raise NotFound("It has not begun yet.")
        if self.error is not None:
            raise self.error
        self.over.set()


class Client:
    def __init__(self, endpoints: Endpoints) -> None:
        self.endpoints = endpoints


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def news(text: str, done: int | None = None, total: int | None = None) -> Undertaking:
    return Undertaking("The replay", text, time.time(), done, total)


@pytest.mark.slow
def test_each_news_and_each_tenth_is_a_line_and_the_answer_comes_back() -> None:
    endpoints = Endpoints(
        news("Starting."), news("Sending.", 10, 200), news("Sending.", 11, 200), news("Sending.", 40, 200)
    )
    said = io.StringIO()

    def ask() -> str:
        endpoints.over.wait(30.0)
        return "answer"

    assert followed(Client(endpoints), ask, "t", said) == "answer"
    lines = [line.partition(" s  ")[2] for line in said.getvalue().splitlines()]
    assert lines == ["Starting.", "Sending. 10 of 200 (5 %)", "Sending. 40 of 200 (20 %)"]


@pytest.mark.slow
def test_on_a_terminal_one_line_is_painted_over_and_gone_at_the_end() -> None:
    endpoints = Endpoints(news("Sending.", 1, 2))
    said = Terminal()
    followed(Client(endpoints), lambda: endpoints.over.wait(30.0), "t", said)
    assert "Sending. 1 of 2 (50 %)" in said.getvalue()
    assert said.getvalue().endswith("\r\x1b[K")


def test_bytes_are_told_as_sizes_and_hostile_words_are_plain() -> None:
    told = line_of(news("Saving.", 10 << 20, 20 << 20))
    assert "MiB of " in told
    assert told.endswith("(50 %)")
    assert "\x1b" not in line_of(news("\x1b[2J"))


def test_what_it_ends_with_is_raised() -> None:
    def refused() -> None:
        raise Refused("Variants are being measured already.")

    with pytest.raises(Refused, match="already"):
        followed(Client(Endpoints()), refused, "t", io.StringIO())


@pytest.mark.slow
@pytest.mark.parametrize("broken", [None, Unavailable("The agent does not answer.")])
def test_ctrl_c_has_it_stop_and_waits_until_it_has(broken: Exception | None) -> None:
    endpoints = Endpoints()
    endpoints.error = broken

    def interrupted(_ticket: str) -> Undertaking:
        raise KeyboardInterrupt

    endpoints.progress = interrupted  # type: ignore[method-assign]  # as the terminal does
    said = io.StringIO()
    with pytest.raises(KeyboardInterrupt):
        followed(Client(endpoints), lambda: endpoints.over.wait(30.0), "t-1", said)
    assert endpoints.cancelled[:2] == ["t-1", "t-1"], "asked again while it had not begun"
    assert ("nothing of it is left" in said.getvalue()) is (broken is None)
    assert ("could not be stopped: The agent does not answer." in said.getvalue()) is (broken is not None)


def test_a_ticket_is_made_for_each_question_and_nobody_types_one() -> None:
    given = parse(["endpoints", "replay", "front", "--revision", "2"])
    first, second = arguments_of(given.verb, given)["ticket"], arguments_of(given.verb, given)["ticket"]
    assert len(first) == 16
    assert first != second
    with pytest.raises(SystemExit):
        parse(["endpoints", "replay", "front", "--revision", "2", "--ticket", "x"])
