"""The gate: what a request is by its head, and whether it may come in. It decides nothing else.

POST /NAME and /NAME/invocations go to a replica, and so does what a table passes on (/NAME/v1/…, /NAME/v2/…);
GET /NAME/ping asks one whether it is well; POST /NAME/feedback goes to the log; GET /NAME/metrics are that endpoint's
counters. /-/… is for the agent, with the token of the state file: a job's container on this machine's network reaches
loopback and has no such token, so it reads nobody's counters.

From the network there is another way in (``Entrance``), with rules of its own: no open endpoints, no counters, no /-/.
"""

import asyncio
import json
import logging
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

from msgspec import Struct

from mlops_desk.kit.base.errors import Invalid, Unavailable
from mlops_desk.kit.base.network import Places
from mlops_desk.serving.gateway.access import Access, LoopbackAccess, NetworkAccess
from mlops_desk.serving.gateway.call import Asks, ModelCall
from mlops_desk.serving.gateway.context import BodyCall, House, Log, OpenEndpoint
from mlops_desk.serving.gateway.deadlines import Deadlines
from mlops_desk.serving.gateway.endpoint_pool import EndpointLane
from mlops_desk.serving.gateway.messages import Answer, Asker, Call, Rejected, RequestHead, busy
from mlops_desk.serving.gateway.outbound.pool import ReplicaPools
from mlops_desk.serving.gateway.routes import EVERYTHING, EndpointRoutes, GatewayLimits, RoutingTable
from mlops_desk.serving.gateway.shadow import Shadows
from mlops_desk.serving.gateway.traffic import BOUNDS_SECONDS, TrafficCounters, together

# The gateway's counters as Prometheus reads them (text format 0.0.4). Pure.
# https://prometheus.io/docs/instrumenting/exposition_formats/
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_EVERY = 12  # of the bounds one in so many: 13 of 146, each three times the one before it
_SHADOW = "shadow_request"
_TYPES = (
    ("requests_total", "counter", "Answered requests by revision and class of status."),
    ("request_seconds", "histogram", "From a request's head to its answer."),
    ("shadow_requests_total", "counter", "Copies that a shadow answered, by revision and class of status."),
    ("shadow_request_seconds", "histogram", "From a copy's sending to the shadow's answer."),
    ("in_flight", "gauge", "Requests that replicas are answering."),
    ("queued", "gauge", "Requests that wait for a place."),
    ("unlogged_total", "counter", "Requests that the request log did not take."),
    ("shadows_dropped_total", "counter", "Copies for a shadow that were left out."),
)


def exposition(lanes: Mapping[str, EndpointLane], unlogged: Mapping[str, int]) -> bytes:
    """Return the text for ``lanes`` by endpoint; ``unlogged`` is what the log dropped by itself."""
    lines: list[str] = []
    for what, kind, text in _TYPES:
        lines += [f"# HELP mlops_desk_gateway_{what} {text}", f"# TYPE mlops_desk_gateway_{what} {kind}"]
        for name, lane in sorted(lanes.items()):
            lines += _lines(what, name, lane, unlogged.get(name, 0))
    return "".join(f"{line}\n" for line in lines).encode()


def _lines(what: str, name: str, lane: EndpointLane, unlogged: int) -> Iterator[str]:
    counted = lane.shadow_counters if what.startswith(_SHADOW) else lane.counters
    if what.endswith("requests_total"):
        for revision, counters in sorted(counted.items()):
            yield from _classes(what, name, revision, counters)
    elif what.endswith("request_seconds"):
        for revision, counters in sorted(counted.items()):
            yield from _histogram(what, name, revision, counters)
    else:
        figures = {
            "in_flight": lane.in_flight,
            "queued": lane.waiting,
            "unlogged_total": lane.unlogged + unlogged,
            "shadows_dropped_total": lane.shadows_dropped,
        }
        yield f'mlops_desk_gateway_{what}{{endpoint="{name}"}} {figures[what]}'


