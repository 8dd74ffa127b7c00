"""Endpoints with several replicas: all answer, one that dies is missed by nobody, they come and go under load."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.machine.records.event import EndpointChanged
from mlops_desk.serving import deploy_options
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import BODY, House, ask, bearer, open_house

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


def names(house: House, revision: int, *numbers: int) -> list[str]:
    return sorted(deploy_options.container_name(house.folder.instance, "front", revision, number) for number in numbers)


def ready(house: House, count: int) -> Endpoint:
    """Let the scaler look until so many replicas are ready, and no other is there."""

    def is_so() -> bool:
        house.service._scaler.look()
        found = house.service.show("front")
        return (found.ready, len(found.replicas)) == (count, count)

    house.wait(is_so)
    return house.service.show("front")


@contextmanager
def load(endpoint: Endpoint, callers: int = 4) -> Iterator[Counter[int]]:
    """Ask all the time; what was answered is counted by status."""
    answered: Counter[int] = Counter()
    ending = threading.Event()

    def call() -> None:
        with httpx.Client(trust_env=False, timeout=20, headers=bearer(endpoint)) as client:
            while not ending.is_set():
                answered[client.post(endpoint.url or "", json=BODY).status_code] += 1

    threads = [threading.Thread(target=call) for _ in range(callers)]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        ending.set()
        for thread in threads:
            thread.join()


def test_each_replica_has_a_container_and_a_door_of_its_own_and_all_answer(house: House) -> None:
    programs = [house.replica(number) for number in range(1, 4)]
    house.service.deploy("digits/1", "front", replicas=3)
    endpoint = ready(house, 3)
    assert (endpoint.state, endpoint.wanted, endpoint.scale.least, endpoint.scale.most) == ("live", 3, 3, 3)
    assert house.containers() == names(house, 1, 1, 2, 3)
    assert names(house, 1, 1)[0].endswith("-front-r1"), "as agents have called the only one"
    assert len({replica.address for replica in endpoint.replicas}) == 3
    before = [len(program.bodies) for program in programs]
    assert {ask(endpoint).status_code for _ in range(60)} == {200}
    counted = [len(program.bodies) - count for program, count in zip(programs, before, strict=True)]
    assert sum(counted) == 60
    assert min(counted) > 0


def test_one_that_dies_is_started_again_while_the_others_answer(house: House) -> None:
    for number in range(1, 4):
        house.replica(number)
    house.service.deploy("digits/1", "front", replicas=2)
    endpoint = ready(house, 2)
    with load(endpoint, 2) as answered:
        house.engine.stop(names(house, 1, 2)[0], 0)
        house.service._watch.look()
        down = house.service.show("front")
        assert (down.state, down.ready, down.wanted) == (EndpointState.LIVE, 1, 2)
        assert [replica.state for replica in down.replicas if replica.number == 2] == ["down"]
        assert down.reason is not None
        assert down.reason.class_ == "container_died"
        up = house.look_until(lambda found: found.ready == 2)
    assert up.reason is None
    assert "unhealthy" not in house.states()
    assert answered[200] > 5
    assert set(answered) <= {200, 502}, "what the dead one had under way breaks off, and nothing else"
    assert answered[502] <= 2


def test_it_is_unhealthy_when_none_answers_and_told_so_within_a_look(house: House) -> None:
    for number in range(1, 5):
        house.replica(number)
    house.service.deploy("digits/1", "front", replicas=2)
    ready(house, 2)
    for name in names(house, 1, 1, 2):
        house.engine.stop(name, 0)
    house.service._watch.look()
    assert [e.endpoint.state for e in house.events if isinstance(e, EndpointChanged)].count("unhealthy") > 0
    house.look_until(lambda found: (found.state, found.ready) == ("live", 2))


def test_replicas_come_and_go_under_load_and_no_request_fails(house: House) -> None:
    for number in range(1, 12):
        house.replica(number)
    house.service.deploy("digits/1", "front")
    endpoint = ready(house, 1)
    with load(endpoint) as answered:
        for count in (3, 1, 2, 1):
            assert house.service.scale("front", count).wanted == count
            ready(house, count)
            house.wait(lambda count=count: house.containers() == names(house, 1, *range(1, count + 1)))
    assert set(answered) == {200}
    assert answered[200] > 50


def test_a_new_revision_takes_over_with_as_many_as_the_one_before(house: House) -> None:
    for number in range(1, 8):
        house.replica(number, "old" if number < 3 else "new")
    house.service.deploy("digits/1", "front", replicas=2)
    endpoint = ready(house, 2)
    with load(endpoint) as answered:
        after = house.service.deploy("digits/2", "front")
    assert (after.revision, after.ready, after.wanted) == (2, 2, 2)
    assert set(answered) == {200}
    house.wait(lambda: house.containers() == names(house, 2, 1, 2))


def test_a_canary_has_as_many_as_its_share_needs_and_gets_the_rest_before_it_takes_over(house: House) -> None:
    for number in range(1, 12):
        house.replica(number)
    house.service.deploy("digits/1", "front", replicas=4)
    ready(house, 4)
    beside = house.service.deploy("digits/2", "front", canary=30)
    assert [replica.number for replica in beside.replicas if replica.revision == 2] == [1, 2]
    promoted = house.service.promote("front")
    assert (promoted.revision, promoted.ready, promoted.wanted) == (2, 4, 4)
    house.wait(lambda: house.containers() == names(house, 2, 1, 2, 3, 4))


def test_where_not_all_start_what_answers_goes_on_and_a_first_one_says_how_many_it_lacks(house: House) -> None:
    house.settings.set("serving.start_timeout_seconds", "5")
    house.replica(1)
    house.engine.programs[""] = lambda spec: (
        ScriptedProgram(1e9) if not spec.name.endswith("-2") else ScriptedProgram(0.0, ("no more memory",), exit_code=1)
    )
    house.service.deploy("digits/1", "front", replicas=2)
    house.service._scaler.look()
    house.wait(lambda: house.service.show("front").shortage is not None)
    short = house.service.show("front")
    assert (short.state, short.ready, short.wanted, short.reason) == ("live", 1, 2, None)
    assert short.shortage is not None
    assert short.shortage.class_ == "container_died"
    for number in range(2, 9):
        house.replica(number)
    failed = house.service.deploy("digits/2", "front")
    assert (failed.revision, failed.state, failed.reason and failed.reason.class_) == (1, "live", "container_died")
    assert house.containers() == names(house, 1, 1), "nothing of the new one is left"
    house.engine.programs[""] = ScriptedProgram(1e9)
    house.service.scale("front", 2)
    assert ready(house, 2).shortage is None


def test_the_next_agent_adopts_all_and_makes_a_lost_record_again(house: House) -> None:
    for number in range(1, 4):
        house.replica(number)
    house.service.deploy("digits/1", "front", replicas=3)
    before = ready(house, 3)
    agent = house.agent()
    agent._watch.look()
    assert agent.show("front").replicas == before.replicas
    agent._board._table.remove("front")
    made = len(house.started)
    agent = house.agent()
    house.look_until_there("front")
    again = house.look_until(lambda found: found.ready == 3)
    assert (again.state, again.wanted, again.scale.least) == ("live", 3, 3)
    assert len(house.started) == made, "none was started anew"
    assert house.containers() == names(house, 1, 1, 2, 3)


def test_a_stop_ends_them_all_also_one_that_only_starts(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    house.service.scale("front", 3)
    house.wait(lambda: len(house.containers()) == 3)
    house.service.stop("front")
    house.wait(lambda: house.containers() == [])
    assert (house.service.show("front").state, house.service.show("front").replicas) == ("stopped", ())


def test_numbers_that_make_no_sense_change_nothing(house: House) -> None:
    house.replica(1)
    house.service.deploy("digits/1", "front")
    for given in ({"replicas": 0}, {"replicas": 65}, {"least": 3, "most": 2}, {"replicas": 2, "most": 3}):
        with pytest.raises(Invalid):
            house.service.scale("front", **given)
    assert house.service.show("front").scale.most == 1
    grown = house.service.scale("front", most=4)
    assert (grown.scale.least, grown.scale.most, grown.wanted) == (1, 4, 1)
