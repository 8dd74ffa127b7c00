"""Endpoints that sleep when nobody asks, wake with the next request, and grow and shrink with what waits."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import Endpoint
from tests.end2end.endpoint_house import BODY, House, ask, bearer, open_house

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        built.agent().start()
        yield built


def fall_asleep(house: House) -> Endpoint:
    """Let so much time pass that an endpoint sleeps."""
    demand = house.service._switchboard.hearers[0].__self__

    def sleeps() -> bool:
        for seen in demand._idleness._seen.values():
            seen.since -= 100
        house.service._switchboard.poll()
        return house.service.show("front").state == "asleep"

    house.wait(sleeps)
    house.wait(lambda: house.containers() == [])
    return house.service.show("front")


def test_one_that_nobody_asks_sleeps_and_the_next_request_wakes_it(house: House) -> None:
    house.replica(1, "cat")
    live = house.service.deploy("digits/1", "front", sleep_after=60.0)
    assert live.scale.sleep_after_seconds == 60.0
    asleep = fall_asleep(house)
    assert (asleep.ready, asleep.replicas, asleep.reason and asleep.reason.class_) == (0, (), "idle")
    assert asleep.asleep_since is not None
    assert [one.is_kept for one in asleep.revisions] == [True]
    house.replica(2, "cat")
    answer = ask(asleep)
    assert (answer.status_code, answer.json()["predictions"]) == (200, ["cat", "cat"])
    house.wait(lambda: house.service.show("front").state == "live")
    awake = house.service.show("front")
    assert (awake.revision, awake.ready, awake.reason, awake.asleep_since) == (1, 1, None, None)
    assert house.registry.downloads == 1, "from the files that are kept"
    assert "failed" not in house.states()


def test_many_requests_wake_it_once_and_all_are_answered(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", sleep_after=60.0)
    asleep = fall_asleep(house)
    house.replica(2)
    found: list[int] = []
    callers = [threading.Thread(target=lambda: found.append(ask(asleep).status_code)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert found == [200] * 8
    assert len(house.started) == 2


def test_one_that_does_not_wake_in_time_says_so_and_why(house: House) -> None:
    house.settings.set("serving.wake_seconds", "1")
    house.replica(1)
    house.service.deploy("digits/1", "front", sleep_after=60.0)
    asleep = fall_asleep(house)
    late = ask(asleep)
    assert (late.status_code, "retry-after" in late.headers) == (503, True)
    assert "front is" in late.text
    house.replica(2)
    assert house.answer()["predictions"] == ["yes", "yes"]


def test_one_that_cannot_start_any_more_is_failed_and_says_why(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", sleep_after=60.0)
    asleep = fall_asleep(house)
    house.engine.programs[""] = ScriptedProgram(0.0, ("no such module",), exit_code=1)
    answer = ask(asleep)
    assert answer.status_code == 503
    house.wait(lambda: house.service.show("front").state == "failed")
    failed = house.service.show("front")
    assert failed.reason is not None
    assert (failed.reason.class_, failed.asleep_since) == ("container_died", None)


def test_the_next_agent_wakes_what_an_earlier_one_let_sleep_also_one_that_waits_already(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", sleep_after=60.0)
    asleep = fall_asleep(house)
    house.loops[-1].stop()
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(ask(asleep).status_code))
    caller.start()
    house.replica(2)
    time.sleep(0.3)  # it waits while no agent is there
    house.agent().start()
    caller.join()
    assert answers == [200]


def test_it_is_woken_by_hand_stopped_and_deployed_anew_from_its_sleep(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front", sleep_after=60.0)
    fall_asleep(house)
    house.replica(2)
    assert house.service.wake("front").state == "live"
    assert house.service.wake("front").state == "live", "nothing to do"
    fall_asleep(house)
    house.engine.add_image("python:3.13-slim")
    house.settings.set("serving.base_image", "python:3.13-slim")  # else the image of version 1 serves as it is
    house.engine.build_error = "no such package"
    failed = house.service.deploy("digits/2", "front", runtime="build")
    assert (failed.state, failed.revision) == ("asleep", 1)
    assert failed.reason is not None
    assert failed.reason.class_ == "build_failed", failed.reason
    assert len(house.started) == 2, "nothing of it was started"
    house.engine.build_error = None
    house.replica(3)
    woken = house.service.wake("front")
    assert (woken.state, woken.revision) == ("live", 1), "the one before can be woken as ever"
    assert house.registry.downloads == 2, "from the files that are kept"
    fall_asleep(house)
    house.replica(4, "new")
    fresh = house.service.deploy("digits/2", "front")
    assert (fresh.state, fresh.revision, fresh.asleep_since) == ("live", 3, None), fresh.reason
    fall_asleep(house)
    stopped = house.service.stop("front")
    assert (stopped.state, stopped.asleep_since) == ("stopped", None)
    assert ask(stopped).status_code == 503
    with pytest.raises(Invalid):
        house.service.deploy("digits/1", "front", sleep_after=1.0)


def test_a_request_that_comes_while_it_falls_asleep_keeps_it_awake(house: House) -> None:
    program = house.replica(1)
    live = house.service.deploy("digits/1", "front", sleep_after=60.0)
    program.wait_seconds = 1.5
    answers: list[int] = []
    caller = threading.Thread(target=lambda: answers.append(ask(live).status_code))
    caller.start()
    house.wait(lambda: house.service._switchboard.is_answering(live.replicas))
    house.service._sleeper.sleep("front", Reason("idle", "Nobody asks."))
    assert house.service.show("front").state == "asleep"
    program.wait_seconds = 0.0
    assert ask(live).status_code == 200
    caller.join()
    assert answers == [200]
    assert (house.service.show("front").state, len(house.started)) == ("live", 1)


def test_replicas_come_when_requests_wait_and_go_when_they_do_not(house: House) -> None:
    house.settings.set("serving.scale_queue", "1")
    house.settings.set("serving.scale_up_seconds", "1")
    house.settings.set("serving.scale_down_seconds", "1")
    programs = [house.replica(number) for number in range(1, 9)]
    house.service.deploy("digits/1", "front")
    grown = house.service.scale("front", least=1, most=3)
    assert grown.wanted == 1
    for program in programs:
        program.wait_seconds = 0.3
    ending, failed = threading.Event(), []

    def call() -> None:
        with httpx.Client(trust_env=False, timeout=20, headers=bearer(grown)) as client:
            while not ending.is_set():
                if (status := client.post(grown.url or "", json=BODY).status_code) != 200:
                    failed.append(status)

    callers = [threading.Thread(target=call) for _ in range(6)]
    for caller in callers:
        caller.start()
    try:
        house.wait(lambda: house.service.show("front").ready == 3)
    finally:
        ending.set()
        for caller in callers:
            caller.join()
    house.wait(lambda: (house.service.show("front").wanted, len(house.containers())) == (1, 1))
    assert failed == []
    assert house.containers() == [deploy_options.container_name(house.folder.instance, "front", 1)]


def test_one_that_sleeps_after_a_rollback_keeps_what_it_wakes_from(house: House) -> None:
    for number in range(1, 9):
        house.replica(number)
    for version in range(1, 6):
        house.service.deploy(f"digits/{version}", "front", sleep_after=60.0)
    house.wait(lambda: [one.is_kept for one in house.service.show("front").revisions] == [False, *[True] * 4])
    house.service.promote("front", 2)
    fall_asleep(house)
    house.wait(lambda: house.service.show("front").replicas == ())
    with house.service._stages._moving:  # what is no longer needed goes in one act with the last replica
        asleep = house.service.show("front")
    assert (asleep.revision, asleep.revisions[1].is_kept) == (2, True)
    assert ask(asleep).status_code == 200


def test_it_is_put_to_sleep_by_hand_and_told_to_sleep_later_than_before(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    asleep = house.service.sleep("front")
    assert (asleep.state, asleep.reason and asleep.reason.class_) == ("asleep", "put_to_sleep")
    house.wait(lambda: house.containers() == [])
    with pytest.raises(Refused, match="it is asleep"):
        house.service.sleep("front")
    house.replica(2)
    assert ask(asleep).status_code == 200, "the next request wakes it"
    house.wait(lambda: house.service.show("front").state == "live")
    assert house.service.scale("front", sleep_after=60.0).scale.sleep_after_seconds == 60.0
    assert house.service.scale("front", most=1).scale.sleep_after_seconds == 60.0, "what is not named stays"
    fall_asleep(house)
    assert house.service.scale("front", sleep_after=0.0).scale.sleep_after_seconds is None
