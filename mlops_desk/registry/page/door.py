"""The way of a browser to MLflow's own page, in front of the guard: who has a visit is its owner there, nobody else.

What comes to the name of a visit needs its cookie, has to come from a program of its person on this machine, and from
that page itself: a page of another site, or of another port, can't make the browser act here. All else goes on to the
guard as it came; only who comes to the front door with a browser and no token is told how to get in.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from mlops_desk.registry.page import texts
from mlops_desk.registry.page.visits import Visit, Visits

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Sequence[tuple[bytes, bytes]]

OPEN = "/open-page"
COOKIE = "mlops_desk_visit"
OF_A_VISIT = "mlops_desk.visit"
"""Set in the scope of what comes by a visit; nothing that a client sends gets there."""
PAGE_PATHS = frozenset({"/graphql"})
"""What MLflow's page asks for besides what the guard lets through anyway."""
_READING = frozenset({"GET", "HEAD"})
_OURS = frozenset({b"host", b"origin", b"referer", b"authorization", b"cookie"})
_TARGET = re.compile(r"[A-Za-z0-9/_-]{1,300}", re.ASCII)
_FILES_POLICY = b"sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_PAGE_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline';"
    b" img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self' data: blob:; worker-src 'self' blob:;"
    b" frame-src 'self' blob: data:; frame-ancestors 'self'; form-action 'self'; base-uri 'self'; object-src 'none'"
)
"""MLflow's page was written without one: its own scripts are let run, and nothing of it goes to another host."""


class PageDoor:
    """ASGI middleware. ``owner`` is the token that the guard takes for the owner's; ``has_page``: there is one."""

    def __init__(self, app: App, visits: Visits, owner: str, port: int, *, has_page: bool) -> None:
        self._app = app
        self._visits = visits
        self._owner = owner
        self._port = port
        self._has_page = has_page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _named(scope["headers"])
        visit = self._visit(headers)
        if visit is None:
            if _is_browser_at_door(scope, headers):
                await _show(send, 401, texts.LOCKED)
                return
            await self._app(scope, receive, send)
        elif scope["path"] == OPEN:
            await self._open(visit, scope, headers, send)
        elif not self._is_let_in(visit, scope, headers):
            await _show(send, 401, texts.LOCKED)
        elif scope["path"] == "/" and not self._has_page:
            await _show(send, 200, texts.MISSING)
        else:
            await self._app(self._as_owner(scope), receive, _guarded(scope["path"], send))

    def _visit(self, headers: Mapping[str, Sequence[str]]) -> Visit | None:
        hosts = headers.get("host", ())
        host, _, port = hosts[0].lower().rpartition(":") if len(hosts) == 1 else ("", "", "")
        return self._visits.find(host) if port == str(self._port) else None

    async def _open(self, visit: Visit, scope: Scope, headers: Mapping[str, Sequence[str]], send: Send) -> None:
        """Let a browser in once: it gets its cookie, and an address that can be kept."""
        asked = parse_qs(scope["query_string"].decode("latin-1"))
        token, to = asked.get("once", [""])[0], asked.get("to", [""])[0]
        by_hand = headers.get("sec-fetch-site", ["none"]) == ["none"]
        if (
            scope["method"] != "GET"
            or not by_hand
            or not _is_theirs(visit, scope)
            or not self._visits.open(visit, token)
        ):
            await _show(send, 401, texts.USED)
            return
        place = f"/#/{to}" if _TARGET.fullmatch(to) else "/"
        cookie = f"{COOKIE}={visit.cookie}; Path=/; HttpOnly; SameSite=Strict"
        await _show(send, 303, b"", (b"location", place.encode()), (b"set-cookie", cookie.encode()))

    def _is_let_in(self, visit: Visit, scope: Scope, headers: Mapping[str, Sequence[str]]) -> bool:
        own = f"http://{visit.host}:{self._port}"
        origins, sites = headers.get("origin", ()), headers.get("sec-fetch-site", ())
        if any(origin.lower() != own for origin in origins) or not {"same-origin", "none"}.issuperset(sites):
            return False
        if scope["method"] not in _READING and not origins and not sites:
            return False  # a browser says where from it changes something
        return _is_theirs(visit, scope) and self._visits.is_open(visit, _cookie(headers))

    def _as_owner(self, scope: Scope) -> Scope:
        """Return the request as the owner's, without what only concerned this door."""
        kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _OURS]
        ours = [(b"host", f"127.0.0.1:{self._port}".encode()), (b"authorization", b"Bearer " + self._owner.encode())]
        return {**scope, "headers": [*kept, *ours], OF_A_VISIT: True}


def _named(headers: Headers) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
    return found


def _cookie(headers: Mapping[str, Sequence[str]]) -> str:
    try:
        found = SimpleCookie("; ".join(headers.get("cookie", ()))).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _is_theirs(visit: Visit, scope: Scope) -> bool:
    """Tell whether a program of the visit's person asks, as the kernel says (connection.py)."""
    return bool(scope.get("state", {}).get("peer") == f"user {visit.uid}")


def _is_browser_at_door(scope: Scope, headers: Mapping[str, Sequence[str]]) -> bool:
    """Tell whether somebody has followed a link to the server: programs ask for no HTML, and show a token."""
    wants_page = any("text/html" in value for value in headers.get("accept", ()))
    return scope["path"] == "/" and scope["method"] == "GET" and wants_page and "authorization" not in headers


def _guarded(path: str, send: Send) -> Send:
    """Keep what a job has left from acting as the page: a file is never one, whatever it says it is."""
    policy = _FILES_POLICY if "artifact" in path.lower() else _PAGE_POLICY

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            ours = dict(_safety(policy))
            dropped = {*ours, b"set-cookie"}
            kept = [(name, value) for name, value in message["headers"] if name.lower() not in dropped]
            message = {**message, "headers": [*kept, *ours.items()]}
        await send(message)

    return sending


def _safety(policy: bytes) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-security-policy", policy),
        (b"x-content-type-options", b"nosniff"),
        (b"referrer-policy", b"no-referrer"),
        (b"cross-origin-opener-policy", b"same-origin"),
        (b"cross-origin-resource-policy", b"same-origin"),
    ]


async def _show(send: Send, status: int, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [
        (b"content-type", b"text/html; charset=utf-8"), (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"), *_safety(texts.POLICY.encode()), *more,
    ]  # fmt: skip
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
