"""Endpoints that follow an alias: a new revision when it moves, none again of what was sent back."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.machine.records.event import RegistryChanged
from mlops_desk.serving.records.endpoint import Endpoint
from tests.end2end.endpoint_house import House, ask, open_house

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.registry.aliases["champion"] = "1"
        yield built


def until(house: House, is_so: Callable[[Endpoint], bool]) -> Endpoint:
    """Let the follower look until an endpoint is as wanted."""

    def looked() -> bool:
        house.service._follower.look()
        return is_so(house.service.show("front"))

    house.wait(looked)
    return house.service.show("front")


def waits(endpoint: Endpoint) -> str | None:
    told = endpoint.following and endpoint.following.waits_for
    return told.class_ if told else None


def test_when_the_alias_moves_what_it_names_takes_over_and_a_pinned_one_stays(house: House) -> None:
    for number in range(1, 5):
        house.replica(number)
    first = house.service.deploy("digits@champion", "front", follow="champion")
    house.service.deploy("digits@champion", "pinned")
    assert (first.follows, first.following and first.following.version, first.model.alias) == (
        "champion",
        "1",
        "champion",
    )
    house.registry.aliases["champion"] = "2"
    after = until(house, lambda found: found.model.version == "2" and found.state == "live")
    assert (after.follows, after.model.alias, after.revision) == ("champion", "champion", 2)
    assert until(house, lambda found: waits(found) is None).following.version == "2"
    assert (house.service.show("pinned").model.version, house.service.show("pinned").follows) == ("1", None)
    assert ask(after).status_code == 200
    assert house.service.deploy("digits/1", "front").follows is None, "deployed by hand, it is pinned"


def test_a_move_is_followed_as_soon_as_the_registry_tells_of_it(house: House) -> None:
    house.agent().start()
    house.replica(1)
    house.replica(2)
    house.service.deploy("digits", "front", follow="champion")
    house.registry.aliases["champion"] = "2"
    house.service._bus.publish(RegistryChanged.__new__(RegistryChanged))
    house.wait(lambda: house.service.show("front").model.version == "2")


def test_by_canary_it_begins_with_a_share_and_what_is_sent_back_is_not_tried_again(house: House) -> None:
    for number in range(1, 6):
        house.replica(number)
    house.service.deploy("digits@champion", "front", follow="champion", canary=10)
    house.registry.aliases["champion"] = "2"
    beside = until(house, lambda found: found.rollout is not None and waits(found) == "canary")
    assert (beside.model.version, beside.rollout and beside.rollout.percent) == ("1", 10.0)
    house.service.rollback("front")
    back = until(house, lambda found: waits(found) == "sent_back")
    assert (back.model.version, back.following and back.following.version) == ("1", "2")
    for _ in range(3):
        house.service._follower.look()
    assert len(house.service.show("front").revisions) == 2
    house.registry.aliases["champion"] = "1"
    until(house, lambda found: waits(found) is None)
    house.registry.aliases["champion"] = "2"
    again = until(house, lambda found: found.rollout is not None)
    assert len(again.revisions) == 3, "the alias has moved anew"


def test_what_cannot_be_deployed_and_an_alias_that_is_gone_are_told(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits@champion", "front", follow="champion")
    house.engine.build_error = "No matching distribution found"
    house.engine.remove_image(house.service.show("front").image)
    house.registry.aliases["champion"] = "2"
    failed = until(house, lambda found: waits(found) == "not_deployed")
    assert (failed.model.version, failed.state) == ("1", "live")
    for model in ("digits/1", "digits@other"):
        with pytest.raises(Invalid):
            house.service.deploy(model, "front", follow="champion")


def test_one_that_was_pinned_follows_from_now_on_and_is_pinned_again(house: House) -> None:
    house.agent().start()
    for number in range(1, 5):
        house.replica(number)
    house.service.deploy("digits/1", "front")
    house.registry.aliases["champion"] = "2"
    begun = house.service.follow("front", "champion", canary=10)
    assert (begun.follows, begun.following and begun.following.canary_percent) == ("champion", 10.0)
    house.wait(lambda: house.service.show("front").rollout is not None)
    beside = house.service.show("front")
    assert (beside.model.version, beside.revisions[-1].model.version) == ("1", "2")
    house.service.promote("front")
    pinned = house.service.pin("front")
    assert (pinned.model.version, pinned.follows, pinned.following) == ("2", None, None)
    house.registry.aliases["champion"] = "1"
    house.service._follower.look()
    assert house.service.show("front").model.version == "2"
    assert house.service.follow("front", "champion").following is not None
    house.wait(lambda: house.service.show("front").model.version == "1")


def test_what_cannot_be_followed_is_refused_and_leaves_it_as_it_is(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    with pytest.raises(Invalid, match="not an alias"):
        house.service.follow("front", "no alias")
    with pytest.raises(Invalid, match="100 % of the requests"):
        house.service.follow("front", "champion", canary=100)
    with pytest.raises(NotFound):
        house.service.follow("nowhere", "champion")
    assert house.service.show("front").follows is None
