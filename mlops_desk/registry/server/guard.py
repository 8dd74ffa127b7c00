"""Who may ask the tracking server, and for what: a token on every request, exact hosts, no foreign pages.

MLflow's server has no login of its own, and beside runs and models it serves things that reach out or run
programs (webhooks, gateway, assistant, jobs, scorers). Containers that are not trusted reach this server,
so only what tracking and registry need is let through: a list of what is allowed, never of what is not.
Nobody makes it take files from outside its own store (guard.py), and a job writes what is its own (permissions.py),
no more at once (request_bodies.py) and in all (uploads.py for files, logged/ for all else) than it may.
"""

import asyncio
import base64
import binascii
import contextlib
import hmac
import json
import re
import sqlite3
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import is_storable, plain
from mlops_desk.registry.location import is_stored
from mlops_desk.registry.page import OF_A_VISIT, PAGE_PATHS
from mlops_desk.registry.server.facts import StoreFacts
from mlops_desk.registry.server.permissions import SEARCHES, Permits
from mlops_desk.registry.server.quotas import LoggedAmounts
from mlops_desk.registry.server.request import RegistryRequest, parse_fields, recognise
from mlops_desk.registry.server.request_bodies import Bodies, CallRejected, Headers, Message, Receive, Send
from mlops_desk.registry.server.tickets import Grant, Tickets
from mlops_desk.registry.server.uploads import Uploads

# Refuses whatever would make the tracking server take files from elsewhere than its own store, whoever asks.
_PROMPT_TAG = "mlflow.prompt.is_prompt"
_PROMPT_SOURCES = frozenset({"prompt-template", "dummy-source"})
"""What stands for a source where a version is a prompt and has no files (MLflow's prompt/constants.py)."""
_NAMES = frozenset({"artifact_location", "artifactLocation", "storage_location", "storageLocation"})
_TAGS = frozenset({"mlflow.artifactLocation", "mlflow.trace.archiveLocation"})
_SHOWN_CHARACTERS = 200  # chosen: one or two lines of an error
_DEEPEST = 100  # Python itself reads JSON about a thousand deep; MLflow's bodies are four deep


class Sources:
    """Judges the locations in a request by form, and what they lead to by what the store knows."""

    def __init__(self, facts: StoreFacts) -> None:
        self._facts = facts

    def refusal(self, request: RegistryRequest) -> str | None:
        """Return why a request is refused for the places it names, None if it is not. Raises Invalid, sqlite3.Error."""
        for place in _locations(request.fields, _DEEPEST):
            if not is_stored(place):
                return _outside(request, place)
        if request.call == "model-versions/create":
            return self._version(request)
        if request.method == "POST" and request.call in {"runs/create", "logged-models"}:
            home = self._facts.experiment_location(request.value("experiment_id") or "0")
            return None if home is None or is_stored(home) else _outside(request, home)
        return None

    def _version(self, request: RegistryRequest) -> str | None:
        source = request.value("source")
        if _PROMPT_TAG in request.tags() and source in _PROMPT_SOURCES:
            return None
        for run_id in request.values("run_id"):
            run = self._facts.run(run_id)
            if run is not None and not is_stored(run.artifact_uri):
                return _outside(request, run.artifact_uri)
        for model_id in request.values("model_id"):
            model = self._facts.model(model_id)
            if model is not None and not is_stored(model.location):
                return _outside(request, model.location)
        return None if self._facts.is_inside(source) else _outside(request, source)


def _outside(request: RegistryRequest, place: str) -> str:
    return (
        f"{request.shown} is refused: {plain(place, _SHOWN_CHARACTERS)!r} is not in this server's own store of files. "
        "Leave the location out, or log the files to a run first and register them from there."
    )


def _locations(fields: Any, deepest: int) -> Iterator[str]:
    """Yield every text that stands, at any depth, under a name (or as the tag) of a location."""
    if deepest == 0:
        raise Invalid("The request's body is nested too deeply.")
    if isinstance(fields, list):
        for item in fields:
            yield from _locations(item, deepest - 1)
    elif isinstance(fields, dict):
        is_tag = isinstance(fields.get("key"), str) and fields["key"] in _TAGS
        for key, value in fields.items():
            if not isinstance(value, str):
                yield from _locations(value, deepest - 1)
            elif value and (key in _NAMES or key in _TAGS or (key == "value" and is_tag)):
                yield value


