"""The Prometheus endpoint: off unless switched on, on the loopback address only, and never without its token.

One thread answers one request after the other, each within a deadline: whoever holds a connection open holds up
nobody for long. GET /metrics is all there is.
"""

import contextlib
import hmac
import logging
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.records.agent import Check
from mlops_desk.machine.records.event import Notice, SettingsChanged
from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.prometheus.counters import Tallies
from mlops_desk.machine.telemetry.prometheus.page import CONTENT_TYPE, render

_log = logging.getLogger(__name__)

ADDRESS = "127.0.0.1"
_PORT = ("setting", "metrics.port")
_HEAD_LIMIT_BYTES = 8192  # chosen: Prometheus sends a few hundred bytes
_REQUEST_SECONDS = 2.0  # chosen: a slow head holds the one thread that answers
_ACCEPT_SECONDS = 1.0  # how late the end of the agent is noticed
_TOKEN_BYTES = 32  # 256 bits: nobody guesses it
_TOKEN_LIMIT = 512  # chosen: a token that a person wrote may be longer than ours
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
            405: "Method Not Allowed"}  # fmt: skip


class Exporter:
    """Listens while the settings say so. ``token`` is a file of 0600."""

    def __init__(
        self, token: Path, settings: SettingsStore, bus: Bus, loop: Loop, status: Callable[[], Status]
    ) -> None:
        self._token = token
        self._settings = settings
        self._bus = bus
        self._loop = loop
        self._status = status
        self._lock = threading.Lock()
        self._listener: socket.socket | None = None
        self._failure: str | None = None
        self._tallies: Tallies | None = None
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Follow the settings."""
        self._unsubscribe = self._bus.subscribe(SettingsChanged, self._on_settings)
        self._follow()

    def stop(self) -> None:
        """Stop listening."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._close()

    def take(self, events: Sequence[DeviceEvent], gpus: Sequence[Gpu], *, is_tick: bool) -> None:
        """Count what a sample tells, while there is an endpoint to ask for it; in the thread that samples."""
        tallies = self._tallies
        if tallies is not None:
            tallies.take(events, gpus, time.monotonic(), is_tick=is_tick)

    def check(self) -> Check:
        """Say for the doctor how to ask, without telling the token."""
        name = "metrics endpoint"
        if not self._settings.switch("metrics.enabled"):
            return Check(name, "ok", "off; mlops-desk settings set metrics.enabled on")
        url = f"http://{ADDRESS}:{self._port}/metrics"
        if self._failure is not None:
            return Check(name, "problem", self._failure, "mlops-desk settings set metrics.port 9465")
        text = f'{url}; ask with: curl -H "Authorization: Bearer $(cat {self._token})" {url}'
        return Check(name, "ok", text)

    @property
    def _port(self) -> int:
        return int(self._settings.number("metrics.port"))

    def _on_settings(self, event: SettingsChanged) -> None:
        if any(key.startswith("metrics.") for key in event.keys):
            self._follow()

    def _follow(self) -> None:
        self._close()
        self._failure = None
        if not self._settings.switch("metrics.enabled"):
            self._tallies = None
            return
        try:
            token = self._read_token()
            listener = socket.create_server((ADDRESS, self._port))
        except OSError as error:
            self._failure = f"Port {self._port} can't be opened for the metrics endpoint: {error.strerror}."
            hint = Hint("mlops-desk settings set metrics.port 9465", before="Choose another: ")
            self._bus.publish(Notice("warning", "metrics", self._failure, hint, time.time(), about=_PORT))
            return
        listener.settimeout(_ACCEPT_SECONDS)
        self._tallies = self._tallies or Tallies()
        with self._lock:
            self._listener = listener
        self._loop.start("metrics", lambda: self._serve(listener, token))
        _log.info("Metrics are served on port %d", self._port)

    def _close(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
        if listener is not None:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)  # who still waits in it would hold the port for a while
            listener.close()

    def _read_token(self) -> bytes:
        """Return the token; make one where there is none that only we can read. Raises OSError."""
        with contextlib.suppress(FileNotFoundError):
            if self._token.stat().st_mode & 0o077 == 0:
                with self._token.open("rb") as file:
                    token = file.read(_TOKEN_LIMIT).strip()
                if token:
                    return token
        token = secrets.token_urlsafe(_TOKEN_BYTES).encode("ascii")
        write_atomically(self._token, token + b"\n")
        return token

    def _serve(self, listener: socket.socket, token: bytes) -> None:
        while not self._loop.ending.is_set() and self._listener is listener:
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            except OSError:
                return  # closed: the settings have changed
            try:
                with connection, contextlib.suppress(OSError):  # whoever asked has gone, or was too slow
                    self._answer(connection, token)
            except Exception:  # noqa: BLE001 - a bug costs this answer; the next one who asks is heard
                _log.exception("The metrics could not be told")

    def _answer(self, connection: socket.socket, token: bytes) -> None:
        deadline = time.monotonic() + _REQUEST_SECONDS
        head = _read_head(connection, deadline)
        code = judge(head, self._port, token)
        body = (
            render(self._status(), self._tallies, time.monotonic()).encode()
            if code == 200
            else (_REASONS[code] + "\n").encode()
        )
        kind = CONTENT_TYPE if code == 200 else "text/plain; charset=utf-8"
        extra = "WWW-Authenticate: Bearer\r\n" if code == 401 else ""
        answer = (
            f"HTTP/1.1 {code} {_REASONS[code]}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
            f"{extra}Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        ).encode("ascii") + body
        connection.settimeout(max(0.1, deadline - time.monotonic()))
        connection.sendall(answer)


def _read_head(connection: socket.socket, deadline: float) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _HEAD_LIMIT_BYTES:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
        part = connection.recv(_HEAD_LIMIT_BYTES)
        if not part:
            break
        head += part
    return head.partition(b"\r\n\r\n")[0]


def judge(head: bytes, port: int, token: bytes) -> int:
    """Return the status that a request's head deserves. Pure: host and origin, then the token, then what is asked."""
    first, *rest = head.split(b"\r\n")
    words = first.split(b" ")
    if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
        return 400
    headers: dict[bytes, bytes] = {}
    for line in rest:
        name, colon, value = line.partition(b":")
        if not colon or name != name.strip() or name.lower() in headers:
            return 400
        headers[name.lower()] = value.strip()
    return _judge_headers(words[0], words[1], headers, (port, token))


def _judge_headers(method: bytes, path: bytes, headers: Mapping[bytes, bytes], ours: tuple[int, bytes]) -> int:
    port, token = ours
    hosts = {f"{host}:{port}".encode() for host in (ADDRESS, "localhost")}
    if headers.get(b"host", b"").lower() not in hosts or b"origin" in headers:
        return 403
    scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
    if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), token):
        return 401
    if path.partition(b"?")[0] != b"/metrics":
        return 404
    return 200 if method == b"GET" else 405
