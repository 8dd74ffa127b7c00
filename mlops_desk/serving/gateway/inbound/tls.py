"""TLS between a socket and what answers on it: to the connection behind, it looks like any other transport.

The connection is let in, and held to its deadlines, before anything is said: a handshake that does not come is a
request's head that does not come. Handshakes cost a processor what tens of requests cost, so they are made one for each
turn of the event loop, and whoever is on loopback meanwhile waits for one at most.
"""

import asyncio
import contextlib
import ssl
from collections import deque
from pathlib import Path
from typing import Any, Protocol, cast

_PIECE_BYTES = 64 << 10  # chosen: four of TLS's own records at a time


def server_context(identity: Path) -> ssl.SSLContext:
    """Return what answers handshakes with the key and the certificates of a PEM file. Raises OSError (SSLError).

    TLS 1.2 is the oldest that is spoken; a session is never taken up again without a handshake of its own in 1.2, nor
    renegotiated: both have cost servers dear, and who asks often keeps its connection.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET
    context.num_tickets = 0  # of TLS 1.3, which would be two more messages for each connection
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(identity, password=_no_password)
    return context


def _no_password() -> str:
    """Refuse a key that wants a password: OpenSSL would ask for it on a terminal, and wait."""
    raise ssl.SSLError("the key wants a password")


class Waiting(Protocol):
    """Who waits for a turn to go on with a handshake."""

    def shake(self) -> None:
        """Go on with it."""


class Handshakes:
    """Who waits for a turn of the event loop."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()

    def wait(self, one: Waiting) -> None:
        """Have ``one`` go on when it is its turn."""
        self._waiting.append(one)
        if len(self._waiting) == 1:
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        one = self._waiting.popleft()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._turn)
        one.shake()


class TlsTransport(asyncio.Transport):
    """What the connection behind writes to; ``wire`` is the socket's own transport."""

    def __init__(self, wire: asyncio.Transport, context: ssl.SSLContext) -> None:
        super().__init__()
        self._wire = wire
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_closing = self._has_said_all = False
        self.is_shaken = False

    # What comes, from the protocol.

    def came(self, data: bytes) -> None:
        """Take in what came."""
        self._incoming.write(data)

    def shake(self) -> None:
        """Go on with the handshake, with what came; one that fails ends the connection, and tells why."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError:
            self._flush()
            self.close()
        else:
            self.is_shaken = True
            self._flush()

    def read(self) -> tuple[bytes, bool]:
        """Return what can be read of what came, and whether the other side says that it was all."""
        pieces: list[bytes] = []
        is_end = False
        try:
            while piece := self._tls.read(_PIECE_BYTES):
                pieces.append(piece)
            is_end = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:  # nothing that came after it can be trusted to be the caller's
            self._flush()
            self.abort()
        if self._outgoing.pending:
            self._flush()
        return (pieces[0] if len(pieces) == 1 else b"".join(pieces)), is_end

    # What goes, from the connection.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send; what is said before the handshake can't be, and is left out."""
        if not self.is_shaken or self._has_said_all or self.is_closing():
            return
        try:
            self._tls.write(data)
        except ssl.SSLError:  # it takes whole pieces into memory: whatever failed, the rest would be out of order
            self.abort()
            return
        self._flush()

    def close(self) -> None:
        """Say that it was all, and close once it is sent."""
        if self.is_closing():
            return
        self.write_eof()
        self._is_closing = True
        self._wire.close()

    def write_eof(self) -> None:
        """Say that it was all; what still comes is read."""
        if self.is_shaken and not self._has_said_all:
            self._has_said_all = True
            with contextlib.suppress(ssl.SSLError):  # it wants to hear the other side say so too, which it need not
                self._tls.unwrap()
            self._flush()

    def abort(self) -> None:
        self._is_closing = True
        self._wire.abort()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._wire.is_closing():
            self._wire.write(self._outgoing.read())

    # What the socket's own transport does as it is.

    def is_closing(self) -> bool:
        return self._is_closing or self._wire.is_closing()

    def can_write_eof(self) -> bool:
        return True

    def pause_reading(self) -> None:
        self._wire.pause_reading()

    def resume_reading(self) -> None:
        self._wire.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._wire.get_write_buffer_size()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._wire.set_write_buffer_limits(high, low)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._wire.get_extra_info(name, default)


class TlsProtocol(asyncio.Protocol):
    """What the event loop calls; ``behind`` is the connection that is spoken to in the open."""

    def __init__(self, context: ssl.SSLContext, behind: asyncio.Protocol, handshakes: Handshakes) -> None:
        self._context = context
        self._behind = behind
        self._handshakes = handshakes
        self._transport: TlsTransport = cast("TlsTransport", None)  # before connection_made nothing happens
        self._is_waiting = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = TlsTransport(cast("asyncio.Transport", transport), self._context)
        self._behind.connection_made(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._behind.connection_lost(exc)

    def eof_received(self) -> bool | None:
        """Hand on that no more comes, whether the other side has said so or its connection broke."""
        return self._behind.eof_received() if self._transport.is_shaken else False

    def pause_writing(self) -> None:
        self._behind.pause_writing()

    def resume_writing(self) -> None:
        self._behind.resume_writing()

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        if transport.is_closing():
            return
        transport.came(data)
        if transport.is_shaken:
            self._hand_on()
        elif not self._is_waiting:
            self._is_waiting = True
            transport.pause_reading()  # a request may follow at once, and all of it would be held until the turn comes
            self._handshakes.wait(self)

    def shake(self) -> None:
        """Go on with the handshake: it is this connection's turn."""
        self._is_waiting = False
        transport = self._transport
        if transport.is_closing():
            return
        transport.resume_reading()
        transport.shake()
        if transport.is_shaken:
            self._hand_on()

    def _hand_on(self) -> None:
        transport = self._transport
        data, is_end = transport.read()
        if data and not transport.is_closing():
            self._behind.data_received(data)
        if is_end and not transport.is_closing() and not self._behind.eof_received():
            transport.close()
