"""What goes wrong around an endpoint: its state is true, and who asks another endpoint notices nothing."""

import errno
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mlops_desk.machine.records.event import EndpointChanged
from mlops_desk.serving.gateway.routes import EndpointRoutes, Route, RoutingTable
from mlops_desk.serving.records.endpoint import EndpointState
from mlops_desk.serving.supervisor import watch
from tests.end2end.endpoint_house import BODY, House, ask, open_house, told_of
from tests.end2end.gateway_door import Door
from tests.serving_upstream import upstream

pytestmark = pytest.mark.end2end
HUGE = 10 << 30
MIB = 1 << 20


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with open_house(tmp_path) as built:
        yield built


class Flooding:
    """A model that answers with 10 GB, as much of it as is taken."""

    def __init__(self, head: bytes, piece: bytes) -> None:
        self._head, self._piece = head, piece
        self.sent = 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self._listening.getsockname()[1]}"

    def _serve(self) -> None:
        while True:
            try:
                asking, _ = self._listening.accept()
            except OSError:
                return
            with asking:
                try:
                    asking.recv(65536)
                    asking.sendall(self._head)
                    while self.sent < HUGE:
                        asking.sendall(self._piece)
                        self.sent += len(self._piece)
                except OSError:
                    continue  # hung up on

    def close(self) -> None:
        self._listening.close()


_PIECE = b"x" * (64 << 10)
_SAID = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % HUGE
_UNSAID = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("head", "piece"), [(_SAID, _PIECE), (_UNSAID, b"%x\r\n%b\r\n" % (len(_PIECE), _PIECE))], ids=["said", "chunked"]
)
def test_an_answer_of_10_gb_ends_that_request_alone(tmp_path: Path, head: bytes, piece: bytes) -> None:
    door, flooding = Door(tmp_path), Flooding(head, piece)
    try:
        with upstream() as well:
            table = {
                "floods": EndpointRoutes((Route(1, 1.0, (flooding.place,)),), str(tmp_path / "floods" / "requests")),
                "digits": EndpointRoutes((Route(1, 1.0, (well.place,)),), str(door.log)),
            }
            assert door.keeper.wait_for(door.keeper.publish(lambda: RoutingTable(0, table)))
            assert door.ask().status_code == 200
            before = resident_bytes(door.pid())
            ended: list[str] = []
            asking = threading.Thread(target=lambda: ended.append(how_it_ends(door)))
            asking.start()
            while asking.is_alive():
                assert door.ask().status_code == 200
            assert ended in (["502"], ["broken off"])
            assert flooding.sent < 1 << 30, "it is hung up on, not read to its end"
            assert resident_bytes(door.pid()) - before < 200 * MIB
            assert door.ask().status_code == 200
    finally:
        flooding.close()
        door.client.close()
        door.keeper.stop()


def how_it_ends(door: Door) -> str:
    with httpx.Client(base_url=f"http://127.0.0.1:{door.port}", trust_env=False, timeout=60) as client:
        try:
            with client.stream("POST", "/floods", json=BODY) as answer:
                for _ in answer.iter_bytes():
                    continue
                return str(answer.status_code)
        except httpx.RemoteProtocolError:
            return "broken off"


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def is_bound(taken: socket.socket, port: int) -> bool:
    try:
        taken.bind(("127.0.0.1", port))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def test_where_somebody_takes_the_gateways_port_the_new_address_is_told_and_answers(house: House) -> None:
    house.replica(1)
    service = house.service
    endpoint = service.deploy("digits", "front")
    keeper = service._switchboard.gatekeeper
    state, port = keeper.state, keeper.port
    assert state is not None
    assert port is not None
    os.kill(state.pid, signal.SIGKILL)
    house.wait(keeper.is_gone)
    keeper.refuse()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        house.wait(lambda: is_bound(taken, port))  # threads of the killed one hold it for some milliseconds more
        taken.listen()
        service._switchboard.watch()
        moved = service.show("front")
        assert moved.url not in {None, endpoint.url}
        answer = httpx.post(moved.url or "", json=BODY, trust_env=False, timeout=60)
        assert answer.status_code == 401, "it is ours, and wants a token"
        assert any("the address of front has changed" in text for text in told_of(house))


def test_one_that_begins_to_answer_otherwise_is_told_and_started_again_and_another_is_not_touched(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "_RARELY", 1)
    house.settings.set("serving.compare_answers", "true")
    lies = house.replica(1, "yes")
    house.replica(2, "other")
    house.service.deploy("digits", "front")
    other = house.service.deploy("digits", "well")
    lies.word = "lie"
    began = time.monotonic()
    house.look_until_told(EndpointState.UNHEALTHY)
    print(f"told after {time.monotonic() - began:.1f} s")
    assert ask(other).status_code == 200
    assert house.service.show("well").state is EndpointState.LIVE
    house.replica(3, "yes")
    house.look_until(lambda found: found.state is EndpointState.LIVE)
    told = [event.endpoint for event in house.events if isinstance(event, EndpointChanged)]
    assert {one.reason.class_ for one in told if one.name == "front" and one.reason} == {"answer_differs"}
    assert all(one.state is not EndpointState.UNHEALTHY for one in told if one.name == "well")
