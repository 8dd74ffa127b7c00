"""The gate: what a request is by its head, and whether it may come in. It decides nothing else.

POST /NAME and /NAME/invocations go to a replica, and so does what a table passes on (/NAME/v1/…, /NAME/v2/…);
GET /NAME/ping asks one whether it is well; POST /NAME/feedback goes to the log; GET /NAME/metrics are that endpoint's
counters. /-/… is for the agent, with the token of the state file: a job's container on this machine's network reaches
loopback and has no such token, so it reads nobody's counters.

From the network there is another way in (``Entrance``), with rules of its own: no open endpoints, no counters, no /-/.
"""

import re
from collections.abc import Awaitable, Callable
from functools import partial

from msgspec import Struct

from mlops_desk.base.errors import Unavailable
from mlops_desk.base.network.places import Places
from mlops_desk.serving.gateway.access import Access, LoopbackAccess, NetworkAccess
from mlops_desk.serving.gateway.call import Asks, ModelCall
from mlops_desk.serving.gateway.deadlines import Deadlines
from mlops_desk.serving.gateway.figures import GatewayFigures
from mlops_desk.serving.gateway.house import Log, OpenEndpoint
from mlops_desk.serving.gateway.inquiries import LaterCall, PingCall
from mlops_desk.serving.gateway.lane import EndpointLane
from mlops_desk.serving.gateway.messages import Answer, Asker, Call, Rejected, RequestHead, busy
from mlops_desk.serving.gateway.outbound.pool import ReplicaPools
from mlops_desk.serving.gateway.routes import EVERYTHING, EndpointRoutes, GatewayLimits, RoutingTable
from mlops_desk.serving.gateway.shadow import Shadows

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
