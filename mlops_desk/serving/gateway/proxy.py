"""The gateway's application: who may ask, which replica answers, what is counted and logged. It decides nothing else.

A bare ASGI application, because it stands in the path of every request. POST /NAME and
/NAME/invocations go to a replica, GET /NAME/ping asks one whether it is well, and /-/… is for the
agent, with the token of the state file.
"""

import asyncio
import hmac
import json
import random
import re
import time
import uuid
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Protocol

from mlops_desk.base.peers import UNKNOWN
from mlops_desk.base.places import Places
from mlops_desk.serving.gateway.connection import PEER
from mlops_desk.serving.gateway.exchange import Answer, Rejected, ask, read_body, send_answer
from mlops_desk.serving.gateway.routes import EndpointRoutes, GatewayLimits, Route, RoutingTable, choose, sticky_point
from mlops_desk.serving.gateway.spool import Exchange
from mlops_desk.serving.gateway.traffic import TrafficCounters
from mlops_desk.serving.gateway.upstream import Question

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TARGETS = frozenset({"", "invocations", "ping"})
_SHARE_OF_ONE = 0.75  # of the memory for bodies that one peer may take: a second one always finds room

Headers = Mapping[str, str]


class _Call:
    """One request on its way: filled in as it is read and routed. What it holds of memory is given back at its end."""

    def __init__(self, scope: Mapping[str, Any], memory: Places) -> None:
        self.peer: str = scope.get("state", {}).get(PEER, UNKNOWN)
        self.headers: Headers = {}
        self.received_at = time.time()
        self.body = b""
        self.revision = 0
        self._memory = memory
        self._held = 0

    def hold(self, amount: int) -> None:
        """Take ``amount`` bytes of memory. Raises Rejected when too much is taken already."""
        if not self._memory.take(self.peer, amount):
            raise Rejected(503, "Too much is being sent at once.", retry=True, close=True)
        self._held += amount

    def release(self) -> None:
        self._memory.give(self.peer, self._held)
        self._held = 0


class Log(Protocol):
    """What the proxy asks of the request log; nothing of it waits."""

    def keep(self, name: str, exchange: Exchange) -> bool:
        """Note an exchange; False when it is one too many."""
        ...

    def unlogged(self, name: str) -> int:
        """Return how many were noted and then not taken by the disk."""
        ...


