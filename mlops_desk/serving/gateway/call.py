"""One request to a model on its way: a place, a replica, its answer to the caller, counted and logged.

Nothing here waits: each step is called by the one before it, by a timer, or by the connection that something came on.
"""

import os
import random
import re
import time
import zlib
from typing import TYPE_CHECKING

from msgspec import Struct

from mlops_desk.serving.gateway.context import BodyCall, House, OpenEndpoint
from mlops_desk.serving.gateway.messages import JSON_TYPE, Answer, Asker, Rejected, RequestHead, broken, busy
from mlops_desk.serving.gateway.outbound.pool import Errand, NotConnected
from mlops_desk.serving.gateway.outbound.question import Question
from mlops_desk.serving.gateway.routes import Route, sticky_point
from mlops_desk.serving.gateway.shadow import ShadowAnswer
from mlops_desk.serving.gateway.spool import Exchange

if TYPE_CHECKING:
    from mlops_desk.serving.gateway.deadlines import DeadlineLine

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_STREAM_LOGGED_BYTES = 256 << 10  # chosen: what is logged of an answer that comes in pieces
_IDS = 1 << 32  # of CRC-32
_ID_BYTES, _IDS_AT_ONCE = 16, 256  # as much chance as a UUID has; a call to the kernel for so many
_GONE = 499  # nginx's own, for a caller who went away before there was an answer


class Asks(Struct, frozen=True):
    """What a replica is asked, but for the body."""

    method: bytes
    path: bytes


class _Ids:
    """Ids of requests, from the kernel's chance."""

    def __init__(self) -> None:
        self._made = b""
        self._at = 0

    def next(self) -> bytes:
        """Return one, which was never given before."""
        if self._at == len(self._made):
            self._made, self._at = os.urandom(_ID_BYTES * _IDS_AT_ONCE).hex().encode(), 0
        start = self._at
        self._at = end = start + 2 * _ID_BYTES
        return self._made[start:end]


_ids = _Ids()


