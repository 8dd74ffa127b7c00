"""Whose connection it is: asked of the running kernel, and read from worked answers."""

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from mlops_desk.kit.base.peers import Peers, question, uid_in

Listener = tuple[socket.socket, tuple[str, int]]


@pytest.fixture
def listener() -> Iterator[Listener]:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen()
        yield opened, opened.getsockname()


def answer(kind: int, uid: int, inode: int) -> bytes:
    body = struct.pack("=BBBB", 2, 1, 0, 0) + b"\0" * 48 + struct.pack("=IIIII", 0, 0, 0, uid, inode)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 1, 0) + body


def test_this_users_connection_is_this_users(listener: Listener) -> None:
    _, here = listener
    peers = Peers(here)
    with socket.create_connection(here) as mine:
        assert peers.name(mine.getsockname()) == f"user {os.getuid()}"
    peers.close()


def test_who_comes_from_the_address_that_it_asks_is_on_this_machine(listener: Listener) -> None:
    """As of the engine's bridge, whose address here is no loopback address: asked of another one, it would be far."""
    _, here = listener
    peers = Peers(here)
    with socket.socket() as other:
        other.bind(("127.0.0.5", 0))
        other.listen()
        with socket.create_connection(other.getsockname()) as mine:
            assert peers.name(mine.getsockname(), other.getsockname()) == f"user {os.getuid()}"
    assert peers.name(("192.0.2.1", 4000), ("192.0.2.1", 5000)) == "unknown"
    assert peers.name(("192.0.2.2", 4000), ("192.0.2.1", 5000)) == "address 192.0.2.2"
    peers.close()


@pytest.mark.parametrize("at", ["::1", "::"])
def test_of_ipv6_too_this_users_connection_is_this_users(listener: Listener, at: str) -> None:
    peers = Peers(listener[1])
    with socket.create_server((at, 0), family=socket.AF_INET6) as six:
        port = six.getsockname()[1]
        with socket.create_connection(("::1", port)) as mine:
            assert peers.name(mine.getsockname()[:2], ("::1", port)) == f"user {os.getuid()}"
    peers.close()


def test_one_that_is_gone_is_nobodys(listener: Listener) -> None:
    opened, here = listener
    peers = Peers(here)
    mine = socket.create_connection(here)
    name = mine.getsockname()
    accepted, _ = opened.accept()
    accepted.close()
    mine.close()
    assert peers.name(name) == "unknown"
    assert peers.name(None) == "unknown"
    peers.close()


def test_from_elsewhere_it_is_the_address(listener: Listener) -> None:
    peers = Peers(listener[1])
    assert peers.name(("172.17.0.3", 4000)) == "address 172.17.0.3"
    peers.close()


def test_where_the_kernel_tells_nothing_all_share_one_name(listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mlops_desk.kit.base.peers._NETLINK_SOCK_DIAG", 31)
    _, here = listener
    peers = Peers(here)
    with socket.create_connection(here) as mine:
        assert peers.name(mine.getsockname()) == "unknown"


def test_the_uid_is_read_where_the_kernel_puts_it() -> None:
    assert uid_in(answer(20, 4711, 99)) == 4711
    assert uid_in(answer(20, 0, 99)) == 0
    assert uid_in(answer(20, 0, 0)) is None, "a socket that nobody holds any more is not root's"
    assert uid_in(answer(2, 4711, 99)) is None, "an error"
    assert uid_in(b"") is None
    assert uid_in(answer(20, 4711, 99)[:40]) is None


def test_the_question_names_both_ends() -> None:
    asked = question(("127.0.0.1", 0x1234), ("127.0.0.2", 0x5678))
    assert len(asked) == 72 == struct.unpack_from("=I", asked)[0]
    assert asked[24:28] == b"\x12\x34\x56\x78"
    assert asked[28:32] == bytes([127, 0, 0, 1])
    assert asked[44:48] == bytes([127, 0, 0, 2])
    assert asked[-8:] == b"\xff" * 8
    six = question(("fd00::1", 0x1234), ("::1", 0x5678))
    assert (len(six), asked[16], six[16]) == (72, 2, 10)
    assert six[24:60] == b"\x12\x34\x56\x78" + b"\xfd" + b"\0" * 14 + b"\x01" + b"\0" * 15 + b"\x01"