class Proxy:
    """The ASGI application. ``log`` keeps exchanges; ``roll`` writes the logs out now."""

    def __init__(
        self,
        port: int,
        token: str,
        log: Log,
        roll: Callable[[], Awaitable[None]],
        held_bytes: int,
    ) -> None:
        self.table = RoutingTable()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._token = f"Bearer {token}".encode()
        self._log = log
        self._roll = roll
        self._counters: defaultdict[str, TrafficCounters] = defaultdict(TrafficCounters)
        self._in_flight: dict[str, Places] = {}
        self._memory = Places(held_bytes, int(held_bytes * _SHARE_OF_ONE))

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        call = _Call(scope, self._memory)
        try:
            call.headers = self._checked(scope)
            answer = await self._answer(scope, call, receive)
        except Rejected as rejected:
            answer = rejected.answer
        try:
            await send_answer(send, answer)
        finally:
            call.release()

    def _checked(self, scope: dict[str, Any]) -> Headers:
        """Return the headers of a request that comes from this machine's own programs. Raises Rejected.

        A page in a browser can reach loopback: it gives itself away by its Origin, or by a Host that is not ours.
        """
        pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        headers = dict(pairs)
        hosts = [value.lower() for name, value in pairs if name == "host"]
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            raise Rejected(403, "This gateway answers to 127.0.0.1 and localhost only.")
        origin = headers.get("origin")
        is_ours = origin is None or origin.lower() in {f"http://{host}" for host in self._hosts}
        if not is_ours or headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
            raise Rejected(403, "Requests from web pages are refused.")
        return headers

    async def _answer(self, scope: dict[str, Any], call: _Call, receive: Any) -> Answer:
        name, _, rest = scope["path"].strip("/").partition("/")
        if name == "-":
            return await self._control(scope["method"], rest, call.headers)
        endpoint = self.table.endpoints.get(name)
        if endpoint is None or rest not in _TARGETS:
            raise Rejected(404, "No endpoint has this address.")
        wanted = "GET" if rest == "ping" else "POST"
        if scope["method"] != wanted:
            raise Rejected(405, f"Only {wanted} is answered here.")
        if rest == "ping":
            return await self._ping(name, endpoint, call)
        return await self._invoke(name, endpoint, call, receive)

    async def _control(self, method: str, what: str, headers: Headers) -> Answer:
        if not hmac.compare_digest(headers.get("authorization", "").encode(), self._token):
            raise Rejected(403, "This is for the agent.")
        if (method, what) == ("POST", "roll"):
            await self._roll()
        elif (method, what) != ("GET", "stats"):
            raise Rejected(404, "There is nothing here.")
        counted = {name: self._counted(name, counters) for name, counters in self._counters.items()}
        return Answer(200, json.dumps({"serial": self.table.serial, "endpoints": counted}).encode())

    def _counted(self, name: str, counters: TrafficCounters) -> dict[str, Any]:
        return {**asdict(counters), "unlogged": counters.unlogged + self._log.unlogged(name)}

    async def _ping(self, name: str, endpoint: EndpointRoutes, call: _Call) -> Answer:
        route = _chosen(endpoint, {})
        question = Question("GET", "/ping", b"", "application/json")
        answer = await self._ask(name, endpoint, route, question, call)
        return Answer(answer.status, b"\n", headers=(("x-mlops-desk-revision", str(route.revision)),))

    async def _invoke(self, name: str, endpoint: EndpointRoutes, call: _Call, receive: Any) -> Answer:
        started = time.monotonic()
        try:
            answer = await self._forward(name, endpoint, call, receive)
        except Rejected as rejected:
            answer = rejected.answer
        return self._note(name, call, answer, time.monotonic() - started)

    async def _forward(self, name: str, endpoint: EndpointRoutes, call: _Call, receive: Any) -> Answer:
        call.body = await read_body(call.headers, receive, self.table.limits, call.hold)
        route = _chosen(endpoint, call.headers)
        call.revision = route.revision
        kind = call.headers.get("content-type", "application/json")
        return await self._ask(name, endpoint, route, Question("POST", "/invocations", call.body, kind), call)

    async def _ask(self, name: str, endpoint: EndpointRoutes, route: Route, question: Question, call: _Call) -> Answer:
        """Ask a replica, if there is a place: one is taken by a whole request only, never by one that still comes."""
        limits = self.table.limits
        places = self._places(name, limits)
        if not places.take(call.peer):
            raise Rejected(503, "Too many requests at once.", retry=True)
        try:
            addresses = random.sample(route.addresses, len(route.addresses))
            return await self._within(endpoint, ask(addresses, question, limits.answer_bytes, call.hold))
        finally:
            places.give(call.peer)

    def _places(self, name: str, limits: GatewayLimits) -> Places:
        """Return the places of an endpoint, as many as the newest table allows."""
        places = self._in_flight.setdefault(name, Places(0, 0))
        places.most, places.most_of_one = limits.in_flight, limits.in_flight_of_one
        return places

    async def _within(self, endpoint: EndpointRoutes, work: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(endpoint.timeout_seconds):
                return await work
        except TimeoutError as error:
            raise Rejected(504, f"No answer within {endpoint.timeout_seconds:g} s.") from error

    def _note(self, name: str, call: _Call, answer: Answer, latency_seconds: float) -> Answer:
        """Count and log a request before its answer goes out, and put its id and revision on the answer."""
        given = call.headers.get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        kept = Exchange(
            request_id=request_id,
            received_at=call.received_at,
            revision=call.revision,
            status=answer.status,
            latency_seconds=latency_seconds,
            content_type=call.headers.get("content-type", "application/json"),
            body=call.body,
            answer=answer.body,
        )
        counters = self._counters[name]
        counters.count(answer.status, latency_seconds)
        counters.unlogged += not self._log.keep(name, kept)
        ours = (("x-request-id", request_id), ("x-mlops-desk-revision", str(call.revision)))
        return replace(answer, headers=(*answer.headers, *ours))


def _chosen(endpoint: EndpointRoutes, headers: Headers) -> Route:
    key = headers.get(endpoint.sticky_header) if endpoint.sticky_header else None
    point = random.random() if key is None else sticky_point(key)  # noqa: S311 - a share of traffic, not a secret
    route = choose(endpoint.routes, point)
    if route is None:
        raise Rejected(503, endpoint.note or "No replica of this endpoint is up.", retry=True)
    return route
