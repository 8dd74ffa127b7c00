"""The bridge of our own: made of what an engine has left, never used where it is not what it should be."""

from collections.abc import Callable
from typing import Any

import docker
import pytest
import requests

from mlops_desk.engines.docker import bridge
from mlops_desk.engines.docker.trouble import from_engine
from mlops_desk.engines.engine import Obstacle

NO_POOL = "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"


def refused(status: int, text: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError(text, response, text)


class Client:
    """An engine's networks. ``refuse`` says with what a subnet (None: its own choice) is refused."""

    def __init__(self, refuse: Callable[[str | None], Exception | None] = lambda _subnet: None) -> None:
        self.refuse = refuse
        self.network: dict[str, Any] | None = None
        self.asked: list[str | None] = []

    def inspect_network(self, name: str) -> dict[str, Any]:
        assert name == "mlops-desk"
        if self.network is None:
            raise docker.errors.NotFound("no such network")
        return self.network

    def create_network(self, name: str, **words: Any) -> None:
        subnet = None if words["ipam"] is None else words["ipam"]["Config"][0]["Subnet"]
        self.asked.append(subnet)
        error = self.refuse(subnet)
        if error is not None:
            raise error
        self.network = {"Driver": words["driver"], "Options": words["options"]}


def test_it_is_made_once_and_its_containers_do_not_reach_one_another() -> None:
    client = Client()
    bridge.ensure(client)
    bridge.ensure(client)
    assert client.asked == [None]
    assert client.network is not None
    assert client.network["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert bridge.keeps_apart(client)


def test_where_the_engines_pools_have_ended_it_takes_the_first_range_that_is_free() -> None:
    taken = refused(403, "Pool overlaps with other one on this address space")
    client = Client(
        lambda subnet: refused(500, NO_POOL) if subnet is None else taken if subnet.startswith("10.213") else None
    )
    bridge.ensure(client)
    assert client.asked == [None, "10.213.0.0/20", "10.87.208.0/20"]


def test_where_no_range_is_free_what_the_engine_says_is_told() -> None:
    client = Client(lambda _subnet: refused(500, NO_POOL))
    with pytest.raises(docker.errors.APIError, match="non-overlapping"):
        bridge.ensure(client)
    assert len(client.asked) == 4


def test_what_is_no_matter_of_addresses_is_told_at_once() -> None:
    client = Client(lambda _subnet: refused(500, "cannot restrict inter-container communication"))
    with pytest.raises(docker.errors.APIError):
        bridge.ensure(client)
    assert client.asked == [None]


def test_another_agent_may_be_quicker() -> None:
    client = Client()

    def quicker(_subnet: str | None) -> Exception:
        client.network = {"Driver": "bridge", "Options": {"com.docker.network.bridge.enable_icc": "false"}}
        return refused(409, "network with name mlops-desk already exists")

    client.refuse = quicker
    bridge.ensure(client)
    assert client.asked == [None]


@pytest.mark.parametrize(
    "network",
    [
        {"Driver": "bridge", "Options": {}},
        {"Driver": "bridge", "Options": None},
        {"Driver": "bridge", "Options": {"com.docker.network.bridge.enable_icc": "true"}},
        {"Driver": "macvlan", "Options": {"com.docker.network.bridge.enable_icc": "false"}},
    ],
)
def test_one_on_which_they_reach_one_another_is_not_used_and_told(network: dict[str, Any]) -> None:
    client = Client()
    client.network = network
    with pytest.raises(Obstacle) as told:
        bridge.ensure(client)
    assert "docker network rm mlops-desk" in str(told.value.hint)
    assert not bridge.keeps_apart(client)


@pytest.mark.parametrize(
    ("said", "word"),
    [
        ("cannot restrict inter-container communication or run without the userland proxy", "engine_network_filter"),
        ("no available IPv4 addresses on this network's address pools: mlops-desk (1f)", "engine_network_full"),
        (NO_POOL, "engine_network_full"),
    ],
)
def test_what_keeps_it_from_being_made_is_an_obstacle_with_what_mends_it(said: str, word: str) -> None:
    error = from_engine(500, said, "Creating the container x")
    assert isinstance(error, Obstacle)
    assert (error.word, error.hint is not None) == (word, True)
