"""A webhook over TLS: the name that was set is the one that is asked for and checked, and distrust is explained."""

import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.machine.alerts import webhook
from tests.certificates import SecureServer, Signed, sign

NAME = "alerts.example"
AUTHORITY = sign("Test authority", authority=True)
Serve = Callable[[Signed], SecureServer]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Start servers; this machine trusts the authority."""
    monkeypatch.setenv("SSL_CERT_FILE", str(AUTHORITY.write(tmp_path / "ca.pem")))
    servers = []

    def make(signed: Signed) -> SecureServer:
        servers.append(SecureServer(signed, tmp_path))
        return servers[-1]

    yield make
    for server in servers:
        server.close()


def post(port: int, name: str = NAME) -> int:
    return webhook.post(webhook.parse(f"https://{name}:{port}/hook"), "127.0.0.1", b"{}", "key", 10.0)


def test_the_address_that_was_chosen_is_asked_by_the_name_that_was_set(serve: Serve) -> None:
    server = serve(sign(NAME, AUTHORITY))
    assert post(server.port) == 204
    assert server.names == [NAME]
    assert server.requests[0].startswith(f"POST /hook HTTP/1.1\r\nHost: {NAME}:{server.port}\r\n".encode())


@pytest.mark.parametrize(
    ("signed", "said", "next_step"),
    [
        (sign(NAME), "signed by itself", "update-ca-certificates"),
        (sign(NAME, sign("Unknown authority", authority=True)), "authority that this machine does not know", "SSL_CERT_FILE"),
        (sign("other.example", AUTHORITY), "for another name", "a name that is in the certificate"),
        (sign(NAME, AUTHORITY, days=-1), "has expired", "renew"),
    ],
)  # fmt: skip
def test_what_can_not_be_trusted_gets_nothing_and_is_explained(
    serve: Serve, signed: Signed, said: str, next_step: str
) -> None:
    server = serve(signed)
    with pytest.raises(Unavailable, match=said) as refused:
        post(server.port)
    assert f"https://{NAME}:{server.port}" in refused.value.message
    assert next_step in (refused.value.hint or "")
    assert server.requests == []


def test_an_address_of_no_name_is_checked_too(serve: Serve) -> None:
    server = serve(sign(NAME, AUTHORITY))
    with pytest.raises(Unavailable, match="for another address"):
        post(server.port, "127.0.0.1")


def test_a_server_without_tls_is_told_as_such(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(Unavailable, match="does not answer in TLS") as refused:
            post(listener.getsockname()[1])
        thread.join(20)
    assert "https" in (refused.value.hint or "")
