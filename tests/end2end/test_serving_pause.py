"""An endpoint that is paused turns callers away, keeps its containers, and stays so whoever starts anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid, Refused
from tests.end2end.endpoint_house import House, ask, open_house

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.agent().start()
        built.replica(1, "cat")
        built.service.deploy("digits/1", "front")
        yield built


def test_callers_are_told_why_and_when_to_ask_again_and_its_containers_stay(house: House) -> None:
    before = house.containers()
    paused = house.service.pause("front", "the features are wrong")
    assert paused.paused is not None
    assert (paused.state, paused.ready, paused.paused.text) == ("live", 1, "the features are wrong")
    said = ask(paused)
    assert (said.status_code, said.headers["retry-after"]) == (503, "30")
    assert said.json() == {"error": "Endpoint front is paused: the features are wrong"}
    assert house.containers() == before
    assert house.service.pause("front").paused == paused.paused, "twice is no other pause"
    assert house.service.try_("front").status == 200, "its owner can look"
    assert house.service.resume("front").paused is None
    assert ask(house.service.show("front")).status_code == 200
    with pytest.raises(Refused, match="is not paused"):
        house.service.resume("front")


def test_it_stays_paused_over_the_next_agent_and_the_next_gateway(house: House) -> None:
    house.service.pause("front")
    house.service.end_gateway()
    house.agent().start()
    gatekeeper = house.service._switchboard.gatekeeper
    house.wait(lambda: gatekeeper.state is not None and gatekeeper.is_in_force)
    endpoint = house.service.show("front")
    assert endpoint.paused is not None
    said = ask(endpoint)
    assert (said.status_code, said.json()) == (503, {"error": "Endpoint front is paused."})
    house.replica(2)
    made = house.service.deploy("digits/2", "front")
    assert (made.revision, made.paused is not None) == (2, True), "a new revision is no reason to answer"
    assert ask(made).status_code == 503
    assert ask(house.service.resume("front")).status_code == 200


def test_what_is_stopped_is_not_paused_and_answers_once_it_is_deployed_anew(house: House) -> None:
    house.service.pause("front")
    assert house.service.stop("front").paused is None
    with pytest.raises(Refused, match="is stopped: it answers nobody"):
        house.service.pause("front")
    for why in ("two\nlines", "x" * 301):
        with pytest.raises(Invalid, match="one line"):
            house.service.pause("front", why)
