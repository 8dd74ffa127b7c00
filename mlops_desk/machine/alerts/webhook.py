"""Alerts to a webhook: a queue that keeps their order, tries again with longer and longer pauses, and forgets.

The thread lives only while something waits. What can't be delivered within an hour is dropped, and that the webhook
fails is itself an alert. Its address is a secret: it is in no log, no error and no audit record.
"""

import ipaddress
import logging
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import SplitResult, urlsplit

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.alert import Alert

# One POST to an address that a person set: resolved once, that address used, nothing of the answer trusted.
#
# Only the answer's first line is read. A redirect is not followed: it would lead where nobody looked.

DEADLINE_SECONDS = 10.0
"""Chosen: for all of it, name look-up and TLS included; a receiver that drips answers can't hold it longer."""
_LINE_LIMIT_BYTES = 1024  # of the answer only the status line is read, a dozen bytes and a phrase
_PORTS = {"http": 80, "https": 443}

Resolve = Callable[[str, int], Sequence[str]]


@dataclass(frozen=True, slots=True)
class Target:
    """Where to. ``path`` may hold a secret and is never said."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        return plain(f"{self.scheme}://{self.host}:{self.port}")


def parse(url: str) -> Target:
    """Take an address apart. Raises Invalid, which does not repeat it."""
    try:
        parts: SplitResult = urlsplit(url.strip())
        port = parts.port or _PORTS[parts.scheme]
    except (ValueError, KeyError):
        raise Invalid("The webhook's address is not of the form https://host/path.") from None
    host = parts.hostname or ""
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not host or parts.username is not None or not (host + path).isascii() or any(c.isspace() for c in host + path):
        hint = "It needs a host, and no user, no password, no blanks."
        raise Invalid("The webhook's address is not of the form https://host/path.", hint)
    return Target(parts.scheme, host, port, path)


def resolve(host: str, port: int) -> list[str]:
    """Return the host's addresses. Raises Unavailable."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unavailable(f"The webhook's host {plain(host)} has no address.") from error
    return [str(item[4][0]) for item in found]


def check_reach(target: Target, *, allow_private: bool) -> None:
    """Refuse an address of this machine or a private network that is given as that, where it is not allowed.

    What a name leads to is seen when something is sent. Raises Refused.
    """
    host = "127.0.0.1" if target.host == "localhost" or target.host.endswith(".localhost") else target.host
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return
    choose(target.host, [host], allow_private=allow_private)


def choose(host: str, addresses: Sequence[str], *, allow_private: bool) -> str:
    """Return the address to use. Raises Refused when all are private and that is not allowed."""
    for address in addresses:
        if allow_private or is_public(address):
            return address
    text = f"The webhook's host {plain(host)} is in a private network, and alerts are not sent there by default."
    raise Refused(text, Hint("mlops-desk settings set alerts.webhook_private on"))


def is_public(address: str) -> bool:
    """Tell whether an address is one of the public internet; what hides another one inside is judged by that."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if found in ipaddress.IPv6Network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFF_FFFF)))
    return found.is_global and not found.is_multicast


def post(target: Target, address: str, body: bytes, key: str, deadline_seconds: float = DEADLINE_SECONDS) -> int:
    """Send ``body`` and return the answer's status. Raises Unavailable; ``key`` lets the receiver know a repetition."""
    deadline = time.monotonic() + deadline_seconds
    try:
        with _connected(target, address, deadline) as connection:
            connection.settimeout(_left(deadline))
            connection.sendall(_head(target, len(body), key) + body)
            return _status(_first_line(connection, deadline), target)
    except TimeoutError as error:
        raise Unavailable(f"{target.shown} gave no answer within {deadline_seconds:g} s.") from error
    except OSError as error:
        raise Unavailable(f"{target.shown} can't be reached: {error.strerror or type(error).__name__}.") from error


def _connected(target: Target, address: str, deadline: float) -> socket.socket:
    connection = socket.create_connection((address, target.port), timeout=_left(deadline))
    if target.scheme != "https":
        return connection
    from mlops_desk.machine.alerts.tls import secure  # noqa: PLC0415 - 2 MB that an agent without a webhook does without

    try:
        connection.settimeout(_left(deadline))
        return secure(connection, target.host, target.shown)
    except BaseException:
        connection.close()
        raise


