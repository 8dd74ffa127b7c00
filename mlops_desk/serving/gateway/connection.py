"""A caller's connection, held to deadlines: who keeps the gateway waiting is answered 408 and closed.

uvicorn ends a connection only between two requests. Here the head of a request has a deadline too, and
an answer that nobody reads; the body's deadlines are in ``exchange``, where there is an answer to give.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from enum import Enum
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from mlops_desk.base.peers import Peers
from mlops_desk.serving.gateway.admission import Admission
from mlops_desk.serving.gateway.routes import GatewayLimits

_log = logging.getLogger(__name__)

_SWEEP_SECONDS = 1.0  # one timer for all connections, instead of one for each request; deadlines are whole seconds
_TELL_SECONDS = 60.0  # chosen: a flood must not fill the log
PEER = "mlops_desk.peer"
"""Where an application finds the peer's name in the scope's state."""


class ConnectionPhase(Enum):
    """What a connection is at."""

    HEAD = "owes a request's head, or the rest of a body that was refused"
    BODY = "owes a request's body"
    WORK = "is being answered"
    UNREAD = "does not read its answer as fast as it comes"
    REST = "was answered and has sent nothing since"


class Warden:
    """Lets connections in and ends those that are late by ``limits``.

    Looks once a second, and only while there are any.
    """

    def __init__(self, peers: Peers, limits: Callable[[], GatewayLimits], most: int, most_of_one: int) -> None:
        self._peers = peers
        self.limits = limits
        self._admission: Admission[GatewayConnection] = Admission(most, most_of_one)
        self._open: set[GatewayConnection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._told_at = -_TELL_SECONDS

    def enter(self, connection: "GatewayConnection") -> str | None:
        """Take a new connection in; return its peer's name, or None when there is no place for it."""
        peer = self._peers.name(connection.client)
        is_in, victim = self._admission.enter(connection, peer)
        if victim is not None or not is_in:
            self._tell(peer)
        if victim is not None:
            victim.end(b"503 Service Unavailable", "Too many connections wait here: this one waited longest.")
        if not is_in:
            return None
        self._open.add(connection)
        if self._timer is None:
            self._timer = connection.loop.call_later(_SWEEP_SECONDS, self._sweep, connection.loop)
        return peer

    def note(self, connection: "GatewayConnection", phase: ConnectionPhase) -> None:
        """Take in that a connection has gone on to another phase."""
        if phase is ConnectionPhase.WORK:
            self._admission.works(connection)
        elif phase is ConnectionPhase.REST:
            self._admission.rests(connection)
        else:
            self._admission.owes(connection)

    def leave(self, connection: "GatewayConnection") -> None:
        self._admission.leave(connection)
        self._open.discard(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now, limits = time.monotonic(), self.limits()
        for connection in list(self._open):
            connection.check(now, limits)
        self._timer = loop.call_later(_SWEEP_SECONDS, self._sweep, loop) if self._open else None

    def _tell(self, peer: str) -> None:
        now = time.monotonic()
        if now - self._told_at >= _TELL_SECONDS:
            self._told_at = now
            _log.warning("%s connections are open, %s asks for more: those that wait longest are closed",
                         len(self._admission), peer)  # fmt: skip


class GatewayConnection(H11Protocol):
    """uvicorn's connection under a ``warden``."""

    def __init__(self, warden: Warden, **given: Any) -> None:
        super().__init__(**given)
        self._warden = warden
        self._phase = ConnectionPhase.HEAD
        self._since = self._moved_at = time.monotonic()
        self._unsent = 0
        self._begun: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn has a Transport where asyncio has its base class
        super().connection_made(transport)
        self.timeout_keep_alive = self._warden.limits().rest_seconds
        peer = self._warden.enter(self)
        if peer is None:
            self.end(b"503 Service Unavailable", "Too many connections at once.")
            return
        self.app_state = {**self.app_state, PEER: peer}

    def connection_lost(self, exc: Exception | None) -> None:
        self._warden.leave(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        super().data_received(data)
        self._note()

    def handle_events(self) -> None:
        try:
            super().handle_events()
        except h11.LocalProtocolError:  # garbage after an answer: there is no request that could be refused
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._note()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._note()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._note()

    def check(self, now: float, limits: GatewayLimits) -> None:
        """End the connection if it is late."""
        seconds = limits.head_seconds
        if self._unread_seconds(now) >= limits.unread_seconds:
            self.transport.abort()
        elif self._phase is ConnectionPhase.HEAD and now - self._since >= seconds and not self.transport.is_closing():
            self.end(b"408 Request Timeout", f"The request's head did not come within {seconds:g} s.")

    def end(self, status: bytes, text: str) -> None:
        """Say why and close, or break off an answer that is on its way."""
        if self._is_answering():
            self.transport.abort()
            return
        body = text.encode()
        head = b"HTTP/1.1 %s\r\ncontent-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (status, len(body)) + body)
        self.transport.close()

    def _is_answering(self) -> bool:
        if self.transport.get_write_buffer_size() > 0:
            return True
        cycle = self._cycle
        return cycle is not None and cycle.response_started and not cycle.response_complete

    def _unread_seconds(self, now: float) -> float:
        """Return for how long an answer has lain there and nothing was read of it, also while its connection closes."""
        unsent = self.transport.get_write_buffer_size()
        if unsent == 0 or unsent != self._unsent:
            self._unsent, self._moved_at = unsent, now
        return now - self._moved_at

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The newest request; uvicorn has None here before the first, and does not say so."""
        return self.cycle

    def _note(self) -> None:
        phase = self._current()
        if phase is not self._phase or self.cycle is not self._begun:
            self._phase, self._begun, self._since = phase, self.cycle, time.monotonic()
            self._warden.note(self, phase)

    def _current(self) -> ConnectionPhase:
        if self.flow.write_paused:
            return ConnectionPhase.UNREAD
        cycle = self._cycle
        if cycle is not None and not cycle.response_complete:
            return ConnectionPhase.BODY if cycle.more_body else ConnectionPhase.WORK
        is_between = self.conn.their_state is h11.IDLE and not self.conn.trailing_data[0]
        return ConnectionPhase.REST if is_between and cycle is not None else ConnectionPhase.HEAD
