"""Endpoints: a version goes live and answers, the next is promoted and sent back, and the gateway outlives its crowd."""

import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import EndpointState
from tests import floods
from tests.end2end.endpoint_house import House, ask, open_house, told, words
from tests.end2end.gateway_door import LATE_SECONDS, RIGHT, Crowd, beset, eventually_closed

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


@pytest.fixture
def crowd(tmp_path: Path) -> Iterator[Crowd]:
    with beset(tmp_path) as built:
        yield built


def test_a_version_goes_live_the_next_is_promoted_and_a_rollback_brings_the_one_before_back(
    house: House, tmp_path: Path
) -> None:
    house.replica(1, "cat")
    endpoint = house.service.deploy("digits@champion", "front")
    assert endpoint.state is EndpointState.LIVE, endpoint
    assert (endpoint.revision, endpoint.traffic) == (1, {"1": 1.0})
    assert (endpoint.model.name, endpoint.model.version, endpoint.model.alias) == ("digits", "3", "champion")
    assert endpoint.replicas[0].address == f"unix:{house.folder.endpoints}/front/revisions/1/model.sock"
    assert house.states() == ["building", "starting", "live"]
    for path in ("", "/invocations"):
        assert ask(endpoint, path).json() == {"predictions": ["cat", "cat"]}
    target = tmp_path / "window.parquet"
    assert house.service.request_window("front", 3, target).rows == 3
    with duckdb.connect(":memory:") as connection:
        assert set(connection.execute(f"SELECT * FROM '{target}'").fetchall()) == {(1.5, "Bonn"), (2.0, "Ulm")}

    house.replica(2, "new")
    beside = house.service.deploy("digits/2", "front", canary=10)
    assert told(beside) == [(1, "live", 90.0), (2, "canary", 10.0)]
    promoted = house.service.promote("front")
    assert (promoted.revision, promoted.model.version, promoted.rollout) == (2, "2", None)
    assert words(promoted, 20) == {"new": 20}
    house.wait(lambda: told(house.service.show("front")) == [(1, "retired", 0.0), (2, "live", 100.0)])
    house.wait(lambda: house.containers() == [deploy_options.container_name(house.folder.instance, "front", 2)])
    house.replica(3, "cat")
    back = house.service.rollback("front")
    assert (back.revision, back.model.version, back.reason) == (1, "3", None)
    assert words(back, 20) == {"cat": 20}
    assert house.registry.downloads == 2
    house.wait(lambda: told(house.service.show("front")) == [(1, "live", 100.0), (2, "rolled_back", 0.0)])


def test_every_kind_of_hostile_connection_is_ended_and_no_descriptor_stays(crowd: Crowd) -> None:
    before = crowd.descriptors()
    for kind in floods.KINDS:
        crowd.flood(kind.__name__, 12)
        assert crowd.innocent_answers(1) == RIGHT[:1], kind.__name__
    late = [made for made in crowd.held if made.fileno() >= 0]
    assert eventually_closed(late, LATE_SECONDS)
    deadline = time.monotonic() + 240
    while crowd.descriptors() > before + 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert crowd.descriptors() <= before + 2
    assert crowd.innocent_answers() == RIGHT
