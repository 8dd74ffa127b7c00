"""Which Hosts are the gateway's own: a name of its certificate with a port, or without one, and nothing that is odd."""

import ipaddress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.serving.gateway.access import NetworkAccess
from mlops_desk.serving.gateway.messages import Rejected

NAMES = ("127.0.0.1", "localhost", "::1", "fd00::2", "desk.example", "*.lab.example")
ACCESS = NetworkAccess(NAMES)
PORTS = st.integers(0, 65535).map(lambda port: f":{port}") | st.just("") | st.just(":")


def is_let_in(host: bytes) -> bool:
    try:
        ACCESS.check_origin({b"host": host})
    except Rejected as rejected:
        return rejected.answer.status != 403
    return True


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:0:0", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:80a", "127.0.0.1: 80", "127.0.0.1:80 ", " 127.0.0.1",
     "localhost:80:80", "localhost::80", "localhost:٣", "localhost:80,evil.example", "user@localhost", "localhost/",
     "localhost..", "[::1]:0:0", "[::1]:65536", "[::1]80", "[::1]]", "[[::1]]", "[::1%eth0]", "[::1", "::1", "[::1]:a",
     "[127.0.0.1]", "desk.example.:1:2", "evil.example", ".lab.example", "lab.example", ":80", "", ".", "[]", "[]:1"],
)  # fmt: skip
def test_a_host_that_is_malformed_or_of_somebody_else_is_refused(host: str) -> None:
    assert not is_let_in(host.encode())


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.0.0.1:0", "127.0.0.1:65535", "127.0.0.1:00443", "localhost:443", "LOCALHOST:443", "localhost:",
     "desk.example.", "desk.example.:8443", "a.lab.example:1", "[::1]", "[::1]:443", "[0:0:0:0:0:0:0:1]:443", "[FD00::2]"],
)  # fmt: skip
def test_a_name_of_its_own_is_let_in_with_any_port(host: str) -> None:
    assert is_let_in(host.encode())


@given(st.sampled_from(["127.0.0.1", "localhost", "[::1]", "desk.example"]), st.binary(max_size=12))
@example("127.0.0.1", b":0:0")
@example("[::1]", b":1:1")
def test_what_follows_a_name_is_a_port_or_it_is_refused(name: str, rest: bytes) -> None:
    digits = rest[1:] if rest.startswith(b":") else b""
    is_port = not rest or rest == b":" or (digits.isdigit() and len(digits) < 12 and int(digits) <= 65535)
    is_name = rest.startswith(b".") and not name.startswith("[") and is_let_in(name.encode() + rest[1:])
    assert is_let_in(name.encode() + rest) is (is_port or is_name)


@given(st.ip_addresses(v=6), PORTS)
def test_an_address_of_ipv6_is_known_however_it_is_written(address: ipaddress.IPv6Address, port: str) -> None:
    access = NetworkAccess((str(address),))
    for text in (address.compressed, address.exploded, address.exploded.upper()):
        access.check_origin({b"host": f"[{text}]{port}".encode()})
