"""An endpoint reached from another machine: the setting, the certificate, the gateway as the process it is."""

import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from mlops_desk.serving.records.network import EntranceState, NetworkEntrance
from tests.end2end.endpoint_house import BODY, House, open_house
from tests.free_port import free_port

pytestmark = [pytest.mark.end2end]


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


def opened(house: House, port: int, state: EntranceState = EntranceState.OPEN) -> NetworkEntrance:
    """Have the gateway listen there, as the agent does that looks each second."""
    return opened_at(house, f"127.0.0.1:{port}", state)


def opened_at(house: House, place: str, state: EntranceState = EntranceState.OPEN) -> NetworkEntrance:
    house.settings.set("serving.listen", place)
    return settled(house, state)


def settled(house: House, state: EntranceState) -> NetworkEntrance:
    def is_so() -> bool:
        house.service._switchboard.look_at_network()
        return house.service.network().state is state

    house.wait(is_so)
    return house.service.network()


def ask(entrance: NetworkEntrance, token: str | None, name: str = "front") -> httpx.Response:
    context = ssl.create_default_context(cafile=entrance.certificate)
    headers = {} if token is None else {"authorization": f"Bearer {token}"}
    with httpx.Client(trust_env=False, timeout=20, verify=context) as client:
        return client.post(f"{entrance.url}/{name}", json=BODY, headers=headers)


def test_it_is_reached_with_its_token_by_who_trusts_the_authority_and_not_when_it_is_open(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    entrance = opened(house, free_port())
    house.wait(lambda: house.looked() and house.service.show("front").network != made.network)
    shown = house.service.show("front").network
    assert shown is not None
    assert (shown.url, shown.fingerprint) == (f"{entrance.url}/front", entrance.fingerprint)
    assert ask(entrance, made.token).status_code == 200
    assert ask(entrance, None).status_code == ask(entrance, "wrong").status_code == 401
    with (
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
        httpx.Client(trust_env=False) as stranger,
    ):
        stranger.post(f"{entrance.url}/front", json=BODY)
    house.replica(2)
    house.service.deploy("digits", "front", open=True)
    house.service._switchboard.look_at_network()
    house.wait(lambda: ask(entrance, made.token).status_code == 403)
    shown = house.service.show("front").network
    assert shown is not None
    assert shown.url is None
    house.settings.set("serving.listen", "")
    settled(house, EntranceState.OFF)
    house.wait(lambda: is_refused(int((entrance.url or "").rpartition(":")[2])))
    assert house.service.show("front").network is None
    assert house.answer() == {"predictions": ["yes", "yes"]}


def test_by_ipv6_its_address_stands_in_brackets_and_at_all_addresses_ipv4_is_answered_too(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    port = free_port()
    entrance = opened_at(house, f"[::1]:{port}")
    assert (entrance.url, entrance.listen) == (f"https://[::1]:{port}", f"[::1]:{port}")
    assert ask(entrance, made.token).status_code == 200
    assert "::1" in entrance.names
    assert is_refused(port), "on loopback of IPv4 somebody else may listen"
    house.wait(lambda: house.looked() and house.service.show("front").network != made.network)
    shown = house.service.show("front").network
    assert shown is not None
    assert shown.url == f"https://[::1]:{port}/front"
    entrance = opened_at(house, f"[::]:{port}")
    assert {"::1", "127.0.0.1"} <= set(entrance.names)
    assert ask(entrance, made.token).status_code == 200
    for host in ("[::1]", "127.0.0.1", "localhost"):
        assert ask(replace(entrance, url=f"https://{host}:{port}"), made.token).status_code == 200, host


def is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_who_comes_while_the_gateway_is_away_waits_and_is_answered_by_the_next(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    entrance = opened(house, free_port())
    keeper = house.service._switchboard.gatekeeper
    for _ in range(2):  # the one that took the sockets over lends them as well
        assert keeper.state is not None
        house.wait(lambda: not keeper.is_gone() and len(keeper._hold.descriptors) == 2)
        os.kill(keeper.state.pid, signal.SIGKILL)
        house.wait(keeper.is_gone)
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(ask, entrance, made.token) for _ in range(4)]
            time.sleep(0.3)
            assert not any(answer.done() for answer in asked)
            house.service._switchboard.watch()
            assert [answer.result(60).status_code for answer in asked] == [200] * 4


def test_a_port_that_is_taken_is_told_in_words_and_had_when_it_is_free_while_loopback_answers(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        entrance = opened(house, other.getsockname()[1], EntranceState.FAILED)
        assert entrance.reason is not None
        assert "can't be had: Address already in use" in entrance.reason.text
        shown = house.service.show("front").network
        assert shown is not None
        assert shown.reason == entrance.reason
        assert house.answer() == {"predictions": ["yes", "yes"]}
    assert ask(settled(house, EntranceState.OPEN), made.token).status_code == 200


def test_another_certificate_is_taken_up_and_connections_stay(house: House, tmp_path: Path) -> None:
    import subprocess

    house.replica(1)
    made = house.service.deploy("digits", "front")
    entrance = opened(house, free_port())
    headers = {"authorization": f"Bearer {made.token}"}
    context = ssl.create_default_context(cafile=entrance.certificate)
    with httpx.Client(trust_env=False, timeout=20, verify=context) as kept:
        assert kept.post(f"{entrance.url}/front", json=BODY, headers=headers).status_code == 200
        certificate, key = tmp_path / "a.pem", tmp_path / "a.key"
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-subj", "/CN=a"]
        more = ["-addext", "subjectAltName=IP:127.0.0.1", "-out", str(certificate)]
        subprocess.run([*command, *more], check=True, capture_output=True)
        house.settings.set("serving.tls_certificate", str(certificate))
        house.settings.set("serving.tls_key", str(key))
        house.wait(lambda: not settled(house, EntranceState.OPEN).is_own)
        assert kept.post(f"{entrance.url}/front", json=BODY, headers=headers).status_code == 200
        found = house.service.network()
        assert ask(found, made.token).status_code == 200
        assert found.fingerprint != entrance.fingerprint
    tls = house.folder.endpoints / "_gateway" / "tls"
    house.wait(lambda: len(list(tls.glob("identity-*"))) == 1)  # the old one is taken away at a later look
    routes = json.loads((house.folder.endpoints / "_gateway" / "routes.json").read_text())
    assert "PRIVATE" not in json.dumps(routes)


def test_the_next_agent_finds_it_open_and_by_the_same_authority(house: House) -> None:
    house.replica(1)
    made = house.service.deploy("digits", "front")
    entrance = opened(house, free_port())
    house.agent()
    assert ask(entrance, made.token).status_code == 200, "the gateway goes on meanwhile"
    house.service._switchboard.look_at_network()
    house.service._switchboard.route()
    assert settled(house, EntranceState.OPEN).fingerprint == entrance.fingerprint
    assert ask(entrance, made.token).status_code == 200
