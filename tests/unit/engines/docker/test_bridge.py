"""The bridges of our own: made of what an engine has left, never used where they are not what they should be."""

from collections.abc import Callable
from typing import Any

import docker
import pytest
import requests

from mlops_desk.engines.dialects import DOCKER, PODMAN
from mlops_desk.engines.docker import bridge
from mlops_desk.engines.docker.connection import from_engine
from mlops_desk.engines.engine import Obstacle

NO_POOL = "could not find an available, non-overlapping IPv4 address pool among the defaults to assign to the network"


def refused(status: int, text: str) -> docker.errors.APIError:
    response = requests.Response()
    response.status_code = status
    return docker.errors.APIError(text, response, text)


class Client:
    """Docker's networks. ``refuse`` says with what a subnet (None: its own choice) is refused."""

    dialect = DOCKER

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
    bridge.ensure(client, "a-1")
    bridge.ensure(client, "a-1")
    assert client.asked == [None]
    assert client.network is not None
    assert client.network["Options"]["com.docker.network.bridge.enable_icc"] == "false"
    assert bridge.keeps_apart(client, "26.1.5")


def test_where_the_engines_pools_have_ended_it_takes_the_first_range_that_is_free() -> None:
    taken = refused(403, "Pool overlaps with other one on this address space")
    client = Client(
        lambda subnet: refused(500, NO_POOL) if subnet is None else taken if subnet.startswith("10.213") else None
    )
    bridge.ensure(client, "a-1")
    assert client.asked == [None, "10.213.0.0/20", "10.87.208.0/20"]


def test_where_no_range_is_free_what_the_engine_says_is_told() -> None:
    client = Client(lambda _subnet: refused(500, NO_POOL))
    with pytest.raises(docker.errors.APIError, match="non-overlapping"):
        bridge.ensure(client, "a-1")
    assert len(client.asked) == 4


def test_what_is_no_matter_of_addresses_is_told_at_once() -> None:
    client = Client(lambda _subnet: refused(500, "cannot restrict inter-container communication"))
    with pytest.raises(docker.errors.APIError):
        bridge.ensure(client, "a-1")
    assert client.asked == [None]


def test_another_agent_may_be_quicker() -> None:
    client = Client()

    def quicker(_subnet: str | None) -> Exception:
        client.network = {"Driver": "bridge", "Options": {"com.docker.network.bridge.enable_icc": "false"}}
        return refused(409, "network with name mlops-desk already exists")

    client.refuse = quicker
    bridge.ensure(client, "a-1")
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
        bridge.ensure(client, "a-1")
    assert "docker network rm mlops-desk" in str(told.value.hint)
    assert not bridge.keeps_apart(client, "26.1.5")


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


class Podman:
    """Podman's networks, by name; their options it does not tell."""

    dialect = PODMAN

    def __init__(self, made: dict[str, dict[str, Any]] | None = None) -> None:
        """``made`` is what another thread makes as soon as this one clears away."""
        self.made = made or {}
        self.networks: dict[str, dict[str, Any]] = {"podman": {"Driver": "bridge", "Labels": {}}}
        self.pruned: list[Any] = []

    def inspect_network(self, name: str) -> dict[str, Any]:
        if name not in self.networks:
            raise docker.errors.NotFound("network not found")
        return self.networks[name]

    def create_network(self, name: str, *, driver: str, labels: dict[str, str], check_duplicate: bool) -> None:
        assert check_duplicate
        if name in self.networks:
            raise refused(409, f"network name {name} already used")
        self.networks[name] = {"Driver": driver, "Labels": labels, "Options": {}}

    def remove_network(self, name: str) -> None:
        del self.networks[name]

    def prune_networks(self, filters: dict[str, list[str]]) -> None:
        self.pruned.append(filters)
        self.networks |= self.made


def test_on_podman_fifty_containers_get_a_network_each_which_goes_with_them() -> None:
    client = Podman()
    names = [f"job-{number}" for number in range(50)]
    for name in (*names, *names):
        bridge.ensure(client, name)
    assert set(client.networks) == {"podman", *(f"mlops-desk-job-{number}" for number in range(50))}
    assert client.pruned == [{"label": ["io.mlops-desk.network=jobs"], "until": ["1h"]}] * 50
    for name in (*names, *names):
        bridge.give_back(client, name)
    assert set(client.networks) == {"podman"}


def test_on_podman_another_thread_may_be_quicker() -> None:
    client = Podman({"mlops-desk-a-1": {"Driver": "bridge", "Labels": {"io.mlops-desk.network": "jobs"}}})
    bridge.ensure(client, "a-1")
    assert set(client.networks) == {"podman", "mlops-desk-a-1"}


@pytest.mark.parametrize(
    "network",
    [{"Driver": "bridge", "Labels": None}, {"Driver": "macvlan", "Labels": {"io.mlops-desk.network": "jobs"}}],
)
def test_on_podman_a_strangers_network_is_neither_used_nor_removed(network: dict[str, Any]) -> None:
    client = Podman()
    client.networks["mlops-desk-a-1"] = network
    with pytest.raises(Obstacle) as told:
        bridge.ensure(client, "a-1")
    assert "network rm mlops-desk-a-1" in str(told.value.hint)
    bridge.give_back(client, "a-1")
    assert "mlops-desk-a-1" in client.networks


def test_what_docker_shares_is_not_removed_with_a_container() -> None:
    client = Client()
    bridge.ensure(client, "a-1")
    bridge.give_back(client, "a-1")  # it would fail: this engine removes nothing
    assert client.network is not None


@pytest.mark.parametrize(
    ("version", "held"),
    [("5.4.2", True), ("4.3.0", True), ("4.2.9", False), ("3.4.4", False), ("", False), ("?", False)],
)
def test_only_a_podman_that_isolates_networks_keeps_jobs_apart(version: str, held: bool) -> None:
    assert bridge.keeps_apart(Podman(), version) is held


@pytest.mark.parametrize(
    ("said", "missing"),
    [
        ("network mlops-desk not found", True),
        ("unable to find network with name or ID mlops-desk-a-1: network not found", True),
        ("unable to find network with name or ID mlops-desk-a-2: network not found", False),
        ("network lab not found", False),
    ],
)
def test_a_bridge_that_a_cleaner_took_is_known_by_what_the_engine_says(said: str, missing: bool) -> None:
    assert bridge.is_missing(said, "a-1") is missing
