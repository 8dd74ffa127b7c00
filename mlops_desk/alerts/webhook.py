"""Alerts to a webhook: a queue that keeps their order, tries again with longer and longer pauses, and forgets.

The thread lives only while something waits. What can't be delivered within an hour is dropped, and that the webhook
fails is itself an alert. Its address is a secret: it is in no log, no error and no audit record.
"""

import logging
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any

from mlops_desk.alerts import delivery
from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError, Hint, Invalid
from mlops_desk.base.loop import Loop
from mlops_desk.base.settings import SettingsStore
from mlops_desk.records.alert import Alert

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


class Webhook:
    """Delivers alerts. ``on_trouble`` is told why once it keeps failing, and None when it works again.

    ``troubled``: that was told before, by an earlier agent. ``simulated``: every message says that nothing of it is
    real.
    """

    def __init__(
        self,
        settings: SettingsStore,
        loop: Loop,
        on_trouble: Callable[[str | None], None],
        pauses: tuple[float, ...] = PAUSES,
        deadline_seconds: float = delivery.DEADLINE_SECONDS,
        *,
        troubled: bool = False,
        simulated: bool = False,
    ) -> None:
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
            self._queue.append(_Message(key, body, time.monotonic()))
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
            now, dropped = time.monotonic(), 0
            while self._queue and now - self._queue[0].queued_at > EXPIRY_SECONDS:
                self._queue.popleft()
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
        self._failures = 0
        if self._troubled:
            self._troubled = False
            self._on_trouble(None)

    def _failed(self, error: DeskError) -> None:
        self._failures += 1
        _log.info("The webhook failed: %s", error.message)
        if self._failures >= FAILURES_BEFORE_ALERT and not self._troubled:
            self._troubled = True
            self._on_trouble(error.message)

    def _send(self, body: bytes, key: str) -> tuple[str, int]:
        target = delivery.parse(self._settings.text("alerts.webhook"))
        private = self._settings.switch("alerts.webhook_private")

        def work() -> int:
            address = delivery.choose(target.host, delivery.resolve(target.host, target.port), allow_private=private)
            return delivery.post(target, address, body, key, self._deadline_seconds)

        # Resolving a name can't be given a deadline, so the whole is done in a thread that can be left behind.
        return target.shown, self._loop.call("webhook-delivery", work, self._deadline_seconds + _SPARE_SECONDS)