def _head(target: Target, length: int, key: str) -> bytes:
    host = f"[{target.host}]" if ":" in target.host else target.host
    shown = host if target.port == _PORTS[target.scheme] else f"{host}:{target.port}"
    return (
        f"POST {target.path} HTTP/1.1\r\nHost: {shown}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\nUser-Agent: mlops-desk\r\nIdempotency-Key: {key}\r\nConnection: close\r\n\r\n"
    ).encode("ascii")


def _first_line(connection: socket.socket, deadline: float) -> bytes:
    line = b""
    while b"\n" not in line and len(line) < _LINE_LIMIT_BYTES:
        connection.settimeout(_left(deadline))
        part = connection.recv(_LINE_LIMIT_BYTES)
        if not part:
            break
        line += part
    return line.partition(b"\n")[0]


def _status(line: bytes, target: Target) -> int:
    words = line.split()
    if len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        raise Unavailable(f"{target.shown} does not answer as a web server.")
    status = int(words[1])
    if 300 <= status < 400:
        hint = "Set the address that it leads to."
        raise Unavailable(f"{target.shown} answers with a redirect ({status}), which is not followed.", hint)
    if not 200 <= status < 300:
        raise Unavailable(f"{target.shown} answers {status}.")
    return status


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left


_log = logging.getLogger(__name__)

EXPIRY_SECONDS = 3600.0  # chosen: an older alert misleads, as it mostly has ended by then
PAUSES = (5.0, 15.0, 60.0, 300.0)
"""Chosen: a restarting receiver is back within seconds; one that is down is asked every five minutes until expiry."""
FAILURES_BEFORE_ALERT = 3  # with the pauses above about 20 s: longer than a receiver's restart
_QUEUE_LIMIT = 500  # chosen: a machine whose every GPU fires every rule makes fewer
_SPARE_SECONDS = 2.0  # beyond the delivery's own deadline, so that its error is told and not the thread's
_SIMULATED = "Simulated"


@dataclass(frozen=True, slots=True)
class _Message:
    key: str
    body: bytes
    queued_at: float
    alert_id: str = ""


def _unheard(_alert_ids: Collection[str], _why: DeskError | None) -> None:
    """Nobody shows what became of alerts."""


