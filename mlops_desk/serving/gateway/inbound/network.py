"""The way in from other machines: opened, moved and closed as the routing table says, while requests go on.

A port that can't be had is told, and tried again: whoever has it may go. What the table names is the one thing that
listens: where it has moved, the earlier place is given up first, for both may be of one port.
"""

import asyncio
import contextlib
import ipaddress
import logging
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, cast

from mlops_desk.base.peers import UNKNOWN, Address, Peers
from mlops_desk.serving.gateway.access import NetworkAccess
from mlops_desk.serving.gateway.inbound.connection import GatewayConnection
from mlops_desk.serving.gateway.inbound.tls import Handshakes, TlsProtocol, server_context
from mlops_desk.serving.gateway.inbound.warden import Warden
from mlops_desk.serving.gateway.proxy import Entrance, Proxy
from mlops_desk.serving.gateway.routes import NetworkListening, NetworkState

if TYPE_CHECKING:
    import ssl

_log = logging.getLogger(__name__)
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