def _classes(what: str, name: str, revision: int, counters: TrafficCounters) -> Iterator[str]:
    for digit, count in enumerate(counters.classes):
        if count:
            labels = f'endpoint="{name}",revision="{revision}",code="{digit}xx"'
            yield f"mlops_desk_gateway_{what}{{{labels}}} {count}"


def _histogram(what: str, name: str, revision: int, counters: TrafficCounters) -> Iterator[str]:
    labels = f'endpoint="{name}",revision="{revision}"'
    reached = 0
    for index, (bound, count) in enumerate(zip(BOUNDS_SECONDS, counters.buckets, strict=False)):
        reached += count
        if index % _EVERY == 0:
            yield f'mlops_desk_gateway_{what}_bucket{{{labels},le="{bound:.6g}"}} {reached}'
    yield f'mlops_desk_gateway_{what}_bucket{{{labels},le="+Inf"}} {counters.requests}'
    yield f"mlops_desk_gateway_{what}_sum{{{labels}}} {counters.seconds:.9g}"
    yield f"mlops_desk_gateway_{what}_count{{{labels}}} {counters.requests}"


# What the gateway says about itself: to the agent as JSON, to Prometheus as text.
class GatewayFigures:
    """The counters of all endpoints."""

    def __init__(self, lanes: Mapping[str, EndpointLane], log: Log, pools: ReplicaPools) -> None:
        self._lanes = lanes
        self._pools = pools
        self._log = log

    async def stats(self, serial: int) -> Answer:
        """Return what the agent reads: the table's serial, each endpoint's counters, what is under way at replicas."""
        counted = {
            name: self._counted(name, lane)
            for name, lane in self._lanes.items()
            if lane.counters or lane.under_way or lane.waiting
        }
        told = {"serial": serial, "endpoints": counted, "replicas": self._pools.in_use}
        return Answer(200, json.dumps(told).encode())

    async def metrics(self, name: str | None) -> Answer:
        """Return the counters of one endpoint, or of all."""
        lanes = {known: lane for known, lane in self._lanes.items() if name in {None, known}}
        unlogged = {known: self._log.unlogged(known) for known in lanes}
        return Answer(200, exposition(lanes, unlogged), CONTENT_TYPE)

    def _counted(self, name: str, lane: EndpointLane) -> dict[str, Any]:
        return {
            **asdict(together(lane.counters.values())),
            "unlogged": lane.unlogged + self._log.unlogged(name),
            "queued": lane.waiting,
            "in_flight": lane.in_flight,
            "under_way": dict(lane.under_way),
            "shadows_dropped": lane.shadows_dropped,
            "shadows": {revision: asdict(counters) for revision, counters in lane.shadow_counters.items()},
            "revisions": {revision: asdict(counters) for revision, counters in lane.counters.items()},
        }


# Calls that are no requests to a model: pings, counters, feedback, what the agent asks.
_log = logging.getLogger(__name__)


class PingCall(ModelCall):
    """Asks a replica whether it is well; neither counted nor logged, and what it says is its status.

    It wakes nobody: what asks every few seconds whether a model is well would keep it awake.
    """

    def start(self, body: bytes) -> None:  # noqa: ARG002 - see below
        if self._entry.is_asleep:
            raise busy(self._entry.endpoint.note or "This endpoint sleeps.")
        super().start(b"")  # a ping is asked for without limit: what came with it is not handed on

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:  # noqa: ARG002 - it is not passed on
        self._end(status, b"")
        if not self._is_gone:
            self.caller.answer(self._signed(Answer(status, b"\n"), self._id))

    def begins(self, status: int, content_type: bytes) -> None:
        self._drop()
        self.whole(status, content_type, b"")

    def _note(self, status: int, body: bytes) -> bytes:  # noqa: ARG002 - it is neither counted nor logged
        return self._id


