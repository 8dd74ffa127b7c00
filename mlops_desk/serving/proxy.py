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
from dataclasses import asdict, dataclass, replace
from typing import Any

import httpx

from mlops_desk.serving.exchange import Answer, Rejected, ask, read_body, send_answer
from mlops_desk.serving.routes import EndpointRoutes, Route, RoutingTable, choose, sticky_point
from mlops_desk.serving.spool import Exchange
from mlops_desk.serving.traffic import Counters

_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_TARGETS = frozenset({"", "invocations", "ping"})
_LOGGED_BYTES = 4 << 20

Headers = Mapping[str, str]


@dataclass(slots=True)
class _Call:
    """One request on its way: filled in as it is read and routed."""

    headers: Headers
    received_at: float
    queued: int
    body: bytes = b""
    revision: int = 0


class Proxy:
    """The ASGI application. ``log`` keeps an exchange and tells whether it could; ``roll`` writes the logs out now."""

    def __init__(
        self,
        port: int,
        token: str,
        client: httpx.AsyncClient,
        log: Callable[[str, Exchange], bool],
        roll: Callable[[], Awaitable[None]],
    ) -> None:
        self.table = RoutingTable()
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        self._token = f"Bearer {token}".encode()
        self._client = client
        self._log = log
        self._roll = roll
        self._counters: defaultdict[str, Counters] = defaultdict(Counters)
        self._in_flight: defaultdict[str, int] = defaultdict(int)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        try:
            answer = await self._answer(scope, self._checked(scope), receive)
        except Rejected as rejected:
            answer = rejected.answer
        await send_answer(send, answer)

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

    async def _answer(self, scope: dict[str, Any], headers: Headers, receive: Any) -> Answer:
        name, _, rest = scope["path"].strip("/").partition("/")
        if name == "-":
            return await self._control(scope["method"], rest, headers)
        endpoint = self.table.endpoints.get(name)
        if endpoint is None or rest not in _TARGETS:
            raise Rejected(404, "No endpoint has this address.")
        wanted = "GET" if rest == "ping" else "POST"
        if scope["method"] != wanted:
            raise Rejected(405, f"Only {wanted} is answered here.")
        if rest == "ping":
            return await self._ping(endpoint)
        return await self._invoke(name, endpoint, headers, receive)

    async def _control(self, method: str, what: str, headers: Headers) -> Answer:
        if not hmac.compare_digest(headers.get("authorization", "").encode(), self._token):
            raise Rejected(403, "This is for the agent.")
        if (method, what) == ("POST", "roll"):
            await self._roll()
        elif (method, what) != ("GET", "stats"):
            raise Rejected(404, "There is nothing here.")
        counted = {name: asdict(counters) for name, counters in self._counters.items()}
        return Answer(200, json.dumps({"serial": self.table.serial, "endpoints": counted}).encode())

    async def _ping(self, endpoint: EndpointRoutes) -> Answer:
        route = _chosen(endpoint, {})
        answer = await self._within(endpoint, self._ask(route, "GET", "/ping", b"", {}))
        return Answer(answer.status, b"\n", headers=(("x-mlops-desk-revision", str(route.revision)),))

    async def _invoke(self, name: str, endpoint: EndpointRoutes, headers: Headers, receive: Any) -> Answer:
        self._in_flight[name] += 1
        call, started = _Call(headers, time.time(), self._in_flight[name]), time.monotonic()
        try:
            answer = await self._within(endpoint, self._forward(endpoint, call, receive))
        except Rejected as rejected:
            answer = rejected.answer
        finally:
            self._in_flight[name] -= 1
        return self._note(name, call, answer, time.monotonic() - started)

    async def _forward(self, endpoint: EndpointRoutes, call: _Call, receive: Any) -> Answer:
        if call.queued > self.table.limits.in_flight:
            raise Rejected(503, "Too many requests at once.", retry=True)
        call.body = await read_body(call.headers, receive, self.table.limits.body_bytes)
        route = _chosen(endpoint, call.headers)
        call.revision = route.revision
        return await self._ask(route, "POST", "/invocations", call.body, call.headers)

    async def _ask(self, route: Route, method: str, path: str, body: bytes, headers: Headers) -> Answer:
        addresses = tuple(random.sample(route.addresses, len(route.addresses)))
        kind = headers.get("content-type", "application/json")
        return await ask(self._client, addresses, method, path, body, kind, self.table.limits.answer_bytes)

    async def _within(self, endpoint: EndpointRoutes, work: Awaitable[Answer]) -> Answer:
        try:
            async with asyncio.timeout(endpoint.timeout_seconds):
                return await work
        except (TimeoutError, httpx.TimeoutException) as error:
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
            body=_text(call.body),
            answer=_text(answer.body),
        )
        counters = self._counters[name]
        counters.count(answer.status, latency_seconds)
        counters.unlogged += not self._log(name, kept)
        ours = (("x-request-id", request_id), ("x-mlops-desk-revision", str(call.revision)))
        return replace(answer, headers=(*answer.headers, *ours))


def _chosen(endpoint: EndpointRoutes, headers: Headers) -> Route:
    key = headers.get(endpoint.sticky_header) if endpoint.sticky_header else None
    point = random.random() if key is None else sticky_point(key)  # noqa: S311 - a share of traffic, not a secret
    route = choose(endpoint.routes, point)
    if route is None:
        raise Rejected(503, endpoint.note or "No replica of this endpoint is up.", retry=True)
    return route


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace") if len(body) <= _LOGGED_BYTES else ""
