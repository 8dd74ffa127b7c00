"""Nothing is said to be done before the gateway goes by it: a gateway that is frozen, and words where it stays so."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.machine.records.event import EndpointChanged
from mlops_desk.serving import deploy_options, routing_sync
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from tests.end2end.endpoint_house import BODY, House, ask, bearer, canary_beside, open_house

pytestmark = pytest.mark.end2end


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


@pytest.fixture
def beside(house: House) -> Endpoint:
    return canary_beside(house)


def gateway_pid(house: House) -> int:
    state = house.service._switchboard.gatekeeper.state
    assert state is not None
    return state.pid


@pytest.fixture
def frozen(house: House) -> Iterator[Callable[[], Callable[[], None]]]:
    """Freeze the gateway; what is returned lets it go on."""
    pids: list[int] = []

    def freeze() -> Callable[[], None]:
        pids.append(gateway_pid(house))
        os.kill(pids[-1], signal.SIGSTOP)
        return lambda: os.kill(pids[-1], signal.SIGCONT)

    yield freeze
    for pid in pids:
        try:
            os.kill(pid, signal.SIGCONT)
        except ProcessLookupError:
            continue  # the test had it replaced


def answer_in_background(endpoint: Endpoint) -> tuple[threading.Thread, list[httpx.Response]]:
    found: list[httpx.Response] = []
    thread = threading.Thread(target=lambda: found.append(ask(endpoint)))
    thread.start()
    return thread, found


def test_one_that_comes_back_is_live_only_once_the_gateway_reaches_it(
    house: House, frozen: Callable[[], Callable[[], None]]
) -> None:
    house.replica(1, "yes")
    endpoint = house.service.deploy("digits/1", "front")
    container = deploy_options.container_name(house.folder.instance, "front", 1)
    house.engine.stop(container, 0)
    house.look_until_told(EndpointState.UNHEALTHY)
    go_on = frozen()
    house.replica(2, "yes")
    house.wait(lambda: house.service.show("front").reason is not None
               and house.service.show("front").reason.class_ == "gateway_behind")  # fmt: skip
    shown = house.service.show("front")
    assert shown.state is EndpointState.UNHEALTHY, "its container is up, and nobody reaches it"
    assert [one.state for one in shown.replicas] == ["running"]
    go_on()
    live = house.look_until(lambda found: found.state is EndpointState.LIVE)
    assert live.reason is None
    assert ask(endpoint).status_code == 200


def test_whoever_hears_that_it_is_live_is_answered_at_once(house: House) -> None:
    """Each time that it is announced as live the very next request is answered, whatever it was before."""
    first = house.replica(1, "yes")
    endpoint = house.service.deploy("digits/1", "front")
    assert ask(endpoint).status_code == 200
    container = deploy_options.container_name(house.folder.instance, "front", 1)
    for number in range(2, 6):
        house.events.clear()
        house.engine.stop(container, 0)
        house.replica(number, "yes")
        house.service._watch._health.clear()
        house.service._watch.look()
        deadline = time.monotonic() + 240
        while not any(isinstance(event, EndpointChanged) and event.endpoint.state is EndpointState.LIVE
                      for event in house.events):  # fmt: skip
            assert time.monotonic() < deadline
            time.sleep(0.001)
        assert ask(endpoint).status_code == 200
    assert first.bodies


def test_a_promotion_that_the_gateway_does_not_follow_is_not_said_to_be_done(
    house: House, beside: Endpoint, frozen: Callable[[], Callable[[], None]]
) -> None:
    go_on = frozen()
    with pytest.raises(TimedOut, match="Revision 2 of endpoint front takes over, but the gateway does not answer"):
        house.service.promote("front")
    shown = house.service.show("front")
    assert (shown.state, shown.reason and shown.reason.class_) == (EndpointState.UNHEALTHY, "gateway_behind")
    go_on()
    live = house.look_until(lambda found: found.state is EndpointState.LIVE)
    assert (live.revision, live.reason) == (2, None)
    assert ask(live).json()["predictions"][0] == "new"


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda service: service.split("front", ["1=50", "2=50"]), "The shares of endpoint front are set, but"),
        (lambda service: service.rollback("front"), "Endpoint front goes back to revision 1, but"),
        (lambda service: service.stop("front"), "Endpoint front is stopped, but"),
        (lambda service: service.remove("front"), "Endpoint front is removed, but"),
        (lambda service: service.token("front", revoke=True), "are revoked, but its gateway does not know it yet"),
    ],
    ids=["split", "rollback", "stop", "remove", "revoke"],
)
def test_what_the_gateway_does_not_follow_is_said_so(
    house: House,
    beside: Endpoint,
    frozen: Callable[[], Callable[[], None]],
    act: Callable[[object], object],
    words: str,
) -> None:
    go_on = frozen()
    with pytest.raises(TimedOut, match=words):
        act(house.service)
    go_on()
    house.wait(lambda: house.service._switchboard.gatekeeper.is_in_force)


def test_one_that_says_nothing_for_long_is_replaced_and_who_waits_is_answered(
    house: House, frozen: Callable[[], Callable[[], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routing_sync, "_HUNG_SECONDS", 1.0)
    house.replica(1, "yes")
    endpoint = house.service.deploy("digits/1", "front")
    house.service._switchboard.poll()
    hung = gateway_pid(house)
    frozen()
    house.service._switchboard.poll()
    thread, found = answer_in_background(endpoint)
    deadline = time.monotonic() + 240
    while house.service._switchboard.gatekeeper.state is None or gateway_pid(house) == hung:
        assert time.monotonic() < deadline
        house.service._switchboard.poll()
        house.service._switchboard.watch()
    with httpx.Client(trust_env=False, timeout=60) as client:
        assert client.post(endpoint.url or "", json=BODY, headers=bearer(endpoint)).status_code == 200
    thread.join(30)
    assert [answer.status_code for answer in found] == [200], "it waited in the socket's queue"


def test_an_agent_whose_clock_is_behind_is_followed_though_the_disk_kept_no_table(house: House) -> None:
    house.replica(1, "yes")
    endpoint = house.service.deploy("digits/1", "front")
    keeper = house.service._switchboard.gatekeeper
    keeper._serial += 10**9  # as an agent has given them whose clock was a fortnight ahead, on a full disk
    house.service._switchboard.bring_in()
    keeper._serial = 0
    (house.folder.endpoints / "_gateway" / "routes.json").unlink()
    assert house.service._switchboard.bring_in()
    house.service.stop("front")
    assert ask(endpoint).status_code == 503
