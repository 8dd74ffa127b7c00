"""Listed containers are asked about where the listing shows something new, and else only now and then."""

from types import SimpleNamespace
from typing import Any

import docker.errors
import pytest

from mlops_desk.engines.dialects import DOCKER
from mlops_desk.engines.docker.engine import ListedContainers


class Client:
    """An engine's client that counts what it is asked."""

    dialect = DOCKER

    def __init__(self) -> None:
        self.status: dict[str, str] = {}
        self.asked: list[str] = []

    def inspect_container(self, name: str) -> dict[str, Any]:
        self.asked.append(name)
        if name not in self.status:
            raise docker.errors.NotFound("gone", response=SimpleNamespace(status_code=404))
        state = {"Status": self.status[name], "ExitCode": 0, "Pid": 7 + len(self.asked)}
        return {"Id": name, "Name": f"/{name}", "Image": "sha256:1", "State": state}


def entry(name: str = "a", state: str = "running", status: str = "Up 5 seconds", **more: Any) -> dict[str, Any]:
    return {"Id": name, "Names": [f"/{name}"], "State": state, "Status": status, **more}


@pytest.fixture
def client() -> Client:
    found = Client()
    found.status["a"] = "running"
    return found


def test_one_that_runs_as_before_is_asked_about_every_fifteen_seconds(client: Client) -> None:
    now = [100.0]
    listed = ListedContainers(lambda: now[0])
    for second in range(60):
        now[0] = 100.0 + second
        mounts = [{"Source": "/a"}, {"Source": "/b"}][:: 1 if second % 2 else -1]  # Docker's order is a map's
        ports = [{"PublicPort": 1}, {"PublicPort": 2}][:: 1 if second % 3 else -1]
        facts = listed.facts(client, entry(status=f"Up {second} seconds", Mounts=mounts, Ports=ports))
        assert facts is not None
        assert facts.status == "running"
    assert client.asked == ["a"] * 4


@pytest.mark.parametrize(
    "changed", [{"state": "exited"}, {"state": "paused"}, {"Ports": [{"PublicPort": 8080}]}, {"Names": ["/b"]}]
)
def test_what_the_listing_shows_to_be_new_is_asked_about_at_once(client: Client, changed: dict[str, Any]) -> None:
    listed = ListedContainers(lambda: 100.0)
    listed.facts(client, entry())
    listed.facts(client, {**entry(), **entry(**changed)})
    assert client.asked == ["a", "a"]


def test_one_that_has_ended_is_not_asked_about_again_and_one_that_begins_always(client: Client) -> None:
    now = [100.0]
    listed = ListedContainers(lambda: now[0])
    client.status = {"a": "exited", "b": "created"}
    for _ in range(3):
        now[0] += 300.0
        listed.facts(client, entry("a", "exited", "Exited (0) 1 second ago"))
        listed.facts(client, entry("b", "created", "Created"))
    assert client.asked.count("a") == 1
    assert client.asked.count("b") == 3


def test_one_that_is_removed_meanwhile_is_left_out(client: Client) -> None:
    assert ListedContainers().facts(client, entry("gone")) is None


def test_what_no_listing_names_any_more_is_forgotten(client: Client) -> None:
    now = [100.0]
    listed = ListedContainers(lambda: now[0])
    client.status["a"] = "exited"
    listed.facts(client, entry("a", "exited"))
    now[0] += 601.0
    listed.forget_gone()
    listed.facts(client, entry("a", "exited"))
    assert client.asked == ["a", "a"]