class ModelCall(BodyCall):
    """A request that a model answers. ``asks`` is what the replica is asked.

    One that ``is_try`` is no traffic: it is always logged, as what it is, counted nowhere, and no shadow
    gets a copy.
    """

    def __init__(
        self,
        house: House,
        entry: OpenEndpoint,
        head: RequestHead,
        caller: Asker,
        asks: Asks,
        *,
        is_try: bool = False,
    ) -> None:
        super().__init__(house, caller)
        self._is_try = is_try
        self._entry = entry
        self._headers = head.headers
        self._asks = asks
        self._received_at, self._started = time.time(), time.monotonic()
        given = head.headers.get(b"x-request-id", b"")
        self._id = given if given and _REQUEST_ID.fullmatch(given) else _ids.next()
        self._body = b""
        self._route: Route | None = None
        self._question: Question | None = None
        self._errand: Errand | None = None
        self._deadline: DeadlineLine | None = None
        self._is_waiting = self._has_place = self._is_over = self._is_gone = False
        self._answer_bytes = self._status = 0
        self._pieces: list[bytes] = []
        self._logged_bytes = 0

    # From the connection.

    def start(self, body: bytes) -> None:
        """Go to a replica, or wait for a place at one: it is taken by a whole request only. Raises Rejected."""
        self._body = body
        if self._entry.lane.enter(self):
            self.go()
            return
        self._is_waiting = True
        is_asleep = self._entry.is_asleep
        seconds = self._entry.endpoint.hold_seconds if is_asleep else self.house.limits.queue_seconds
        self._deadline = self.house.deadlines.begin(self, seconds)
        if is_asleep:
            self.house.wake(self._entry.name)

    @property
    def ends_with_caller(self) -> bool:
        """Return whether it waits, or is passed on in pieces: most who send no more then have gone."""
        return self._is_waiting or self._status != 0

    def refuse(self, answer: Answer) -> Answer:
        """Count and log a request that ends with an answer of the gateway's own."""
        self._is_over = True
        return self._signed(answer, self._note(answer.status, answer.body))

    def pause(self) -> None:
        if self._errand is not None:
            self._errand.pause()

    def resume(self) -> None:
        if self._errand is not None:
            self._errand.resume()

    def abandon(self) -> None:
        """End what is in pieces or waits; a model that has the request already answers it, for the log."""
        if self._is_over:
            self.release()
            return
        self._is_gone = True
        if self._is_waiting:
            self._entry.lane.give_up(self)
            self._end(_GONE, b"")
        elif self._status:
            self._drop()
            self._end(self._status, b"".join(self._pieces))
        elif not self._has_place:  # its body was still coming
            self._end(_GONE, b"")

    # From the lane.

    def go(self) -> None:
        """Ask a replica: there is a place. Routes are the newest ones, whatever they were when the request came."""
        self._has_place, self._is_waiting = True, False
        self._end_deadline()
        newest = self.house.entry(self._entry.name)
        if newest is not None and newest.is_another(self._entry):
            self._reject(busy("This endpoint was removed while the request waited."))
            return
        entry = self._entry = newest or self._entry
        route = self._route = entry.split.at(self._point())
        if route is None:
            self._reject(busy(entry.endpoint.note or "No replica of this endpoint is up."))
            return
        entry.lane.under_way[route.revision] += 1
        self._deadline = self.house.deadlines.begin(self, entry.endpoint.timeout_seconds)
        method, path = self._asks.method, self._asks.path
        kind = self._headers.get(b"content-type", JSON_TYPE)
        self._question = Question(method, path, self._body, kind, b"x-request-id: %b\r\n" % self._id)
        self._errand = Errand(self.house.shadows.pools, route.addresses, self._question, self)
        self._errand.go()

    def _point(self) -> float:
        header = self._entry.sticky_header
        key = None if header is None else self._headers.get(header)
        if key is None:
            return random.random()  # noqa: S311 - a share of traffic, not a secret
        return sticky_point(key.decode("latin-1"))

    # From deadlines.

    def late(self) -> None:
        """End a request that has waited too long for a place; or has got no answer, or no piece of one, in time."""
        if self._is_waiting:
            self._waited()
            return
        self._drop()
        seconds = self._entry.endpoint.timeout_seconds
        self.failed(Rejected(504, f"No answer within {seconds:g} s."))

    def _end_deadline(self) -> None:
        deadline, self._deadline = self._deadline, None
        if deadline is not None:
            deadline.end(self)

    def _waited(self) -> None:
        self._entry.lane.give_up(self)
        self._is_waiting = False
        entry = self.house.entry(self._entry.name) or self._entry
        note = entry.endpoint.note if entry.is_asleep else None
        self._reject(busy(note or "Too many requests at once."))

    # The Taker.

    def hold(self, amount: int) -> None:
        """Take memory for an answer, up to the limit. One that comes in pieces is only counted: it is passed on."""
        self._answer_bytes += amount
        limit = self.house.limits.answer_bytes
        if self._answer_bytes > limit:
            raise broken(f"The model answered with more than {limit} bytes.")
        if not self._is_gone and not self._status:
            super().hold(amount)

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:
        """Count, log and send a whole answer."""
        answer = Answer(status, body, content_type)
        headers = self._end(status, body)
        if not self._is_gone:
            self.caller.answer(self._signed(answer, headers))
        self._send_shadow()

    def begins(self, status: int, content_type: bytes) -> None:
        """Begin to send an answer that comes in pieces."""
        self._status = status
        if self._is_gone:  # nobody reads it: the model need not go on
            self._drop()
            self._end(_GONE, b"")
            return
        self.caller.stream(self._signed(Answer(status, b"", content_type), self._id))

    def piece(self, data: bytes) -> None:
        """Pass a piece on; its caller may take its time, the model has as long for the next one as for the first."""
        if self._logged_bytes < _STREAM_LOGGED_BYTES:
            self._pieces.append(data[: _STREAM_LOGGED_BYTES - self._logged_bytes])
            self._logged_bytes += len(data)
        if self._deadline is not None:
            self._deadline.again(self)
        self.caller.piece(data)

    def ended(self) -> None:
        self._end(self._status, b"".join(self._pieces))
        self.caller.end_stream()
        self._send_shadow()

    def failed(self, error: Exception) -> None:
        """Answer for a model that has not; what came in pieces is broken off, so that nobody takes it for whole."""
        if isinstance(error, Rejected):
            self._reject(error)
        elif isinstance(error, NotConnected):
            self._reject(busy("No replica of this endpoint is up."))
        else:
            self._reject(broken("The model's container broke off."))

    # The end.

    def _reject(self, rejected: Rejected) -> None:
        answer = rejected.answer
        has_begun = self._status != 0
        headers = self._end(answer.status, b"".join(self._pieces) if has_begun else answer.body)
        if self._is_gone:
            return
        if has_begun:
            self.caller.break_off()
        else:
            self.caller.answer(self._signed(answer, headers))

    def _end(self, status: int, body: bytes) -> bytes:
        """Give the place back, count and log; return the request's id."""
        self._is_over = True
        self._end_deadline()
        self._errand = None
        if self._has_place:
            self._has_place = False
            if self._route is not None:
                self._entry.lane.under_way[self._route.revision] -= 1
            self._entry.lane.leave(self.peer)
        if self._is_gone:
            self.release()
        return self._note(status, body)

    def _drop(self) -> None:
        if self._errand is not None:
            self._errand.drop()

    def _note(self, status: int, body: bytes) -> bytes:
        """Count the request, unless it is a try, and log it; return its id."""
        revision = 0 if self._route is None else self._route.revision
        latency = time.monotonic() - self._started
        if not self._is_try:  # a person's wrong body is no error of a canary's
            self._entry.lane.count(revision, status, latency)
        self._log(revision, status, self._received_at, latency, body, is_shadow=False)
        return self._id

    def _log(
        self, revision: int, status: int, received_at: float, latency: float, body: bytes, *, is_shadow: bool
    ) -> None:
        sample = self._entry.endpoint.sample
        is_left_out = sample < 1.0 and zlib.crc32(self._id) >= sample * _IDS  # by the id: a shadow's row has its like
        if is_left_out and not self._is_try:
            return
        kind = self._headers.get(b"content-type", JSON_TYPE).decode("latin-1")
        kept = Exchange(
            request_id=self._id.decode(), received_at=received_at, revision=revision, status=status,
            latency_seconds=latency, content_type=kind, body=self._body, answer=body, is_shadow=is_shadow,
            is_try=self._is_try,
        )  # fmt: skip
        newest = self.house.entry(self._entry.name)
        if (newest is not None and newest.is_another(self._entry)) or not self.house.log.keep(self._entry.name, kept):
            self._entry.lane.unlogged += 1

    def _signed(self, answer: Answer, request_id: bytes) -> Answer:
        """Put the request's id and the revision on an answer."""
        revision = 0 if self._route is None else self._route.revision
        answer.headers += b"x-request-id: %b\r\nx-mlops-desk-revision: %d\r\n" % (request_id, revision)
        return answer

    def _send_shadow(self) -> None:
        """Send a copy to the shadow, now that the caller has the answer."""
        shadow = self._entry.endpoint.shadow
        if shadow is None or self._question is None or self._is_try:
            return
        is_sent = self.house.shadows.send(shadow, self._question, self._entry.endpoint.timeout_seconds, self._shadowed)
        self._entry.lane.shadows_dropped += not is_sent

    def _shadowed(self, said: ShadowAnswer) -> None:
        self._entry.lane.count_shadow(said.revision, said.status, said.latency_seconds)
        self._log(said.revision, said.status, said.received_at, said.latency_seconds, said.body, is_shadow=True)
