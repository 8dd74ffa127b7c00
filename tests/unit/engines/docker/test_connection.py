"""Connections to an engine: a few are kept for the next call, and none stays open that nobody will use."""

from contextlib import ExitStack

import pytest

from mlops_desk.engines.docker import connection
from mlops_desk.engines.docker.connection import Connections


class Client:
    def __init__(self) -> None:
        self.timeout = 0.0
        self.is_open = True

    def close(self) -> None:
        self.is_open = False


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """The connections that were made, oldest first."""
    made: list[Client] = []

    def connect(_address: str, _seconds: float) -> Client:
        made.append(Client())
        return made[-1]

    monkeypatch.setattr(connection, "connect", connect)
    monkeypatch.setattr(connection, "knock", lambda *_: None)
    return made


def test_a_connection_is_used_again_and_has_the_time_of_each_call(made: list[Client]) -> None:
    connections = Connections(lambda: "unix:///engine", 5.0)
    assert connections.call("look", lambda client: client.timeout) == 5.0
    assert connections.call("pull", lambda client: client.timeout, 60.0) == 60.0
    assert len(made) == 1


def test_of_many_that_were_used_at_once_four_are_kept_until_all_are_closed(made: list[Client]) -> None:
    connections = Connections(lambda: "unix:///engine", 5.0)
    with ExitStack() as at_once:
        for _ in range(6):
            at_once.enter_context(connections.lent("look", 5.0))
    assert sum(client.is_open for client in made) == 4
    connections.close()
    assert not any(client.is_open for client in made)


def test_a_connection_on_which_something_went_wrong_is_closed(made: list[Client]) -> None:
    connections = Connections(lambda: "unix:///engine", 5.0)
    with pytest.raises(ZeroDivisionError):
        connections.call("look", lambda _client: 1 // 0)
    assert [client.is_open for client in made] == [False]


def test_an_engine_at_another_address_gets_a_connection_of_its_own(made: list[Client]) -> None:
    addresses = ["unix:///one"]
    connections = Connections(lambda: addresses[-1], 5.0)
    connections.call("look", lambda _client: None)
    addresses.append("unix:///other")
    connections.call("look", lambda _client: None)
    assert len(made) == 2
