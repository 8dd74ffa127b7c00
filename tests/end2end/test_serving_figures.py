"""What is told of an endpoint's last minute and day, and what the history keeps of it, with a real gateway."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.machine.records.history import SeriesName
from mlops_desk.serving.gateway.process_control import Gatekeeper
from mlops_desk.serving.gateway.traffic import Snapshot
from mlops_desk.serving.meters import EndpointPast
from mlops_desk.serving.processor import features
from tests.end2end.endpoint_house import BODY, House, ask, open_house

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


def test_show_tells_of_latency_errors_revisions_and_an_example(house: House) -> None:
    replica = house.replica(1)
    endpoint = house.service.deploy("digits@champion", "front")
    house.service._switchboard.poll()
    for status in (200, 200, 404, 500):
        replica.status = status
        ask(endpoint)
    house.service._switchboard.poll()
    told = json.loads(wire.dumps(house.service.show("front")))
    assert told["errors"] == {"4xx": 1, "5xx": 1}
    assert set(told["latency"]) == {"p50", "p95", "p99"}
    assert 0 < told["latency"]["p50"] <= told["latency"]["p99"] < 10
    assert told["example"] == BODY
    (revision,) = told["revisions"]
    assert (revision["revision"], revision["state"], revision["traffic"]) == (1, "live", 100.0)
    assert revision["runtime"] == "build"
    assert revision["model"]["version"] == "3"
    assert revision["created"] > 1_700_000_000
    listed = house.service.list()[0]
    assert (listed.example, listed.latency, listed.errors) == (None, *_figures(house))


def _figures(house: House) -> tuple[object, object]:
    found = house.service.show("front")
    return found.latency, found.errors


def test_before_anybody_asked_nothing_is_known_of_latency_and_errors(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    told = json.loads(wire.dumps(house.service.show("front")))
    assert (told["latency"], told["errors"]) == ({"p50": None, "p95": None, "p99": None}, None)


def test_what_was_counted_is_no_part_of_what_is_stored(house: House) -> None:
    replica = house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    house.service._switchboard.poll()
    replica.status = 500
    ask(endpoint)
    house.service._switchboard.poll()
    assert house.service.show("front").errors == {"5xx": 1}
    house.service.stop("front")
    assert [(one.errors, one.processor) for one in house.states_open[-1].endpoints.list()] == [(None, ())]
    assert house.service.show("front").processor == features()


def test_the_series_go_on_after_the_gateway_was_replaced_without_a_spike(house: House) -> None:
    points: dict[tuple[str, str], list[float]] = {}

    def record(series: SeriesName, found) -> None:
        points.setdefault((series.key, series.metric), []).extend(value for _, value in found)

    house.past = EndpointPast(record)
    house.agent()
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    clock = _Clock(house)
    clock.look(0)
    for _ in range(40):
        ask(endpoint)
    clock.look(2, 8, 12)
    Gatekeeper(house.folder.endpoints / "_gateway").stop()
    clock.look(14)  # it is started again
    for _ in range(3):
        ask(endpoint)
    clock.look(16, 22, 32)
    assert points["front", "endpoint.requests"][0] * 10 == pytest.approx(40, rel=0.5)
    assert max(points["front", "endpoint.requests"]) == points["front", "endpoint.requests"][0]
    assert points["front", "endpoint.requests"] == points["front/1", "endpoint.requests"]
    assert all(value >= 0 for found in points.values() for value in found)


class _Clock:
    """Reads the counters at seconds of the test's own choice."""

    def __init__(self, house: House) -> None:
        self._house = house

    def look(self, *seconds: float) -> None:
        gatekeeper = self._house.service._switchboard.gatekeeper
        for second in seconds:
            stats = gatekeeper.stats()
            if stats is None:
                self._house.service._switchboard.poll()
                continue
            moved = {name: _at(one, second) for name, one in stats.endpoints.items()}
            revisions = {
                name: {n: _at(one, second) for n, one in kept.items()} for name, kept in stats.revisions.items()
            }
            told = replace(stats, at=1000.0 + second, endpoints=moved, revisions=revisions)
            self._house.service._meters.take(told, self._house.service.list(), 1_794_999_600.0 + second)


def _at(snapshot: Snapshot, second: float) -> Snapshot:
    return replace(snapshot, at=1000.0 + second)


def test_the_output_of_a_replica_that_is_not_there_is_refused_by_name(house: House) -> None:
    house.replica(1)
    endpoint = house.service.deploy("digits", "front")
    container = endpoint.replicas[0].container
    assert list(house.service.logs("front", replica=container)) == list(house.service.logs("front"))
    with pytest.raises(NotFound, match="has no replica nobody") as caught:
        house.service.logs("front", replica="nobody")
    assert container in str(caught.value.hint)