class LaterCall(BodyCall):
    """Answered by ``work``, which is handed the body and may take its time; the event loop goes on."""

    def __init__(self, house: House, caller: Asker, work: Callable[[bytes], Awaitable[Answer]]) -> None:
        super().__init__(house, caller)
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def start(self, body: bytes) -> None:
        self._task = asyncio.get_running_loop().create_task(self._answer(body))

    async def _answer(self, body: bytes) -> None:
        try:
            answer = await self._work(body)
        except Rejected as rejected:
            answer = rejected.answer
        except Invalid as error:
            answer = Rejected(400, str(error)).answer
        except Exception:  # noqa: BLE001 - whoever asked is answered, whatever bug it was
            _log.exception("A request to the gateway itself ended in an error")
            answer = Rejected(500, "The gateway could not do it; its log says why.").answer
        self.caller.answer(answer)


_SHARE_OF_ONE = 0.75  # of the memory for bodies that one peer may take: a second one always finds room
_PASSED = re.compile(rb"[A-Za-z0-9_~:@+,=-][A-Za-z0-9._~:@+,=-]*(?:/[A-Za-z0-9_~:@+,=-][A-Za-z0-9._~:@+,=-]*)*")
"""Paths that are passed on: no part begins with a dot and nothing is escaped, so that none leads elsewhere."""
_QUERY = re.compile(rb"[!-~]*")
_INVOKES, _PINGS = Asks(b"POST", b"/invocations"), Asks(b"GET", b"/ping")
_OWN = frozenset({b"metrics", b"feedback"})
_TRY = b"try/"
_PAUSED_SECONDS = 30.0  # chosen: a person ends a pause, so nobody need ask every second
_PACKED = "A body is read as it comes, by the model and by the log: send it without Content-Encoding."
TakeFeedback = Callable[[str, bytes], Awaitable[int]]


class _Admitted(Struct, frozen=True):
    """That a head may come in by a table and an access, and what it asks of whom."""

    table: RoutingTable
    access: Access
    entry: OpenEndpoint
    asks: Asks
    length: int


