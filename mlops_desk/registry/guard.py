"""Who may ask the tracking server, and for what: a token on every request, exact hosts, no foreign pages.

MLflow's server has no login of its own, and beside runs and models it serves things that reach out or run
programs (webhooks, gateway, assistant, jobs, scorers). Containers that are not trusted reach this server,
so only what tracking and registry need is let through: a list of what is allowed, never of what is not.
Nobody makes it take files from outside its own store (sources.py), and a job writes what is its own (permits.py).
"""

import asyncio
import base64
import binascii
import hmac
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass, replace
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.registry.facts import Facts
from mlops_desk.registry.permits import Permits
from mlops_desk.registry.request import Request, parse_fields, recognise
from mlops_desk.registry.sources import Sources
from mlops_desk.registry.tickets import Grant, Tickets

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]
Refusal = tuple[int, str]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

_API = (
    "experiments|runs|metrics|registered-models|model-versions|logged-models|artifacts|datasets|traces"
    "|unified-traces|get-trace-artifact|get-online-trace-details|server-info"
)
_PATHS = re.compile(
    rf"/(ajax-)?api/[23]\.0/mlflow/({_API})(/.*)?"
    r"|/(ajax-)?api/2\.0/mlflow-artifacts/(artifacts|mpu|presigned)(/.*)?"
    r"|/api/2\.0mlflow/experiments/search-datasets"  # so written in MLflow
    r"|/(health|version|v1/traces|get-artifact|model-versions/get-artifact)?"
    r"|/static-files/.*"
)


_OF_THE_BODY = frozenset({b"content-length", b"transfer-encoding", b"content-encoding"})
_LARGEST_BODY_BYTES = 64 << 20
_BODY_SECONDS = 60.0
"""A body that is to be judged is taken in whole; MLflow does the same with it. Files are handed through."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Who is let in: the holder of ``owner`` (a person, the agent) to everything, of a ticket to what that permits."""

    owner: str
    tickets: Tickets

    def grant_of(self, token: bytes) -> Grant | None:
        """Return what a token that is not the owner's is good for."""
        return self.tickets.find(token.decode("latin-1"))

    def is_owner(self, token: bytes) -> bool:
        return hmac.compare_digest(token, self.owner.encode())


class Guard:
    """ASGI middleware in front of MLflow. ``hosts`` are the exact ``host:port`` this server answers to."""

    def __init__(self, app: App, keys: Keys, hosts: Iterable[str], facts: Facts) -> None:
        self._app = app
        self._keys = keys
        self._hosts = frozenset(host.lower() for host in hosts)
        self._sources = Sources(facts)
        self._permits = Permits(facts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        token = _token(scope["headers"])
        refusal = self._refusal_at_door(scope["path"], scope["headers"], token)
        if refusal is None:
            refusal, receive = await self._judged(scope, receive, token)
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(send, *refusal)

    def _refusal_at_door(self, path: str, headers: Headers, token: bytes | None) -> Refusal | None:
        """Return status and text for a request that is not let in, whatever it asks for."""
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 403, "This server does not answer to that host name."
        if any(origin.lower() not in {f"http://{host}" for host in self._hosts} for origin in _all(headers, b"origin")):
            return 403, "This server does not answer to other sites' pages."
        if token is None or not (self._keys.is_owner(token) or self._keys.grant_of(token)):
            return 401, "A token is wanted: set MLFLOW_TRACKING_TOKEN. A job's token is void once the job is over."
        if _PATHS.fullmatch(path) is None:
            return 403, "This server serves runs and models only."
        return None

    async def _judged(self, scope: Scope, receive: Receive, token: bytes | None) -> tuple[Refusal | None, Receive]:
        """Judge what is asked for by its body. Return the refusal, if any, and from where to read the body now."""
        request = recognise(scope["method"], scope["path"])
        refusal = _unfit(request, scope["headers"])
        if refusal is not None or request.reads:
            return refusal, receive
        by_body = not (request.is_of_files or request.call.startswith("/"))
        try:
            if by_body:
                body = await asyncio.wait_for(_body(receive), _BODY_SECONDS)
                request = replace(request, fields=parse_fields(body))
            text = await asyncio.to_thread(self._refusal_of, request, token)
            refusal = None if text is None else (403, text)
        except TimeoutError:
            refusal = 408, f"{request.shown}: the request's body did not come within {_BODY_SECONDS:g} s."
        except Invalid as error:
            refusal = 400, f"{request.shown}: {error.message}"
        except sqlite3.Error as error:
            refusal = 503, f"{request.shown} can't be judged: the store can't be read ({error}). Try again."
        return refusal, _handing_on(scope, receive, request) if by_body and refusal is None else receive

    def _refusal_of(self, request: Request, token: bytes | None) -> str | None:
        if (text := self._sources.refusal(request)) is not None:
            return text
        if token is None or self._keys.is_owner(token):
            return None
        grant = self._keys.grant_of(token)
        return "The job's token is void: the job is over." if grant is None else self._permits.refusal(request, grant)


def _unfit(request: Request, headers: Headers) -> Refusal | None:
    """Refuse what MLflow would answer as if it had failed itself, so that its clients would try again and again."""
    if any(name not in {"", "default"} for name in _all(headers, b"x-mlflow-workspace")):
        return 400, "This server has no workspaces: unset MLFLOW_WORKSPACE."
    odd = not {"", ".", ".."}.isdisjoint(request.target.split("/"))
    if request.is_of_files and odd and not request.reads:
        return 400, f"{request.shown}: {plain(request.target, 200)!r} is no path of a file."
    return None


def _all(headers: Headers, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in headers if name.lower() == wanted]


def _token(headers: Headers) -> bytes | None:
    """Return the token that a request carries, as bearer or as password; None when it carries none."""
    authorizations = _all(headers, b"authorization")
    if len(authorizations) != 1:
        return None
    scheme, _, value = authorizations[0].partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode("latin-1")
    return _password(value.strip()) if scheme.lower() == "basic" else None


async def _body(receive: Receive) -> bytes:
    """Take a request's body in. Raises Invalid for one that is too large, or that its sender gave up."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise Invalid("The request was given up before its body had come.")
        body += message.get("body", b"")
        if len(body) > _LARGEST_BODY_BYTES:
            raise Invalid(f"The request's body is larger than {_LARGEST_BODY_BYTES >> 20} MiB.")
        if not message.get("more_body", False):
            return bytes(body)


def _handing_on(scope: Scope, receive: Receive, request: Request) -> Receive:
    """Make the application read what was judged, and nothing else."""
    body = json.dumps(request.fields).encode() if request.fields else b""
    kept = [(name, value) for name, value in scope["headers"] if name.lower() not in _OF_THE_BODY]
    scope["headers"] = [*kept, (b"content-length", str(len(body)).encode())]
    waiting = [{"type": "http.request", "body": body, "more_body": False}]

    async def handed_on() -> Message:
        return waiting.pop() if waiting else await receive()

    return handed_on


def _password(value: str) -> bytes:
    """Return the password of HTTP basic credentials; any user name will do."""
    try:
        return base64.b64decode(value, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return b""


async def _refuse(send: Send, status: int, text: str) -> None:
    body = text.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b'Basic realm="mlops-desk"'))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
