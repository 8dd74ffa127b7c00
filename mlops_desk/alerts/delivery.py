"""One POST to an address that a person set: resolved once, that address used, nothing of the answer trusted.

Only the answer's first line is read. A redirect is not followed: it would lead where nobody looked.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from mlops_desk.base.errors import Hint, Invalid, Refused, Unavailable
from mlops_desk.base.text import plain

DEADLINE_SECONDS = 10.0
"""Chosen: for all of it, name look-up and TLS included; a receiver that drips answers can't hold it longer."""
_LINE_LIMIT_BYTES = 1024  # of the answer only the status line is read, a dozen bytes and a phrase
_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to. ``path`` may hold a secret and is never said."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        return plain(f"{self.scheme}://{self.host}:{self.port}")


def parse(url: str) -> Target:
    """Take an address apart. Raises Invalid, which does not repeat it."""
    try:
        parts: SplitResult = urlsplit(url.strip())
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise Invalid("The webhook's address is not of the form https://host/path.") from None
    host = parts.hostname or ""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not host or parts.username is not None or not (host + path).isascii() or any(c.isspace() for c in host + path):
        hint = "It needs a host, and no user, no password, no blanks."
        raise Invalid("The webhook's address is not of the form https://host/path.", hint)
    return Target(parts.scheme, host, port, path)


def resolve(host: str, port: int) -> list[str]:
    """Return the host's addresses. Raises Unavailable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"The webhook's host {plain(host)} has no address.") from error
    return [str(item[4][0]) for item in found]


def check_reach(target: Target, *, allow_private: bool) -> None:
    """Refuse an address of this machine or a private network that is given as that, where it is not allowed.

    What a name leads to is seen when something is sent. Raises Refused.
    """
    host = "127.0.0.1" if target.host == "localhost" or target.host.endswith(".localhost") else target.host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    choose(target.host, [host], allow_private=allow_private)


def choose(host: str, addresses: Sequence[str], *, allow_private: bool) -> str:
    """Return the address to use. Raises Refused when all are private and that is not allowed."""
    for address in addresses:
        if allow_private or is_public(address):
            return address
    text = f"The webhook's host {plain(host)} is in a private network, and alerts are not sent there by default."
    raise Refused(text, Hint("mlops-desk settings set alerts.webhook_private on"))


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public internet; what hides another one inside is judged by that."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if found in ipaddress.IPv6Network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)))
    return found.is_global and not found.is_multicast


def post(target: Target, address: str, body: bytes, key: str, deadline_seconds: float = DEADLINE_SECONDS) -> int:
    """Send ``body`` and return the answer's status. Raises Unavailable; ``key`` lets the receiver know a repetition."""
    deadline = time.monotonic() + deadline_seconds
    try:
        with _connected(target, address, deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(_head(target, len(body), key) + body)
            return _status(_first_line(connection, deadline), target)
    except TimeoutError as error:
        raise Unavailable(f"{target.shown} gave no answer within {deadline_seconds:g} s.") from error
    except OSError as error:
        raise Unavailable(f"{target.shown} can't be reached: {error.strerror or type(error).__name__}.") from error


def _connected(target: Target, address: str, deadline: float) -> socket.socket:
    connection = socket.create_connection((address, target.port), timeout=_left(deadline))
    if target.scheme != "https":
        return connection
    from mlops_desk.alerts.tls import secure  # noqa: PLC0415 - 2 MB that an agent without a webhook does without

    try:
        connection.settimeout(_left(deadline))
        return secure(connection, target.host, target.shown)
    except BaseException:
        connection.close()
        raise


def _head(target: Target, length: int, key: str) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    shown = host if target.port == _PORTS[target.scheme] else f"{host}:{target.port}"
    return (
        f"POST {target.path} HTTP/1.1\r\nHost: {shown}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nUser-Agent: mlops-desk\r\nIdempotency-Key: {key}\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def _first_line(connection: socket.socket, deadline: float) -> bytes:
    line = b""
    while b"\n" not in line and len(line) < _LINE_LIMIT_BYTES:
        connection.settimeout(_left(deadline))
        part = connection.recv(_LINE_LIMIT_BYTES)
        if not part:
            break
        line += part
    return line.partition(b"\n")[0]


def _status(line: bytes, target: Target) -> int:
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise Unavailable(f"{target.shown} does not answer as a web server.")
    status = int(words[1])
    if 300 <= status < 400:
        hint = "Set the address that it leads to."
        raise Unavailable(f"{target.shown} answers with a redirect ({status}), which is not followed.", hint)
    if not 200 <= status < 300:
        raise Unavailable(f"{target.shown} answers {status}.")
    return status


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
