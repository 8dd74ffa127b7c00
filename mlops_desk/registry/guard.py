"""Who may ask the tracking server, and for what: a token on every request, exact hosts, no foreign pages.

MLflow's server has no login of its own, and beside runs and models it serves things that reach out or run
programs (webhooks, gateway, assistant, jobs, scorers). Containers that are not trusted reach this server,
so only what tracking and registry need is let through: a list of what is allowed, never of what is not.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
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


class Guard:
    """ASGI middleware in front of MLflow. ``hosts`` are the exact ``host:port`` this server answers to."""

    def __init__(self, app: App, token: str, hosts: Iterable[str]) -> None:
        self._app = app
        self._token = token.encode()
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self.refusal(scope["path"], scope["headers"])
        if refusal is None:
            await self._app(scope, receive, send)
        else:
            await _refuse(send, *refusal)

    def refusal(self, path: str, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, str] | None:
        """Return status and text for a request that is not let through, None for one that is."""
        given: dict[str, list[str]] = {}
        for name, value in headers:
            given.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))
        hosts = given.get("host", [])
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 403, "This server does not answer to that host name."
        if any(origin.lower() not in {f"http://{host}" for host in self._hosts} for origin in given.get("origin", [])):
            return 403, "This server does not answer to other sites' pages."
        if not self._knows_token(given.get("authorization", [])):
            return 401, "A token is wanted: set MLFLOW_TRACKING_TOKEN."
        if _PATHS.fullmatch(path) is None:
            return 403, "This server serves runs and models only."
        return None

    def _knows_token(self, authorizations: list[str]) -> bool:
        if len(authorizations) != 1:
            return False
        scheme, _, value = authorizations[0].partition(" ")
        if scheme.lower() == "bearer":
            return hmac.compare_digest(value.strip().encode("latin-1"), self._token)
        if scheme.lower() == "basic":
            return hmac.compare_digest(_password(value.strip()), self._token)
        return False


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
