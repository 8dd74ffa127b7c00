"""The agent's side of the API: Starlette on a Unix socket, its routes derived from the declared verbs.

The kernel says who asks (SO_PEERCRED), ``verbs/access/permission`` whether they may. Verbs block, so each runs in a
thread of the loop; every verb that changes something leaves an audit record, begun before the act (``audit_hook.py``).
"""

import asyncio
import logging
import socket
import struct
import time
import uuid
from asyncio import Transport
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from mlops_desk import __version__
from mlops_desk.kit.api.audit_hook import Audit, audited
from mlops_desk.kit.api.backlog import Backlog, mark_of
from mlops_desk.kit.api.exchange import VERSION_HEADER
from mlops_desk.kit.api.streams import Streams, event_lines, verb_lines
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.agent_clock import HEADER as CLOCK_HEADER
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import Caller, current_caller, set_caller
from mlops_desk.kit.base.deltas import FORM
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import is_storable, plain
from mlops_desk.kit.verbs.access import Permission
from mlops_desk.kit.verbs.declaration import Parameter, Verb, verbs_of
from mlops_desk.kit.verbs.desk import PROTOCOLS
from mlops_desk.machine.records.event import Event


# The OpenAPI description of the API, from the verbs' declarations.
def document(verbs: Sequence[Verb]) -> dict[str, Any]:
    """Return the OpenAPI document that describes ``verbs``."""
    paths: dict[str, dict[str, Any]] = {}
    for verb in verbs:
        paths.setdefault(verb.path, {})["post" if verb.has_body else "get"] = describe(verb)
    return {"openapi": "3.1.0", "info": {"title": "MLOps Desk agent", "version": __version__}, "paths": paths}


def describe(verb: Verb) -> dict[str, Any]:
    """Return how the document tells one verb."""
    text = {
        "operationId": f"{verb.service}.{verb.name}",
        "summary": verb.doc.partition("\n")[0],
        "description": verb.doc,
        "x-who": verb.mark.who.value,
        **({"x-why": verb.mark.why} if verb.mark.why else {}),
    }
    answer = {"200": {"description": "The answer", "content": _content(verb)}}
    if verb.has_body:
        return {
            **text,
            "requestBody": {"content": {"application/json": {"schema": _object(verb)}}},
            "responses": answer,
        }
    parameters = [
        {"name": item.name, "in": "query", "required": item.required, "schema": msgspec.json.schema(item.type)}
        for item in verb.parameters
    ]
    return {**text, "parameters": parameters, "responses": answer}


def _content(verb: Verb) -> dict[str, Any]:
    if verb.streams:
        return {"application/x-ndjson": {"schema": {"type": "string"}}}
    return {"application/json": {"schema": msgspec.json.schema(verb.returns)}}


def _object(verb: Verb) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {item.name: msgspec.json.schema(item.type) for item in verb.parameters},
        "required": [item.name for item in verb.parameters if item.required],
    }


_log = logging.getLogger(__name__)
_BODY_LIMIT_BYTES = 4 << 20  # chosen: the largest word is a job file of 64 KiB
_SHOWN_LIMIT = 80  # chosen: part of one line of an error
_PACE_LIMIT_SECONDS = 60.0  # chosen: a listener that wants to hear less often can ask instead
_STATUS = {NotFound: 404, Refused: 403, Invalid: 422, TimedOut: 504, Unavailable: 503}


class _PeerProtocol(H11Protocol):
    """uvicorn hands on no peer credentials; this reads them when the connection is made."""

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # uvicorn has a Transport where asyncio has its base class
        super().connection_made(transport)
        peer: socket.socket = transport.get_extra_info("socket")
        pid, uid, gid = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        self.app_state = {**self.app_state, "caller": Caller(uid, gid, pid)}