Scope = MutableMapping[str, Any]
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
_CODES = {
    400: "INVALID_PARAMETER_VALUE", 401: "UNAUTHENTICATED", 403: "PERMISSION_DENIED", 408: "DEADLINE_EXCEEDED",
    413: "INVALID_PARAMETER_VALUE", 429: "REQUEST_LIMIT_EXCEEDED", 503: "TEMPORARILY_UNAVAILABLE",
    507: "RESOURCE_EXHAUSTED",
}  # fmt: skip
"""What MLflow calls these statuses in its answers: its clients raise that by its name, with the message."""
_AGAIN = {429: b"2", 503: b"5"}
"""After how many seconds to try again, by status."""


@dataclass(frozen=True, slots=True)
class Keys:
    """Who is let in: the holder of ``owner`` (a person, the agent) to everything, of a ticket to what that permits."""

    owner: str
    tickets: Tickets

    def grants_of(self, token: bytes) -> tuple[Grant, ...]:
        """Return what a token that is not the owner's is good for."""
        return self.tickets.find(token.decode("latin-1"))

    def is_owner(self, token: bytes) -> bool:
        return hmac.compare_digest(token, self.owner.encode())


@dataclass(frozen=True, slots=True)
class Credential:
    """Who asks: the holder of ``token``, which is a job's with ``grants``, else the owner's."""

    token: bytes
    grants: tuple[Grant, ...]