class Webhook:
    """Delivers alerts. ``on_trouble`` is told why once it keeps failing, and None when it works again.

    ``on_delivery`` is told of alerts by their ids why the webhook has not got them yet, and None once it has.
    ``troubled``: that was told before, by an earlier agent. ``simulated``: every message says that nothing of it is
    real.
    """

    def __init__(
        self,
        settings: SettingsStore,
        loop: Loop,
        on_trouble: Callable[[str | None], None],
        pauses: tuple[float, ...] = PAUSES,
        deadline_seconds: float = DEADLINE_SECONDS,
        *,
        troubled: bool = False,
        simulated: bool = False,
        on_delivery: Callable[[Collection[str], DeskError | None], None] = _unheard,
    ) -> None:
        self._on_delivery = on_delivery
        self._late: set[str] = set()
        self._settings = settings
        self._loop = loop
        self._on_trouble = on_trouble
        self._pauses = pauses
        self._deadline_seconds = deadline_seconds
        self._lock = threading.Lock()
        self._queue: deque[_Message] = deque()
        self._running = False
        self._failures = 0
        self._troubled = troubled
        self._simulated = simulated
        self._wake = threading.Event()

    @property
    def waiting(self) -> int:
        """Return how many messages wait."""
        return len(self._queue)

    def put(self, alert: Alert) -> None:
        """Queue an alert as it is now; nothing while no webhook is set."""
        if not self._settings.text("alerts.webhook"):
            return
        state = "firing" if alert.ended_at is None else "ended"
        if self._simulated:
            alert = replace(alert, title=f"{_SIMULATED}: {alert.title}", text=f"{_SIMULATED}: {alert.text}")
        told = {**wire.to_builtins(alert), "next_step": alert.hint}
        body = self._body(state, alert=told)
        key = f"{alert.id}-{state}-{uuid.uuid4().hex[:12]}"  # an alert that comes back is no repetition
        with self._lock:
            self._queue.append(_Message(key, body, time.monotonic(), alert.id))
            while len(self._queue) > _QUEUE_LIMIT:
                self._queue.popleft()
            if self._running:
                return
            self._running = True
        self._loop.start("webhook", self._run)

    def retry_now(self) -> None:
        """Try at once what waits: the settings were changed. Without a webhook there is no trouble with it either."""
        self._wake.set()
        if self._troubled and not self._settings.text("alerts.webhook"):
            self._troubled = False
            self._on_trouble(None)

    def try_now(self) -> str:
        """Send a test message and say what came back. Raises DeskError."""
        if not self._settings.text("alerts.webhook"):
            hint = Hint("mlops-desk settings set alerts.webhook https://…")
            raise Invalid("No webhook is set.", hint)
        text = f"{_SIMULATED}: a test" if self._simulated else "A test"
        body = self._body("test", text=f"{text} of MLOps Desk's alerts.")
        target, status = self._send(body, f"test-{time.time():.0f}")
        return f"{target} answered {status}."

    def tell(self, told: Mapping[str, Any], key: str) -> None:
        """Post one document now; the ``key`` lets who gets it know a repetition. Raises DeskError."""
        if not self._settings.text("alerts.webhook"):
            raise Invalid("No webhook is set.", Hint("mlops-desk settings set alerts.webhook https://…"))
        mark = {"simulated": True} if self._simulated else {}
        body = wire.dumps({"host": socket.gethostname(), **mark, **told}).encode()
        # The key is a header, and a rule's thing may be called by any letters.
        self._send(body, sha256(key.encode()).hexdigest()[:40])

    def _body(self, state: str, **told: object) -> bytes:
        mark = {"simulated": True} if self._simulated else {}
        return wire.dumps({"state": state, "host": socket.gethostname(), **mark, **told}).encode()

    def _run(self) -> None:
        attempt = 0
        while not self._loop.ending.is_set():
            message = self._next()
            if message is None:
                return
            self._wake.clear()
            try:
                self._send(message.body, message.key)
            except DeskError as error:
                self._failed(error)
                self._pause(self._pauses[min(attempt, len(self._pauses) - 1)])
                attempt += 1
                continue
            attempt = 0
            self._delivered(message)

    def _pause(self, seconds: float) -> None:
        """Wait in small steps, so that the end of the agent or a new setting is noticed."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not self._loop.ending.is_set():
            if self._wake.wait(min(left, 1.0)):
                return

    def _next(self) -> _Message | None:
        """Return the oldest message that is not too old; None ends the thread."""
        with self._lock:
            if not self._settings.text("alerts.webhook"):
                self._queue.clear()
                self._in_time(self._late)
            now, dropped = time.monotonic(), 0
            while self._queue and now - self._queue[0].queued_at > EXPIRY_SECONDS:
                self._late.discard(self._queue.popleft().alert_id)  # it says for good that it was not delivered
                dropped += 1
            if dropped:
                _log.warning("%d alerts could not be delivered to the webhook within an hour", dropped)
            if self._queue:
                return self._queue[0]
            self._running = False
            return None

    def _delivered(self, message: _Message) -> None:
        with self._lock:
            if self._queue and self._queue[0] is message:
                self._queue.popleft()
            if all(one.alert_id != message.alert_id for one in self._queue):
                self._in_time(self._late & {message.alert_id})
        self._failures = 0
        if self._troubled:
            self._troubled = False
            self._on_trouble(None)

    def _in_time(self, alert_ids: Collection[str]) -> None:
        """Take back that alerts were not delivered: they are by now, or nobody wants them."""
        if gone := {*alert_ids}:
            self._late -= gone
            self._on_delivery(gone, None)

    def _failed(self, error: DeskError) -> None:
        self._failures += 1
        with self._lock:  # they are sent in order, so none that waits is delivered before this one
            waiting = {one.alert_id for one in self._queue}
            self._late |= waiting
            self._on_delivery(waiting, error)
        _log.info("The webhook failed: %s", error.message)
        if self._failures >= FAILURES_BEFORE_ALERT and not self._troubled:
            self._troubled = True
            self._on_trouble(error.message)

    def _send(self, body: bytes, key: str) -> tuple[str, int]:
        target = parse(self._settings.text("alerts.webhook"))
        private = self._settings.switch("alerts.webhook_private")

        def work() -> int:
            address = choose(target.host, resolve(target.host, target.port), allow_private=private)
            return post(target, address, body, key, self._deadline_seconds)

        # Resolving a name can't be given a deadline, so the whole is done in a thread that can be left behind.
        return target.shown, self._loop.call("webhook-delivery", work, self._deadline_seconds + _SPARE_SECONDS)