class Proxy:
    """The ``Gate`` and the ``House``.

    ``log`` keeps exchanges, ``roll`` writes them out, ``feedback`` takes rows, ``wake`` rings for an endpoint.
    """

    def __init__(
        self,
        port: int,
        token: str,
        log: Log,
        roll: Callable[[], Awaitable[None]],
        feedback: TakeFeedback,
        held_bytes: int,
        wake: Callable[[str], None] = lambda _name: None,
    ) -> None:
        self.table = RoutingTable()
        self.memory = Places(held_bytes, int(held_bytes * _SHARE_OF_ONE))
        self.shadows = Shadows(ReplicaPools())
        self.log = log
        self.deadlines = Deadlines()
        self._access = LoopbackAccess(port, token)
        self.wake = wake
        self._roll = roll
        self._feedback = feedback
        self._entries: dict[bytes, OpenEndpoint] = {}
        self._by_name: dict[str, OpenEndpoint] = {}
        self._lanes: dict[str, EndpointLane] = {}
        self._figures = GatewayFigures(self._lanes, log, self.shadows.pools)

    @property
    def limits(self) -> GatewayLimits:
        """Return the limits of the newest table."""
        return self.table.limits

    def entry(self, name: str) -> OpenEndpoint | None:
        """Return the endpoint of a name, by the newest table."""
        return self._by_name.get(name)

    def follow(self, table: RoutingTable) -> None:
        """Route by ``table`` from now on; requests under way end as they began."""
        self.table = table
        entries: dict[bytes, OpenEndpoint] = {}
        addresses: set[str] = set()
        for name, endpoint in table.endpoints.items():
            lane = self._lane(name, endpoint)
            entries[name.encode()] = OpenEndpoint(name, endpoint, lane)
            shadow = endpoint.shadow.addresses if endpoint.shadow else ()
            addresses.update(shadow, *(route.addresses for route in endpoint.routes))
        self._entries, self._by_name = entries, {entry.name: entry for entry in entries.values()}
        for name in self._lanes.keys() - table.endpoints.keys():
            del self._lanes[name]
        for entry in entries.values():  # only now: whoever has waited for a place goes by the new table
            entry.lane.follow(entry.endpoint, table.limits, is_asleep=entry.is_asleep)
        self.shadows.pools.follow(frozenset(addresses))

    def _lane(self, name: str, endpoint: EndpointRoutes) -> EndpointLane:
        """Return what is kept of an endpoint; the next one of its name begins with nothing."""
        known = self._entries.get(name.encode())
        if known is not None and known.endpoint.log == endpoint.log:
            return known.lane
        lane = self._lanes[name] = EndpointLane()
        return lane

    def open(self, head: RequestHead, caller: Asker) -> Call:
        """Return the call that a request is by its head, from this machine. Raises Rejected."""
        return self.admit(head, caller, self._access)

    def admit(self, head: RequestHead, caller: Asker, access: Access) -> Call:
        """Return the call that a request is by its head, let in by the rules of its way in. Raises Rejected."""
        known = head.admitted
        if isinstance(known, _Admitted) and known.table is self.table and known.access is access:
            return self._ask(head, caller, known)
        access.check_origin(head.headers)
        if head.headers.get(b"expect", b"100-continue").lower() != b"100-continue":
            raise Rejected(417, "Of expectations only 100-continue is met.")
        if head.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise Rejected(415, _PACKED, headers=b"accept-encoding: identity\r\n")
        path, _, query = access.path(head.target).partition(b"?")
        name, _, rest = path.strip(b"/").partition(b"/")
        if name == b"-":
            return self._control(head, rest, caller, access)
        entry = self._let_in(self._entries.get(name), head, access)
        if rest in {b"", b"invocations"}:
            _only(b"POST", head)
            return self._ask(head, caller, self._remembered(head, access, entry, _INVOKES))
        if _is_passed(entry, rest):
            return self._ask(head, caller, self._remembered(head, access, entry, _passing(head, rest, query)))
        return self._aside(entry, head, rest, caller, access)

    def _remembered(self, head: RequestHead, access: Access, entry: OpenEndpoint, asks: Asks) -> "_Admitted":
        """Note that this head may come in, by the table and the access of now: who comes with it again is let in."""
        length = int(head.headers.get(b"content-length", b"0"))
        head.admitted = admitted = _Admitted(self.table, access, entry, asks, length)
        return admitted

    def _ask(self, head: RequestHead, caller: Asker, admitted: "_Admitted") -> Call:
        entry = admitted.entry
        _check_pause(entry)
        return self._checked(ModelCall(self, entry, head, caller, admitted.asks), entry, admitted.length)

    def tidy(self) -> None:
        """Let go of what has been kept for long, and tell again of who waits; called twice a second."""
        self.shadows.pools.tidy()
        for entry in self._entries.values():
            if entry.is_asleep and entry.lane.waiting:
                self.wake(entry.name)

    def _let_in(self, entry: OpenEndpoint | None, head: RequestHead, access: Access) -> OpenEndpoint:
        try:
            access.check_token(None if entry is None else entry.endpoint, head.headers)
        except Rejected as rejected:
            if entry is not None:
                entry.lane.count(0, rejected.answer.status, 0.0)
            raise
        if entry is None:
            raise Rejected(404, "No endpoint has this address.")
        return entry

    def _checked(self, call: ModelCall, entry: OpenEndpoint, length: int) -> Call:
        """Return a call to a model, unless it is one too many or says already that it is too large. Raises Rejected."""
        if wait := entry.lane.wait_seconds():
            entry.lane.count(0, 429, 0.0)
            raise Rejected(429, "This endpoint is asked more often than it may be.", retry=wait)
        if length > self.limits.body_bytes:
            rejected = Rejected(413, f"A request may have {self.limits.body_bytes} bytes.")
            rejected.answer = call.refuse(rejected.answer)
            raise rejected
        return call

    def _aside(self, entry: OpenEndpoint, head: RequestHead, rest: bytes, caller: Asker, access: Access) -> Call:
        """Return the call for what is about an endpoint, and is none of its requests. Raises Rejected."""
        if rest == b"ping":
            _only(b"GET", head)
            _check_pause(entry)
            return PingCall(self, entry, head, caller, _PINGS)
        if rest == b"metrics":
            _only(b"GET", head)
            access.check_counters()
            return LaterCall(self, caller, lambda _: self._figures.metrics(entry.name))
        if rest == b"feedback":
            _only(b"POST", head)
            return LaterCall(self, caller, partial(self._take_feedback, entry.name))
        raise Rejected(404, "No endpoint has this address.")

    async def _take_feedback(self, name: str, body: bytes) -> Answer:
        try:
            rows = await self._feedback(name, body)
        except Unavailable as error:
            raise busy(str(error)) from error
        return Answer(200, b'{"rows": %d}' % rows)

    def _control(self, head: RequestHead, what: bytes, caller: Asker, access: Access) -> Call:
        access.check_agent(head.headers)
        if (head.method, what) == (b"POST", b"roll"):
            return LaterCall(self, caller, self._roll_now)
        if (head.method, what) == (b"GET", b"stats"):
            return LaterCall(self, caller, lambda _: self._figures.stats(self.table.serial))
        if (head.method, what) == (b"GET", b"metrics"):
            return LaterCall(self, caller, lambda _: self._figures.metrics(None))
        if head.method == b"POST" and what.startswith(_TRY):
            return self._try(head, what.removeprefix(_TRY), caller)
        raise Rejected(404, "There is nothing here.")

    def _try(self, head: RequestHead, name: bytes, caller: Asker) -> Call:
        """Return the call of a request that the agent sends on its owner's behalf: it needs none of the tokens."""
        name, _, rest = name.partition(b"/")
        entry = self._entries.get(name)
        if entry is None:
            raise Rejected(404, "No endpoint has this address.")
        is_own = rest in {b"", b"invocations"}
        asks = _INVOKES if is_own else _passing(head, rest, b"")
        length = int(head.headers.get(b"content-length", b"0"))
        return self._checked(ModelCall(self, entry, head, caller, asks, is_try=True), entry, length)

    async def _roll_now(self, _body: bytes) -> Answer:
        await self._roll()
        return await self._figures.stats(self.table.serial)