class Guard:
    """ASGI middleware in front of MLflow. ``hosts`` are the exact ``host:port`` this server answers to.

    ``artifacts`` is the folder in which MLflow keeps files.
    """

    def __init__(
        self, app: App, keys: Keys, hosts: Iterable[str], facts: StoreFacts, artifacts: Path, amounts: LoggedAmounts
    ) -> None:
        self._app = app
        self._keys = keys
        self._hosts = frozenset(host.lower() for host in hosts)
        self._sources = Sources(facts)
        self._permits = Permits(facts)
        self._bodies = Bodies()
        self._uploads = Uploads(facts, artifacts)
        self._amounts = amounts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        request = recognise(scope["method"], scope["path"])
        try:
            caller = self._let_in(scope["path"], scope["headers"], by_visit=OF_A_VISIT in scope)
            _check_fitness(request, scope["path"], scope.get("query_string", b""), scope["headers"])
        except CallRejected as rejected:
            await _refuse(send, rejected)
            return
        if request.is_upload:
            await self._take_file(request, scope, receive, send, caller)
        else:
            await self._answer(request, scope, receive, send, caller)

    def _let_in(self, path: str, headers: Headers, *, by_visit: bool) -> Credential:
        """Return who asks. Raises CallRejected for a request that is not let in, whatever it asks for."""
        hosts = _all(headers, b"host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            raise CallRejected(403, "This server does not answer to that host name.")
        if any(origin.lower() not in {f"http://{host}" for host in self._hosts} for origin in _all(headers, b"origin")):
            raise CallRejected(403, "This server does not answer to other sites' pages.")
        token = _token(headers)
        grants = () if token is None or self._keys.is_owner(token) else self._keys.grants_of(token)
        if token is None or not (grants or self._keys.is_owner(token)):
            text = "A token is wanted: set MLFLOW_TRACKING_TOKEN. A job's token is void once the job is over."
            raise CallRejected(401, text)
        if _PATHS.fullmatch(path) is None and not (by_visit and path in PAGE_PATHS):
            raise CallRejected(403, "This server serves runs and models only.")
        return Credential(token, grants)

    async def _take_file(
        self, request: RegistryRequest, scope: Scope, receive: Receive, send: Send, caller: Credential
    ) -> None:
        """Hand a file through as it comes, if it may come and there is room for it."""
        upload = self._uploads.begin(request.target, receive, send)
        try:
            with _told(request):
                await upload.open(await asyncio.to_thread(self._judge, request, caller), scope["headers"])
            await self._app(scope, upload.receive, upload.send)
        except CallRejected as rejected:
            upload.rejected = rejected
        except Exception:
            if upload.rejected is None:
                raise  # else it is MLflow's, whose sender has gone
        finally:
            upload.close()
        if upload.rejected is not None:
            await upload.drain()
            await _refuse(send, upload.rejected)

    async def _answer(
        self, request: RegistryRequest, scope: Scope, receive: Receive, send: Send, caller: Credential
    ) -> None:
        """Take a request's body in, judge it, and have it answered."""
        with self._bodies.hold(caller.grants[0].attempt_id if caller.grants else None) as held:
            try:
                with _told(request):
                    body = await held.read(scope["headers"], receive)
                    if not (request.reads or request.is_of_files or request.call.startswith("/")):
                        request, body, grant = await asyncio.to_thread(self._judged, request, body, caller)
                        if grant is not None and request.call not in SEARCHES:
                            await self._amounts.admit(grant, request, len(body))
                        scope["headers"] = _about(body, scope["headers"])
                    elif not request.reads:
                        await asyncio.to_thread(self._judge, request, caller)
            except CallRejected as rejected:
                await held.drain(receive)
                await _refuse(send, rejected)
                return
            await self._app(scope, _handing_on(body, receive), send)

    def _judged(
        self, request: RegistryRequest, body: bytes, caller: Credential
    ) -> tuple[RegistryRequest, bytes, Grant | None]:
        """Judge a body, which is not read in the event loop because that takes long.

        Returns what was judged, the body that says it, written anew so that the application finds nothing else in it,
        and by which grant. Raises CallRejected, Invalid, sqlite3.Error.
        """
        request = replace(request, fields=parse_fields(body))
        grant = self._judge(request, caller)
        return request, json.dumps(request.fields).encode() if request.fields else b"", grant

    def _judge(self, request: RegistryRequest, caller: Credential) -> Grant | None:
        """Return by which grant a job may have this; None for the owner.

        Raises CallRejected, Invalid, sqlite3.Error.
        """
        text = self._sources.refusal(request)
        if text is None and not caller.grants:
            return None
        if text is None:
            text = "The job's token is void: the job is over."
            for grant in self._keys.grants_of(caller.token):  # it may have become void while the body came
                if (text := self._permits.refusal(request, grant)) is None:
                    return grant
        raise CallRejected(403, text)


@contextlib.contextmanager
def _told(request: RegistryRequest) -> Iterator[None]:
    """Turn what judging raises into answers that name the request. Raises CallRejected."""
    try:
        yield
    except Invalid as error:
        raise CallRejected(400, f"{request.shown}: {error.message}") from error
    except RecursionError as error:
        raise CallRejected(400, f"{request.shown}: The request's body is no JSON that can be read.") from error
    except sqlite3.Error as error:
        text = f"{request.shown} can't be judged: the store can't be read ({error}). Try again."
        raise CallRejected(503, text) from error


def _check_fitness(request: RegistryRequest, path: str, query: bytes, headers: Headers) -> None:
    """Refuse what MLflow would answer as if it had failed itself, so that its clients would try again and again."""
    if not is_storable([path, unquote(query.decode("latin-1"))]):
        raise CallRejected(400, "The request's address holds a NUL, which no name of a file or a run has.")
    if any(name not in {"", "default"} for name in _all(headers, b"x-mlflow-workspace")):
        raise CallRejected(400, "This server has no workspaces: unset MLFLOW_WORKSPACE.")
    odd = not {"", ".", ".."}.isdisjoint(request.target.split("/"))
    if request.is_of_files and odd and not request.reads:
        raise CallRejected(400, f"{request.shown}: {plain(request.target, 200)!r} is no path of a file.")


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


def _about(body: bytes, headers: Headers) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request that has this body instead of its own."""
    kept = [(name, value) for name, value in headers if name.lower() not in _OF_THE_BODY]
    return [*kept, (b"content-length", str(len(body)).encode())]


def _handing_on(body: bytes, receive: Receive) -> Receive:
    """Make the application read what was taken in, and nothing else."""
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


async def _refuse(send: Send, rejected: CallRejected) -> None:
    body = json.dumps({"error_code": _CODES[rejected.status], "message": rejected.text}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if rejected.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="mlops-desk"'))
    if rejected.status in _AGAIN:
        headers.append((b"retry-after", _AGAIN[rejected.status]))
    await send({"type": "http.response.start", "status": rejected.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
