"""A container is handed one socket, and gets nowhere else by the folder it is handed in."""

import contextlib
import os
import socket
import stat
from pathlib import Path

import pytest

from mlops_desk.serving import socket_handover
from mlops_desk.serving.gateway.outbound.pool import NotConnected
from mlops_desk.serving.gateway.outbound.question import Lost, Question, Reply
from mlops_desk.serving.gateway.outbound.sync_request import ask_at_once
from mlops_desk.serving.socket_handover import Handover, address_of
from tests.scoring import SERVER

PING = Question(b"GET", b"/ping", b"", b"application/json")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    deep = tmp_path / ("deep" * 20) / ("down" * 20) / "7"
    deep.mkdir(parents=True)
    assert len(str(deep)) > 107
    return deep


def taken(folder: Path, handover: Handover) -> socket.socket:
    with socket.socket(socket.AF_UNIX) as desk, socket_handover.short(folder / "hand") as name:
        desk.settimeout(5)
        desk.connect(name)
        handover.give()
        _, (descriptor,), _, _ = socket.recv_fds(desk, 1, 1)
    return socket.socket(fileno=descriptor)


def answering(listener: socket.socket, said: bytes) -> None:
    """Wait for a question and answer it: who is hung up on while still asking hears of a broken pipe."""
    connection, _ = listener.accept()
    with connection:
        assert connection.recv(65536)
        connection.sendall(said)


def asked(address: str, listener: socket.socket, said: bytes, limit_bytes: int = 1000) -> Reply:
    from threading import Thread

    other = Thread(target=answering, args=(listener, said))
    other.start()
    try:
        return ask_at_once(address, PING, 5.0, limit_bytes)
    finally:
        other.join()


def test_who_asks_while_it_is_waited_for_them_is_handed_the_socket_at_once(place: Path) -> None:
    from threading import Thread

    with Handover(place) as handover:
        giving = Thread(target=handover.give, args=(60.0,))
        giving.start()
        with socket.socket(socket.AF_UNIX) as desk, socket_handover.short(handover.folder / "hand") as name:
            desk.settimeout(5)
            desk.connect(name)
            _, descriptors, _, _ = socket.recv_fds(desk, 1, 1)
        giving.join(5)
        assert not giving.is_alive()
        socket.socket(fileno=descriptors[0]).close()
        handover.give(0.01)  # nobody asks


def test_the_socket_answers_for_who_was_handed_it_and_for_nobody_before_it_listens(place: Path) -> None:
    with Handover(place) as handover:
        assert handover.address == address_of(place) == f"unix:{place}/model.sock"
        with taken(handover.folder, handover) as way_in:
            with pytest.raises(NotConnected):
                ask_at_once(handover.address, PING, 1.0, 1000)
            way_in.listen()
            said = b"HTTP/1.1 200 OK\r\ncontent-type: text/x\r\ncontent-length: 2\r\n\r\nok"
            assert asked(handover.address, way_in, said) == Reply(200, b"ok", "text/x")


def test_it_goes_on_after_the_agent_has_let_go_and_ends_with_its_holder(place: Path) -> None:
    with Handover(place) as handover:
        way_in = taken(handover.folder, handover)
    way_in.listen()
    said = b"HTTP/1.1 204 No Content\r\n\r\n"
    assert asked(handover.address, way_in, said).status == 204
    way_in.close()
    with pytest.raises(NotConnected):
        ask_at_once(handover.address, PING, 1.0, 1000)


def test_the_mounted_folder_is_read_only_and_holds_the_script_and_the_hand_alone(place: Path) -> None:
    with Handover(place) as handover:
        assert (handover.mount.source, handover.mount.target, handover.mount.mode) == (
            str(handover.folder), "/mlops-desk", "ro",
        )  # fmt: skip
        assert sorted(path.name for path in handover.folder.iterdir()) == ["hand", "serve.py"]
        assert stat.S_IMODE(handover.folder.stat().st_mode) == 0o755
        assert stat.S_IMODE((handover.folder / "hand").stat().st_mode) == 0o666
        assert (handover.folder / "serve.py").read_text() == SERVER.read_text()
        assert not (handover.folder / "model.sock").exists()
    assert [path.name for path in handover.folder.iterdir()] == ["serve.py"], "nobody asks a second time"


def test_a_second_start_takes_the_place_of_the_first(place: Path) -> None:
    with Handover(place) as first:
        old = taken(first.folder, first)
    old.listen()
    with Handover(place) as second, taken(second.folder, second) as way_in, old:
        way_in.listen()
        assert asked(second.address, way_in, b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx").body == b"x"


def test_who_asks_and_goes_away_holds_nobody_up(place: Path) -> None:
    with Handover(place) as handover:
        for _ in range(3):
            with socket.socket(socket.AF_UNIX) as desk, socket_handover.short(handover.folder / "hand") as name:
                desk.connect(name)
        handover.give()
        taken(handover.folder, handover).close()


@pytest.mark.parametrize(
    "said",
    [
        b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", b"no http\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n", b"HTTP/1.1 200 OK\r\ncontent-length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000,
    ],
)  # fmt: skip
def test_an_answer_that_makes_no_sense_is_lost_and_says_so(place: Path, said: bytes) -> None:
    with Handover(place) as handover, taken(handover.folder, handover) as way_in:
        way_in.listen()
        with pytest.raises(Lost), contextlib.suppress(BrokenPipeError):
            asked(handover.address, way_in, said)


def test_a_model_that_says_nothing_is_waited_for_no_longer_than_allowed(place: Path) -> None:
    with Handover(place) as handover, taken(handover.folder, handover) as way_in:
        way_in.listen()
        with pytest.raises(Lost, match=r"no answer within 0\.2 s"):
            ask_at_once(handover.address, PING, 0.2, 1000)


@pytest.mark.slow
def test_a_full_queue_is_no_connection(place: Path) -> None:
    with Handover(place) as handover, taken(handover.folder, handover) as way_in:
        way_in.listen(0)
        with contextlib.ExitStack() as stack:
            for _ in range(3):
                waiting = stack.enter_context(socket.socket(socket.AF_UNIX))
                waiting.setblocking(False)
                with socket_handover.short(place / "model.sock") as name, contextlib.suppress(BlockingIOError):
                    waiting.connect(name)
            with pytest.raises(NotConnected):
                ask_at_once(handover.address, PING, 10.0, 1000)


def test_a_folder_that_is_gone_is_no_connection(tmp_path: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - counted, not walked
    with pytest.raises(NotConnected):
        ask_at_once(address_of(tmp_path / "gone"), PING, 1.0, 1000)
    assert len(os.listdir("/proc/self/fd")) <= before  # noqa: PTH208 - descriptors, not files of a folder
