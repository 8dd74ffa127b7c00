"""Hostile connections to an HTTP server, one function for each kind: opened, half-used and left as they are."""

import contextlib
import random
import socket
from collections.abc import Callable

Address = tuple[str, int]
_CONNECT_SECONDS = 20.0
_SMALL_BUFFER = 4096


def _opened(address: Address, sent: bytes = b"", receive_buffer: int | None = None) -> socket.socket:
    made = socket.socket()
    made.settimeout(_CONNECT_SECONDS)
    if receive_buffer is not None:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    made.connect(address)
    with contextlib.suppress(OSError):  # closed before it had said everything, which is as good an answer as any
        made.sendall(sent)
    return made


def head(address: Address, *more: str, path: str = "/digits") -> bytes:
    lines = [f"POST {path} HTTP/1.1", f"host: 127.0.0.1:{address[1]}", "content-type: application/json", *more]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


def silent(address: Address) -> socket.socket:
    """Say nothing at all."""
    return _opened(address)


def half_head(address: Address) -> socket.socket:
    """Begin a head and never end it."""
    return _opened(address, head(address)[:-2] + b"x-more: ")


def slow_body(address: Address) -> socket.socket:
    """Announce a body and send a byte of it."""
    return _opened(address, head(address, "content-length: 1000") + b"{")


def slow_chunk(address: Address) -> socket.socket:
    """Announce a chunk and send half of it."""
    return _opened(address, head(address, "transfer-encoding: chunked") + b"10\r\n{")


def chunk_garbage(address: Address) -> socket.socket:
    """Send what is no chunk."""
    return _opened(address, head(address, "transfer-encoding: chunked") + b"zz\r\n\0\xff\r\n")


def bad_length(address: Address) -> socket.socket:
    """Announce a length that is none."""
    return _opened(address, head(address, "content-length: -5") + b"{}")


def two_lengths(address: Address) -> socket.socket:
    """Announce two lengths."""
    return _opened(address, head(address, "content-length: 2", "content-length: 3") + b"{}")


def smuggled(address: Address) -> socket.socket:
    """Announce a length and chunks too."""
    sent = head(address, "content-length: 4", "transfer-encoding: chunked") + b"0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
    return _opened(address, sent)


def huge_head(address: Address) -> socket.socket:
    """Send a head of 200 KB."""
    return _opened(address, head(address)[:-2] + b"x-more: " + b"a" * 200_000)


def noise(address: Address) -> socket.socket:
    """Speak no HTTP."""
    return _opened(address, bytes(random.Random(7).randbytes(500)) + b"\r\n\r\n")


def pipelined(address: Address) -> socket.socket:
    """Ask fifty times without reading an answer, with garbage at the end."""
    body = b'{"dataframe_records": [{"a": 1}]}'
    return _opened(address, (head(address, f"content-length: {len(body)}") + body) * 50 + b"\0\0\r\n\r\n")


def whole(address: Address) -> socket.socket:
    """Ask properly, and wait."""
    body = b'{"dataframe_records": [{"a": 1}]}'
    return _opened(address, head(address, f"content-length: {len(body)}") + body)


def refused_body(address: Address) -> socket.socket:
    """Be refused, and go on sending the body."""
    return _opened(address, head(address, "content-length: 100000", path="/nobody") + b"x" * 10)


def unread(address: Address) -> socket.socket:
    """Read nothing of a large answer."""
    body = b'{"big": 1}'
    return _opened(address, head(address, f"content-length: {len(body)}") + body, _SMALL_BUFFER)


def cut(address: Address) -> socket.socket:
    """Go away in the middle of a body."""
    made = slow_body(address)
    made.close()
    return made


def odd_type(address: Address) -> socket.socket:
    """Name a content type that is not ASCII."""
    sent = head(address, "content-length: 2").replace(b"application/json", "größe/ü".encode("latin-1")) + b"{}"
    return _opened(address, sent)


KINDS: tuple[Callable[[Address], socket.socket], ...] = (
    silent, half_head, slow_body, slow_chunk, chunk_garbage, bad_length, two_lengths, smuggled, huge_head, noise,
    pipelined, refused_body, unread, cut, odd_type,
)  # fmt: skip


def is_closed(made: socket.socket, timeout_seconds: float) -> bool:
    """Read what is left, and tell whether the other side has closed."""
    made.settimeout(timeout_seconds)
    try:
        while made.recv(1 << 20):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True
