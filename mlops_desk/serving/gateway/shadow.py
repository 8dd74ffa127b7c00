"""Copies of requests for a revision that answers nobody: its answers reach the log alone.

A copy goes out after the caller was answered, and never waits: while as many are under way as there may be, or as many
bytes, it is left out and counted.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.serving.gateway.messages import broken
from mlops_desk.serving.gateway.outbound.pool import Errand, ReplicaPools
from mlops_desk.serving.gateway.outbound.question import Question
from mlops_desk.serving.gateway.routes import Route

_AT_ONCE = 32  # chosen: of all endpoints; a model that is slower than the live one is asked less often
_HELD_BYTES = 64 << 20  # chosen: questions and answers of copies under way


@dataclass(frozen=True, slots=True)
class ShadowAnswer:
    """What the shadow said: ``status`` 504 and 502 are the gateway's own, for no answer."""

    revision: int
    status: int
    body: bytes
    received_at: float
    latency_seconds: float


class Shadows:
    """The copies of one gateway."""

    def __init__(self, pools: ReplicaPools) -> None:
        self.pools = pools
        self.under_way = 0
        self.held_bytes = 0

    def send(
        self, route: Route, question: Question, timeout_seconds: float, tell: Callable[[ShadowAnswer], None]
    ) -> bool:
        """Send a copy, whose answer ``tell`` is given; False when there is no room for it."""
        if self.under_way >= _AT_ONCE or self.held_bytes + len(question.body) > _HELD_BYTES or not route.addresses:
            return False
        _Copy(self, route, question, timeout_seconds, tell).go()
        return True


class _Copy:
    """One copy under way: the Taker of its answer."""

    def __init__(
        self,
        shadows: Shadows,
        route: Route,
        question: Question,
        timeout_seconds: float,
        tell: Callable[[ShadowAnswer], None],
    ) -> None:
        self._shadows = shadows
        self._route = route
        self._tell = tell
        self._received_at, self._started = time.time(), time.monotonic()
        self._held = self._status = 0
        self._pieces: list[bytes] = []
        self._timer = asyncio.get_running_loop().call_later(timeout_seconds, self._late)
        self._errand = Errand(shadows.pools, route.addresses, question, self)
        shadows.under_way += 1
        self._grow(len(question.body))

    def go(self) -> None:
        self._errand.go()

    def _grow(self, amount: int) -> None:
        self._held += amount
        self._shadows.held_bytes += amount

    def _end(self, status: int, body: bytes) -> None:
        self._timer.cancel()
        self._shadows.under_way -= 1
        self._shadows.held_bytes -= self._held
        latency = time.monotonic() - self._started
        self._tell(ShadowAnswer(self._route.revision, status, body, self._received_at, latency))

    def _late(self) -> None:
        self._errand.drop()
        self._end(504, b"")

    # The Taker.

    def hold(self, amount: int) -> None:
        self._grow(amount)
        if self._shadows.held_bytes > _HELD_BYTES:
            raise broken("A shadow's answer is too large.")

    def whole(self, status: int, content_type: bytes, body: bytes) -> None:  # noqa: ARG002 - the log asks for none
        self._end(status, body)

    def begins(self, status: int, content_type: bytes) -> None:  # noqa: ARG002 - likewise
        self._status = status

    def piece(self, data: bytes) -> None:
        self._pieces.append(data)

    def ended(self) -> None:
        self._end(self._status, b"".join(self._pieces))

    def failed(self, error: Exception) -> None:  # noqa: ARG002 - whatever it was, there is no answer
        self._end(502, b"")