class ApiServer:
    """Serves ``services`` (by the names of ``PROTOCOLS``) until ``stop``, to whom ``permission`` lets in.

    ``newest`` gives the event that whoever begins to listen is told at once; ``hears`` tells what a peer may hear.
    """

    def __init__(
        self,
        services: dict[str, Any],
        bus: Bus,
        loop: Loop,
        audit: Audit,
        permission: Permission,
        newest: Callable[[], Event] | None = None,
        hears: Callable[[Caller, Event], bool] = lambda _caller, _event: True,
    ) -> None:
        self._services = services
        self._permission = permission
        self._newest = newest
        self._backlog = Backlog(bus)
        self._hears = hears
        self._loop = loop
        self._audit = audit
        self._server: _Server | None = None
        self._bound: int | None = None
        self._is_ending = False
        self._streams = Streams()
        self.app = self._build()

    def serve(self, path: Path) -> None:
        """Serve on a 0600 socket at ``path`` until ``stop`` is called. Must run in the main thread."""
        listener = _listener(path)
        self._bound = path.lstat().st_ino
        config = uvicorn.Config(
            self.app, http=_PeerProtocol, ws="none", lifespan="off", log_config=None, access_log=False,
            timeout_graceful_shutdown=1, date_header=False,
            loop="asyncio",  # uvicorn would load the gateway's, for nothing
        )  # fmt: skip
        self._server = _Server(config)
        if self._is_ending:
            self._server.end()
        try:
            self._server.run(sockets=[listener])
        finally:
            path.unlink(missing_ok=True)

    def stop(self) -> None:
        """Ask the server to end, its streams first, or not to begin; safe from any thread and from a signal handler."""
        self._is_ending = True
        self._streams.end()
        if self._server is not None:
            self._server.end()

    def listen_again(self, path: Path) -> bool:
        """Put the socket back where it is gone, with the folder that it lay in; False where there was no need.

        For another thread than the one that serves. Raises OSError.
        """
        if self._server is None or not self._server.is_up or self._bound == _inode(path):
            return False
        listener = _listener(path)
        self._bound = path.lstat().st_ino
        self._server.move_to(listener)
        return True

    def _build(self) -> Starlette:
        verbs = [verb for service, protocol in PROTOCOLS.items() for verb in verbs_of(service, protocol)]
        routes = [self._route(verb) for verb in verbs]
        routes.append(Route("/v1/events", self._events, methods=["GET"]))
        routes.append(Route("/openapi.json", lambda _request: JSONResponse(document(verbs)), methods=["GET"]))
        return Starlette(routes=routes, exception_handlers={DeskError: _desk_error, Exception: _bug})

    def _route(self, verb: Verb) -> Route:
        async def answer(request: Request) -> Response:
            set_caller(self._admit(request))
            arguments = await _arguments(request, verb)
            if verb.streams:
                lines = await self._loop.run(verb.path, lambda: self._ask(verb, arguments))
                told = verb_lines(self._loop, self._streams, verb.path, lines)
                return StreamingResponse(told, media_type="application/x-ndjson")
            result = await self._loop.run(verb.path, lambda: self._perform(verb, arguments))
            heads = {CLOCK_HEADER: f"{time.time():.6f}", VERSION_HEADER: __version__}
            return Response(wire.dumps(result), media_type="application/json", headers=heads)

        method = "POST" if verb.has_body else "GET"
        return Route(verb.path, answer, methods=[method], name=f"{verb.service}.{verb.name}")

    def _method(self, verb: Verb) -> Callable[..., Any]:
        method: Callable[..., Any] = getattr(self._services[verb.service], verb.name)
        return method

    def _perform(self, verb: Verb, arguments: dict[str, Any]) -> Any:
        if not verb.mark.changes:
            return self._ask(verb, arguments)
        with audited(self._audit, verb, arguments) as act:
            act.begins(self._permission.check(verb, arguments, current_caller()))
            result = self._method(verb)(**arguments)
            act.ends(result)
        return result

    def _ask(self, verb: Verb, arguments: dict[str, Any]) -> Any:
        self._permission.check(verb, arguments, current_caller())
        return self._method(verb)(**arguments)

    def _admit(self, request: Request) -> Caller:
        """Return the peer, if the policy lets it connect. That the socket is private is the other belt."""
        caller: Caller = request.state.caller
        self._permission.policy.admit(caller)
        return caller

    async def _events(self, request: Request) -> Response:
        caller = self._admit(request)
        asked = request.query_params
        mark_of(asked.get("after", ""))  # refused before the answer begins
        lines = event_lines(
            self._loop,
            self._streams,
            self._backlog,
            self._newest,
            changes=asked.get("changes") == FORM,
            every_seconds=_seconds(asked.get("every_seconds", "0")),
            after=asked.get("after"),
            hears=lambda event: self._hears(caller, event),
        )
        return StreamingResponse(lines, media_type="application/x-ndjson")


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers, the agent has its own, and without its ten looks a second at a flag."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._events: asyncio.AbstractEventLoop | None = None
        self._ended = asyncio.Event()

    async def main_loop(self) -> None:
        self._events = asyncio.get_running_loop()
        await self.on_tick(0)
        if not self.should_exit:
            await self._ended.wait()
        self._events = None

    def end(self) -> None:
        """End it, from whatever thread or signal handler."""
        self.should_exit = True
        if self._events is not None:
            self._events.call_soon_threadsafe(self._ended.set)

    @property
    def is_up(self) -> bool:
        """Whether it listens."""
        return self.started and self._events is not None

    def move_to(self, listener: socket.socket) -> None:
        """Listen there and nowhere else; who is connected stays so. From whatever thread."""

        async def move() -> None:
            before = self.servers
            await self.startup([listener])
            for server in before:
                server.close()

        if self._events is not None:
            asyncio.run_coroutine_threadsafe(move(), self._events)

    def capture_signals(self) -> Any:
        from contextlib import nullcontext  # noqa: PLC0415 - a two-line override

        return nullcontext()


