"""A registry that lets nobody in: the agent by itself asks it less and less, a person and another login at once."""

from contextvars import Context, copy_context
from dataclasses import replace
from typing import Any

import pytest

from mlops_desk.kit.base.caller import set_caller, this_process
from mlops_desk.kit.base.errors import Hint, Refused, Unavailable
from mlops_desk.registry.mirror.mirrors import Mirrors, Refusals
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import TrackerKind


class Server:
    """Stands for the processes of mirrors: counts who asked with which login."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.asked: list[str] = []
        self.error: Exception | None = Refused("It asks for a login.", Hint("mlops-desk registry add"))
        self.told: Exception | None = None
        self.mirrors = Mirrors()
        self.mirrors._refusals = Refusals(lambda: self.now)
        monkeypatch.setattr(self.mirrors, "_asked", self._answer)
        self.source = RegistrySource(TrackerKind.HTTP, "http://a", "http://a", headers={"Authorization": "old"})

    def _answer(self, source: RegistrySource, *_: Any) -> str:
        self.asked.append(source.headers["Authorization"])
        if self.error is not None and source.headers["Authorization"] == "old":
            raise self.error
        return "answer"

    def by_itself(self, seconds: float, source: RegistrySource | None = None) -> int:
        """Let the agent look every ten seconds; return how often the server was asked."""
        before = len(self.asked)
        for _ in range(int(seconds / 10)):
            try:  # in a context of its own: no test that ran here before has left a person in it
                Context().run(self.mirrors.ask, source or self.source, "models", [])
            except (Refused, Unavailable) as error:
                self.told = error
            self.now += 10
        return len(self.asked) - before

    def by_a_person(self) -> str:
        def asking() -> str:
            set_caller(this_process())
            answer: str = self.mirrors.ask(self.source, "models", [])
            return answer

        return copy_context().run(asking)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    return Server(monkeypatch)


def test_the_agent_by_itself_asks_less_and_less_and_is_told_the_same_in_between(server: Server) -> None:
    assert server.by_itself(60) == 1
    assert (server.told.args, getattr(server.told, "hint", "")) == (
        ("It asks for a login.",),
        "mlops-desk registry add",
    )
    assert server.by_itself(120) == 1
    assert server.by_itself(240) == 1
    assert server.by_itself(480) == 1
    assert server.by_itself(6000) == 10, "every ten minutes from then on"


def test_a_person_asks_at_once_and_what_lets_them_in_is_asked_again_by_the_agent_too(server: Server) -> None:
    server.by_itself(600)
    before = len(server.asked)
    for _ in range(3):
        with pytest.raises(Refused):
            server.by_a_person()
    assert len(server.asked) == before + 3
    server.error = None
    assert server.by_a_person() == "answer"
    assert server.by_itself(100) == 10


def test_how_often_a_person_asks_makes_the_pause_no_longer(server: Server) -> None:
    server.by_itself(10)
    for _ in range(5):
        with pytest.raises(Refused):
            server.by_a_person()
    server.now = 1061.0
    assert server.by_itself(10) == 1


def test_another_login_is_tried_at_once(server: Server) -> None:
    server.by_itself(600)
    assert server.by_itself(30, replace(server.source, headers={"Authorization": "new"})) == 3


def test_what_is_down_is_asked_as_before(server: Server) -> None:
    server.error = Unavailable("Nothing answers.")
    assert server.by_itself(100) == 10


def test_of_very_many_the_last_are_remembered() -> None:
    refusals = Refusals(lambda: 0.0)
    for number in range(101):
        refusals.note(number, Refused("no"))
    refusals.check(0)
    for number in (1, 100):
        with pytest.raises(Refused):
            refusals.check(number)
