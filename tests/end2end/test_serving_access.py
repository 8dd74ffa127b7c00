"""Who gets an answer from an endpoint: whoever has one of its tokens, told once; everybody where it was opened."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Refused, TimedOut
from mlops_desk.machine.records.event import EndpointChanged
from mlops_desk.serving.records.endpoint import Endpoint
from tests.end2end.endpoint_house import BODY, House, open_house
from tests.permission import ask_as

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


def post(endpoint: Endpoint, token: str | None = None) -> httpx.Response:
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    with httpx.Client(trust_env=False, timeout=60) as client:
        return client.post(endpoint.url or "", json=BODY, headers=headers)


def test_the_first_deployment_tells_a_token_once_and_nothing_answers_without_it(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits@champion", "front")
    assert made.token is not None
    assert made.token_required
    refused = post(made)
    assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Bearer")
    assert "mlops-desk endpoints token" in refused.text
    assert made.token not in refused.text
    assert post(made, made.token).status_code == 200
    for path in ("/ping", "/metrics"):
        assert httpx.get(f"{made.url}{path}", trust_env=False).status_code == 401
    assert httpx.post(f"{made.url}/feedback", json=[], trust_env=False).status_code == 401
    told = [wire.dumps(event) for event in house.events if isinstance(event, EndpointChanged)]
    told += [wire.dumps(house.service.show("front")), wire.dumps(house.service.list())]
    written = b"".join(path.read_bytes() for path in house.folder.root.rglob("*") if path.is_file())
    assert made.token not in "".join(told)
    assert made.token.encode() not in written, "it lies nowhere, not in the database, the table or a log"


def test_a_new_revision_keeps_the_tokens_and_tells_none(house: House) -> None:
    house.replica(1)
    first = house.service.deploy("digits/2", "front")
    house.replica(2)
    second = house.service.deploy("digits/3", "front")
    assert (second.token, second.token_required) == (None, True)
    assert post(second, first.token).status_code == 200
    assert post(second).status_code == 401


def test_a_token_opens_its_own_endpoint_and_no_other(house: House) -> None:
    house.replica(1)
    house.replica(2)
    first, second = house.service.deploy("digits", "front"), house.service.deploy("digits", "back")
    assert first.token != second.token
    assert [post(first, first.token).status_code, post(second, second.token).status_code] == [200, 200]
    assert [post(first, second.token).status_code, post(second, first.token).status_code] == [401, 401]


def test_more_tokens_hold_beside_the_first_until_they_are_revoked(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    second = house.service.token("front")
    assert (second.held, second.token_required, second.url) == (2, True, made.url)
    assert [post(made, token).status_code for token in (made.token, second.token)] == [200, 200]
    third = house.service.token("front", revoke=True)
    assert third.held == 1
    assert [post(made, token).status_code for token in (made.token, second.token, third.token)] == [401, 401, 200], (
        "by the time that the answer is there"
    )


def test_revoking_is_not_said_to_be_done_while_the_gateway_may_go_by_the_earlier_tokens(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    gateway = house.service._switchboard.gatekeeper.state
    assert gateway is not None
    os.kill(gateway.pid, signal.SIGSTOP)
    try:
        with pytest.raises(TimedOut, match="does not know it yet"):
            house.service.token("front", revoke=True)
    finally:
        os.kill(gateway.pid, signal.SIGCONT)
    again = house.service.token("front", revoke=True)
    assert [post(made, token).status_code for token in (made.token, again.token)] == [401, 200]


def test_a_revoked_token_opens_nothing_on_a_connection_that_was_open_before(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    with httpx.Client(trust_env=False, timeout=20, headers={"authorization": f"Bearer {made.token}"}) as client:
        assert client.post(made.url or "", json=BODY).status_code == 200
        house.service.token("front", revoke=True)
        assert client.post(made.url or "", json=BODY).status_code == 401


def test_an_open_endpoint_says_so_and_is_closed_by_a_word(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits/2", "front", open=True)
    assert (made.token, made.token_required, house.service.show("front").token_required) == (None, False, False)
    assert post(made).status_code == 200
    assert not house.service.token("front").token_required, "a token alone closes nothing"
    assert post(made).status_code == 200
    house.replica(2)
    kept = house.service.deploy("digits/3", "front")
    assert (kept.token, kept.token_required) == (None, False)
    house.replica(3)
    closed = house.service.deploy("digits/3", "front", open=False)
    assert closed.token_required
    assert post(closed).status_code == 401


def test_tokens_outlive_agent_and_gateway_and_end_with_the_endpoint(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    house.agent().start()
    house.service.end_gateway()
    again = house.agent()
    again._switchboard.gatekeeper.ensure()
    assert again._switchboard.url("front") == made.url, "nothing that ended keeps the port from the next gateway"
    house.wait(lambda: post(made, made.token).status_code == 200)
    assert post(made).status_code == 401
    again.remove("front")
    house.replica(2)
    fresh = again.deploy("digits", "front")
    assert fresh.token not in {None, made.token}
    house.wait(lambda: post(fresh, fresh.token).status_code == 200)
    assert post(fresh, made.token).status_code == 401


def test_a_record_that_was_lost_comes_back_as_closed_as_it_was(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    house.service._board.remove("front")
    house.look_until_there("front")
    assert house.service.show("front").token_required
    house.wait(lambda: post(made, made.token).status_code == 200)
    assert post(made).status_code == 401


def test_a_deployment_that_does_not_begin_leaves_no_token(house: House) -> None:
    with pytest.raises(Refused, match="No job of this desk has trained"):
        house.service.deploy("digits", "front", runtime="training")
    assert not (house.folder.endpoints / "front" / "access.json").exists()


def test_an_endpoint_of_an_older_version_goes_on_without_a_token_and_is_shown_as_open(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front", open=True)
    (house.folder.endpoints / "front" / "access.json").unlink()
    stored = house.states_open[-1].endpoints.get("front")
    assert stored is not None
    house.states_open[-1].endpoints.put(replace(stored, token_required=False))
    house.agent().start()
    assert not house.service.show("front").token_required
    house.wait(lambda: post(made).status_code == 200)
    house.replica(2)
    assert house.service.deploy("digits/2", "front").token is None
    assert post(made).status_code == 200


def test_who_has_no_token_takes_no_place_from_who_has_one(house: House) -> None:
    upstream = house.replica(1)
    made = house.service.deploy("digits", "front")
    before = len(upstream.bodies)
    statuses: list[int] = []

    def knock() -> None:
        with httpx.Client(trust_env=False, timeout=60) as client:
            for number in range(125):
                headers = {"authorization": f"Bearer wrong-{number}"}
                statuses.append(client.post(made.url or "", json=BODY, headers=headers).status_code)

    threads = [threading.Thread(target=knock) for _ in range(8)]
    for thread in threads:
        thread.start()
    answered = [post(made, made.token).status_code for _ in range(50)]
    for thread in threads:
        thread.join()
    assert answered == [200] * 50
    assert statuses == [401] * 1000
    assert len(upstream.bodies) - before == 50, "nothing of it reached the model"
    deadline = time.monotonic() + 240
    while True:
        house.service._switchboard.poll()
        load = house.service.show("front").load
        if load is not None and load.requests_total >= 1050:
            break
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert load.errors_total == 1000


@pytest.mark.parametrize("verb", ["token", "requests", "logs", "try_"])
def test_a_token_and_what_users_asked_are_for_the_owner_and_for_administrators(house: House, verb: str) -> None:
    house.replica(1)
    house.service.deploy("digits", "front")
    house.service._board.change("front", lambda known: replace(known, created_by=4242))
    with pytest.raises(Refused, match="belongs to"):
        ask_as(4243, house.service, f"endpoints.{verb}", name="front")
    for allowed in (4242, 0, os.getuid()):
        ask_as(allowed, house.service, f"endpoints.{verb}", name="front")
    ask_as(4243, house.service, "endpoints.show", name="front")