def _listener(path: Path) -> socket.socket:
    """Return a socket bound at ``path``, for this user alone. Raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))  # its folder is private; a mask would hold for what other threads make, too
    path.chmod(0o600)
    return listener


def _inode(path: Path) -> int | None:
    try:
        return path.lstat().st_ino
    except OSError:
        return None


def _seconds(text: str) -> float:
    seconds = wire.from_builtins(text, float)
    if not 0.0 <= seconds <= _PACE_LIMIT_SECONDS:
        raise Invalid(f"{plain(text)} s is not between 0 and {_PACE_LIMIT_SECONDS:g} s.")
    return seconds


def _is_list(wanted: Any) -> bool:
    """Tell whether a value may be a list, also one that may be left out."""
    return list in {get_origin(one) for one in (wanted, *get_args(wanted))}


async def _arguments(request: Request, verb: Verb) -> dict[str, Any]:
    if verb.has_body:
        given = wire.loads(await _body(request) or b"{}", dict[str, Any])
    else:
        lists = {parameter.name for parameter in verb.parameters if _is_list(parameter.type)}
        query = request.query_params
        given = {name: query.getlist(name) if name in lists else query[name] for name in query}
    for name, value in given.items():
        if not is_storable([name, value]):
            text = f"{plain(name, _SHOWN_LIMIT)}: this holds a NUL, or half of a character (a lone surrogate)."
            raise Invalid(text, "Write it as text in UTF-8.")
    known = {parameter.name: parameter for parameter in verb.parameters}
    unknown = given.keys() - known.keys()
    if unknown:
        raise Invalid(f"{verb.service} {verb.word} takes no {', '.join(sorted(unknown))}.")
    missing = [name for name, parameter in known.items() if parameter.required and name not in given]
    if missing:
        raise Invalid(f"{verb.service} {verb.word} needs {', '.join(missing)}.")
    return {name: _convert(known[name], value) for name, value in given.items()}


def _convert(parameter: Parameter, value: Any) -> Any:
    try:
        converted = wire.from_builtins(value, parameter.type)
    except Invalid as error:
        if parameter.wanted is None:
            raise Invalid(f"{parameter.name}: {error.message}", error.hint, error.command) from error
        shown = "nothing" if value is None else repr(plain(str(value), _SHOWN_LIMIT))
        raise Invalid(f"{parameter.name} takes {parameter.wanted}, not {shown}.") from error
    parameter.check(converted)
    return converted


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_LIMIT_BYTES:
            raise Invalid(f"The request is larger than {_BODY_LIMIT_BYTES >> 20} MiB.")
    return bytes(body)


async def _desk_error(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, DeskError):  # the handler's signature is wider than its dispatch
        raise error
    status = next((_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS), 409)
    return JSONResponse(error.told(), status)


async def _bug(request: Request, error: Exception) -> JSONResponse:
    number = uuid.uuid4().hex[:8]
    _log.error("Bug %s in %s", number, request.url.path, exc_info=error)
    text = f"Something went wrong in the agent ({type(error).__name__}, number {number})."
    return JSONResponse({"error": text, "hint": "The agent's log has the details.", "code": "bug"}, 500)
