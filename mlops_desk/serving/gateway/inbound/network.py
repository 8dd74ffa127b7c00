"""The way in from other machines: opened, moved and closed as the routing table says, while requests go on.

A port that can't be had is told, and tried again: whoever has it may go. What the table names is the one thing that
listens: where it has moved, the earlier place is given up first, for both may be of one port.

TLS between a socket and what answers on it: to the connection behind, it looks like any other transport.

The connection is let in, and held to its deadlines, before anything is said: a handshake that does not come is a
request's head that does not come. Handshakes cost a processor what tens of requests cost, so they are made one for each
turn of the event loop, and whoever is on loopback meanwhile waits for one at most.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
import ssl
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, cast

from mlops_desk.kit.base.peers import UNKNOWN, Address, Peers
from mlops_desk.serving.gateway.access import NetworkAccess
from mlops_desk.serving.gateway.inbound.connection import GatewayConnection
from mlops_desk.serving.gateway.inbound.connection_guard import Warden
from mlops_desk.serving.gateway.proxy import Entrance, Proxy
from mlops_desk.serving.gateway.routes import NetworkListening, NetworkState

_log = logging.getLogger(__name__)

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


_AGAIN_SECONDS = 2.0  # chosen: how late a port that has become free is taken; a try is three system calls
_LAST_SECONDS = 5.0  # chosen: what requests under way have left where the gateway listens no more
_NETWORK_BITS = 64  # of an IPv6 address: the rest is given out freely by whoever has the first half (RFC 4291)


class NetworkPeers:
    """Names who comes from the network: by address, and a user of this machine by its user."""

    def __init__(self, peers: Peers) -> None:
        self._peers = peers

    def name(self, peer: Address | None, here: Address | None = None) -> str:
        """Return whose share a connection counts for; ``here`` is where it was accepted."""
        if peer is None or here is None:
            return UNKNOWN
        found, met = _plain_address(peer[0]), _plain_address(here[0])
        if isinstance(found, ipaddress.IPv6Address) and found != met and not found.is_loopback:
            return f"address {ipaddress.ip_network((found, _NETWORK_BITS), strict=False)}"
        return self._peers.name((str(found), peer[1]), (str(met), here[1]))


def _plain_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address without its zone; one of IPv4 that came to a socket of IPv6 as what it is."""
    found = ipaddress.ip_address(text.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


class NetworkDoor:
    """Follows the table's ``network``. ``room`` makes the warden of a place, ``tell`` hears what became of it."""

    def __init__(
        self,
        proxy: Proxy,
        room: Callable[[], Warden],
        tell: Callable[[NetworkState | None], None],
        backlog: int,
        held: socket.socket | None = None,
    ) -> None:
        """Go on with the socket that the agent has ``held``, where the table still wants it."""
        self._room = room
        self._tell = tell
        self._backlog = backlog
        self._held = held
        self._entrance = Entrance(proxy, NetworkAccess(()))
        self._handshakes = Handshakes()
        self._wanted: NetworkListening | None = None
        self._changed = asyncio.Event()
        self._changed.set()
        self._state: NetworkState | None = None
        self._server: asyncio.Server | None = None
        self._warden: Warden | None = None
        self._context: ssl.SSLContext | None = None
        self._known = ""  # the identity that the context is made of

    @property
    def listening(self) -> socket.socket | None:
        """The socket that listens; None where none does."""
        return None if self._server is None else self._held

    def follow(self, wanted: NetworkListening | None) -> None:
        """Go by what a new table says. Does not wait."""
        if wanted != self._wanted:
            self._wanted = wanted
            self._changed.set()

    async def run(self) -> None:
        """Bring about what is wanted, until it is cancelled."""
        while True:
            trouble = self._state is not None and self._state.error is not None
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), _AGAIN_SECONDS if trouble else None)
            self._changed.clear()
            await self._bring_about(self._wanted)

    async def finish(self, seconds: float) -> None:
        """Listen no more; requests under way have so long."""
        if self._server is not None:
            self._server.close()
            self._server = None
        if self._warden is not None:
            await self._warden.finish(seconds)

    async def _bring_about(self, wanted: NetworkListening | None) -> None:
        if wanted is None or not _is_at(self._held, wanted):
            await self._give_up()
        if wanted is None:
            self._say(None)
            return
        error = self._identify(wanted)
        if self._server is None and self._context is not None:
            error = await self._open(wanted) or error
        self._say(NetworkState(wanted.address, wanted.port, self._known, error))

    async def _give_up(self) -> None:
        """Let the socket go, and who came by it, whose requests under way are answered first."""
        server, self._server = self._server, None
        warden, self._warden = self._warden, None
        held, self._held = self._held, None
        if held is not None:
            with contextlib.suppress(OSError):  # it may not listen yet
                held.shutdown(socket.SHUT_RDWR)  # also where the agent holds it: nobody waits there for an answer
        if server is not None:
            server.close()
        if held is not None:
            held.close()
        if warden is not None:
            ending = asyncio.create_task(warden.finish(_LAST_SECONDS))
            ending.add_done_callback(_ended)

    def _identify(self, wanted: NetworkListening) -> str | None:
        """Take the wanted certificate for who comes from now on; return what is wrong with it: the last one stays."""
        if self._context is None or wanted.identity != self._known:
            try:
                self._context = server_context(Path(wanted.identity))
            except OSError as error:  # SSLError too
                return f"The certificate can't be used: {error.strerror or error}."
            self._known = wanted.identity
        self._entrance.access = NetworkAccess(wanted.names)
        return None

    async def _open(self, wanted: NetworkListening) -> str | None:
        """Listen; return why that can't be."""
        try:
            listening = self._held or _bound(wanted)
            self._held = listening
            listening.listen(self._backlog)
            self._warden = warden = self._room()
            self._server = await asyncio.get_running_loop().create_server(
                lambda: self._connection(warden), sock=listening, backlog=self._backlog
            )
        except OSError as error:
            await self._give_up()
            return f"Port {wanted.port} of {wanted.address} can't be had: {error.strerror or error}."
        _log.info("Gateway listens on %s port %s, with TLS", wanted.address, wanted.port)
        return None

    def _connection(self, warden: Warden) -> asyncio.Protocol:
        return TlsProtocol(
            cast("ssl.SSLContext", self._context), GatewayConnection(self._entrance, warden), self._handshakes
        )

    def _say(self, state: NetworkState | None) -> None:
        if state != self._state:
            self._state = state
            if state is not None and state.error is not None:
                _log.warning("Not reached from the network: %s", state.error)
            self._tell(state)


def _ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        _log.error("Connections could not be ended", exc_info=task.exception())


def _is_at(held: socket.socket | None, wanted: NetworkListening) -> bool:
    """Tell whether a socket is where it is wanted."""
    if held is None:
        return False
    address, port, *_ = held.getsockname()  # of IPv6 there are two words more
    return (ipaddress.ip_address(address), port) == (ipaddress.ip_address(wanted.address), wanted.port)


def _bound(wanted: NetworkListening) -> socket.socket:
    """Return a socket at that place; that of all addresses of IPv6 takes callers of IPv4 too. Raises OSError."""
    is_six = ":" in wanted.address
    family = socket.AF_INET6 if is_six else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_six:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.bind((wanted.address, wanted.port))
    except BaseException:
        opened.close()
        raise
    return opened