class Entrance:
    """The ``Gate`` of who comes from other machines. ``access`` is exchanged when the certificate's names change."""

    def __init__(self, proxy: Proxy, access: NetworkAccess) -> None:
        self._proxy = proxy
        self.access = access

    def open(self, head: RequestHead, caller: Asker) -> Call:
        """Return the call that a request is by its head. Raises Rejected."""
        return self._proxy.admit(head, caller, self.access)


def _is_passed(entry: OpenEndpoint, rest: bytes) -> bool:
    """Tell whether a path goes to the replica as it is; where all do, the gateway's own come first."""
    passes = entry.endpoint.passes
    return rest.partition(b"/")[0].decode("latin-1") in passes or (EVERYTHING in passes and rest not in _OWN)


def _check_pause(entry: OpenEndpoint) -> None:
    """Turn a caller away while an endpoint is paused, which is none of its errors. Raises Rejected."""
    if entry.endpoint.paused is not None:
        raise Rejected(503, entry.endpoint.paused, retry=_PAUSED_SECONDS)


def _only(method: bytes, head: RequestHead) -> None:
    if head.method != method:
        raise Rejected(405, f"Only {method.decode()} is answered here.", headers=b"allow: %b\r\n" % method)


def _passing(head: RequestHead, rest: bytes, query: bytes) -> Asks:
    """Return what a replica is asked by a request that is passed on with its path. Raises Rejected."""
    if head.method not in {b"GET", b"POST"}:
        raise Rejected(405, "Only GET and POST are answered here.", headers=b"allow: GET, POST\r\n")
    if not _PASSED.fullmatch(rest) or not _QUERY.fullmatch(query):
        raise Rejected(404, "No endpoint has this address.")
    return Asks(head.method, b"/%b?%b" % (rest, query) if query else b"/%b" % rest)
