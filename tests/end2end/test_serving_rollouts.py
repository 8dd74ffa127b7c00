"""A new revision beside the live one: as a canary, as a shadow, promoted, sent back, and back again."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import BODY, House, ask, bearer, canary_beside, open_house, told, words

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


@pytest.fixture
def beside(house: House) -> Endpoint:
    return canary_beside(house)


def test_a_canary_gets_its_share_and_the_live_one_goes_on(beside: Endpoint) -> None:
    assert (beside.state, beside.revision, beside.model.version) == (EndpointState.LIVE, 1, "1")
    assert told(beside) == [(1, "live", 90.0), (2, "canary", 10.0)]
    assert beside.rollout is not None
    assert (beside.rollout.percent, beside.rollout.steps) == (10, (25.0, 50.0, 100.0))
    found = words(beside, 400)
    assert 15 <= found["new"] <= 75  # binomial, 400 of a tenth: five standard deviations


def test_a_canary_is_sent_back_by_hand_and_its_container_ends(house: House, beside: Endpoint) -> None:
    back = house.service.rollback("front")
    assert (back.revision, back.rollout, back.traffic) == (1, None, {"1": 1.0})
    assert back.reason is not None
    assert back.reason.class_ == "sent_back"
    assert words(beside, 20) == {"old": 20}
    house.wait(lambda: told(house.service.show("front")) == [(1, "live", 100.0), (2, "rolled_back", 0.0)])
    house.wait(lambda: house.containers() == [deploy_options.container_name(house.folder.instance, "front", 1)])
    with pytest.raises(Refused, match="no revision to go back to"):
        house.service.rollback("front")
    with pytest.raises(Refused, match="is not kept"):
        house.service.promote("front", 2)


def test_a_canary_whose_container_dies_goes_back_at_once_and_the_live_one_never_notices(
    house: House, beside: Endpoint
) -> None:
    house.engine.stop(deploy_options.container_name(house.folder.instance, "front", 2), 0)
    house.service._watch.look()
    endpoint = house.service.show("front")
    assert (endpoint.state, endpoint.revision, endpoint.rollout) == (EndpointState.LIVE, 1, None)
    assert endpoint.reason is not None
    assert endpoint.reason.class_ == "container_died"
    assert [one.reason and one.reason.class_ for one in endpoint.revisions] == [None, "container_died"]
    assert words(endpoint, 10) == {"old": 10}
    notices = [event.text for event in house.events if isinstance(event, Notice)]
    assert any("Revision 2 of endpoint front went back" in text for text in notices)


def end_all(house: House) -> None:
    """End all containers at once, as a machine or an engine does that is started anew."""
    for name in house.containers():
        house.engine.stop(name, 0)


def test_a_canary_that_ended_with_the_machine_is_started_again_and_keeps_its_share(
    house: House, beside: Endpoint
) -> None:
    end_all(house)
    house.replica(3, "old", revision=1)
    house.replica(3, "new", revision=2)
    house.agent()
    endpoint = house.look_until(
        lambda found: len(house.started) == 4 and {one.state for one in found.replicas} == {"running"}
    )
    assert told(endpoint) == [(1, "live", 90.0), (2, "canary", 10.0)]
    assert (endpoint.reason, endpoint.rollout) == (None, beside.rollout)
    house.wait(lambda: house.answer() is not None)
    house.wait(lambda: house.looked() and set(words(endpoint, 100)) == {"old", "new"})  # the table goes on by a look
    house.engine.stop(deploy_options.container_name(house.folder.instance, "front", 2), 0)
    house.service._watch.look()
    assert house.service.show("front").rollout is None, "this time it alone has ended"


def test_a_canary_that_does_not_come_up_again_goes_back_for_that(house: House, beside: Endpoint) -> None:
    end_all(house)
    house.replica(3, "old")
    house.replica(4, "old")
    house.engine.programs[""] = lambda spec: (
        ScriptedProgram(0.0, ("no such module",), exit_code=1) if "-r2" in spec.name else ScriptedProgram(1e9)
    )
    house.look_until(lambda found: found.rollout is None and found.ready == 1)
    endpoint = house.service.show("front")
    assert [one.reason and one.reason.class_ for one in endpoint.revisions] == [None, "container_died"]
    assert "no such module" in (endpoint.revisions[1].reason.evidence or "")
    house.wait(lambda: told(house.service.show("front")) == [(1, "live", 100.0), (2, "rolled_back", 0.0)])


def test_a_canary_that_an_agent_has_seen_down_with_all_is_started_by_the_next(house: House, beside: Endpoint) -> None:
    """The live one is up again already: that agent died between the two."""
    canary = deploy_options.container_name(house.folder.instance, "front", 2)
    house.engine.stop(canary, 0)

    def seen(known: Endpoint) -> Endpoint:
        return replace(known, replicas=tuple(
            replace(one, state="down", address=None) if one.container == canary else one for one in known.replicas
        ))  # fmt: skip

    house.service._board.change("front", seen)
    house.replica(3, "new")
    house.agent()
    endpoint = house.look_until(
        lambda found: len(house.started) == 3 and {one.state for one in found.replicas} == {"running"}
    )
    assert told(endpoint) == [(1, "live", 90.0), (2, "canary", 10.0)]


def test_shares_are_set_by_hand_and_hold(house: House, beside: Endpoint) -> None:
    halves = house.service.split("front", ["1=50", "2=50"])
    assert halves.traffic == {"1": 0.5, "2": 0.5}
    assert halves.rollout is not None
    assert (halves.rollout.percent, halves.rollout.is_held) == (50.0, True)
    found = words(halves)
    assert min(found.values()) >= 50
    for shares, problem in (
        (["1=50"], "50 % together"),
        (["1=50", "3=50"], None),
        (["1=half", "2=50"], "no share"),
        (["1=50", "1=50"], "two shares"),
        ([], "between 0 and 100"),
        (["1=200", "2=-100"], "no share"),
    ):
        with pytest.raises((Invalid, Refused), match=problem):
            house.service.split("front", shares)
    assert house.service.show("front").traffic == {"1": 0.5, "2": 0.5}


def test_a_shadow_answers_nobody_and_gets_copies(house: House) -> None:
    house.replica(1, "old")
    shadow = house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    endpoint = house.service.deploy("digits/2", "front", shadow=True)
    assert told(endpoint) == [(1, "live", 100.0), (2, "shadow", 0.0)]
    before = len(shadow.bodies)
    assert words(endpoint, 20) == {"old": 20}
    house.wait(lambda: len(shadow.bodies) - before == 20)
    house.service._switchboard.poll()
    shown = house.service.show("front")
    assert shown.load is not None
    assert shown.shadow_load is not None
    assert (shown.load.requests_total, shown.shadow_load.requests_total) == (20, 20)
    assert house.service.promote("front").revision == 2


def test_a_first_revision_takes_over_whatever_it_was_to_be(house: House) -> None:
    house.replica(1, "only")
    endpoint = house.service.deploy("digits/1", "front", canary=10)
    assert (endpoint.state, endpoint.revision, endpoint.traffic, endpoint.rollout) == ("live", 1, {"1": 1.0}, None)


def test_the_next_canary_takes_the_place_of_the_one_before(house: House, beside: Endpoint) -> None:
    house.replica(3, "newer")
    endpoint = house.service.deploy("digits/3", "front", canary=20)
    assert endpoint.rollout is not None
    assert (endpoint.revision, endpoint.rollout.revision) == (1, 3)
    house.wait(
        lambda: told(house.service.show("front")) == [(1, "live", 80.0), (2, "retired", 0.0), (3, "canary", 20.0)]
    )


def test_the_next_agent_goes_on_with_a_canary(house: House, beside: Endpoint) -> None:
    agent = house.agent()
    agent.start()
    endpoint = agent.show("front")
    assert told(endpoint) == [(1, "live", 90.0), (2, "canary", 10.0)]
    assert agent.promote("front").revision == 2
    assert words(agent.show("front"), 20) == {"new": 20}


@pytest.mark.parametrize("replicas", [1, 2])
def test_twenty_promotions_and_rollbacks_under_load_lose_no_request(house: House, replicas: int) -> None:
    for number in range(1, 22 * replicas + 22):
        house.replica(number)
    endpoint = house.service.deploy("digits/1", "front", replicas=replicas)
    house.service._scaler.look()
    house.wait(lambda: house.service.show("front").ready == replicas)
    failed: list[Any] = []
    took: list[float] = []
    answered = [0]
    ending = threading.Event()

    def call() -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            while not ending.is_set():
                answer = client.post(endpoint.url or "", json=BODY, headers=bearer(endpoint))
                answered[0] += 1
                if answer.status_code != 200:
                    failed.append((answer.status_code, answer.text))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    try:
        house.service.deploy("digits/2", "front")
        for _ in range(10):
            began = time.monotonic()
            assert house.service.rollback("front").revision == 1
            took.append(time.monotonic() - began)
            assert house.service.promote("front", 2).revision == 2
            took.append(time.monotonic() - began - took[-1])
            assert house.service.show("front").ready == replicas
    finally:
        ending.set()
        for caller in callers:
            caller.join()
    print(f"{len(took)} moves, the slowest {max(took):.2f} s; {answered[0]} requests, {len(failed)} failed")
    assert failed == []
    assert answered[0] > 100


def test_a_request_under_way_is_answered_by_the_revision_it_went_to_which_can_come_back_meanwhile(
    house: House,
) -> None:
    old = house.replica(1, "old")
    house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    beside = house.service.deploy("digits/2", "front", canary=10)
    house.service.split("front", ["1=100", "2=0"])
    old.wait_seconds = 1.5
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(ask(beside)))
    caller.start()
    house.wait(lambda: house.service._switchboard.is_answering(house.service.show("front").replicas[:1]))
    house.service.promote("front")
    draining = house.service.show("front")
    assert [replica.state for replica in draining.replicas if replica.revision == 1] == ["draining"]
    assert house.service.rollback("front").revision == 1
    caller.join()
    assert [answer.status_code for answer in answers] == [200]
    assert len(house.engine.containers({deploy_options.LABEL_ENDPOINT: ""})) <= 2
    house.wait(lambda: told(house.service.show("front")) == [(1, "live", 100.0), (2, "rolled_back", 0.0)])


def test_a_canary_that_fails_goes_back_by_itself_and_says_why(house: House) -> None:
    house.replica(1, "old")
    bad = house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    endpoint = house.service.deploy("digits/2", "front", canary=50)
    house.service._switchboard.poll()
    bad.status = 500
    assert endpoint.url is not None
    with httpx.Client(trust_env=False, timeout=60) as client:
        for _ in range(100):
            client.post(endpoint.url, json=BODY, headers=bearer(endpoint))
    house.service._switchboard.poll()
    back = house.service.show("front")
    assert (back.revision, back.rollout, back.traffic) == (1, None, {"1": 1.0})
    assert [(one.state, one.reason and one.reason.class_) for one in back.revisions][1] in {
        ("draining", "canary_errors"), ("rolled_back", "canary_errors"),
    }  # fmt: skip
    assert words(back, 20) == {"old": 20}


def test_a_canary_that_answers_well_takes_over_by_itself(house: House) -> None:
    house.settings.set("serving.canary_bake_seconds", "1")
    house.settings.set("serving.canary_requests", "20")
    house.replica(1, "old")
    house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    endpoint = house.service.deploy("digits/2", "front", canary=25)

    def goes_on() -> bool:
        words(endpoint, 100)
        house.service._switchboard.poll()
        return house.service.show("front").revision == 2

    house.wait(goes_on)
    shown = [event.text for event in house.events if isinstance(event, Notice)]
    assert "Revision 2 of endpoint front gets 50 % of the requests." in shown
    assert "Endpoint front answers by revision 2." in shown


def test_the_next_agent_ends_what_an_earlier_one_was_draining(house: House) -> None:
    old = house.replica(1, "old")
    house.replica(2, "new")
    endpoint = house.service.deploy("digits/1", "front")
    old.wait_seconds = 2.0
    answers: list[httpx.Response] = []
    caller = threading.Thread(target=lambda: answers.append(ask(endpoint)))
    caller.start()
    house.wait(lambda: house.service._switchboard.is_answering(house.service.show("front").replicas[:1]))
    house.service.deploy("digits/2", "front")
    agent = house.agent()
    assert [replica.state for replica in agent.show("front").replicas] == ["running", "draining"]
    agent.start()
    house.wait(lambda: house.containers() == [deploy_options.container_name(house.folder.instance, "front", 2)])
    caller.join()
    assert [answer.status_code for answer in answers] == [200]
    house.wait(lambda: told(agent.show("front")) == [(1, "retired", 0.0), (2, "live", 100.0)])


def test_a_revision_whose_container_is_still_being_ended_comes_back_when_that_is_gone(house: House) -> None:
    house.replica(1, "old")
    house.replica(2, "new")
    house.service.deploy("digits/1", "front")
    first, ending, stop = house.containers()[0], threading.Event(), house.engine.stop

    def slowly(name: str, grace_seconds: int) -> None:
        if name == first:
            ending.wait(20)
        stop(name, grace_seconds)

    house.engine.stop = slowly
    house.service.deploy("digits/2", "front")
    house.wait(lambda: first in house.service._stages._ending)
    caller = threading.Thread(target=lambda: house.service.promote("front", 1))
    caller.start()
    house.wait(lambda: house.service.show("front").state == "starting")
    assert not ending.wait(0.5)
    assert len(house.started) == 2, "the one of its name is there still"
    house.replica(3, "old")
    ending.set()
    caller.join()
    assert house.service.show("front").revision == 1
    assert words(house.service.show("front"), 10) == {"old": 10}


def test_words_that_make_no_sense_begin_nothing(house: House) -> None:
    for given in ({"canary": 0}, {"canary": 100}, {"canary": -5}, {"shadow": True, "canary": 5}):
        with pytest.raises(Invalid):
            house.service.deploy("digits/1", "front", **given)
    assert house.service.list() == []
    house.replica(1)
    house.service.deploy("digits/1", "front")
    with pytest.raises(Refused, match="on its way"):
        house.service.promote("front")
    assert ask(house.service.show("front")).status_code == 200
