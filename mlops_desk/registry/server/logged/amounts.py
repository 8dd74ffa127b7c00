"""How much a job may log into the store itself, and how fast: metrics, parameters, tags, data sets, runs and names.

A body is bounded (bodies.py), the number of bodies is not: a loop without a pause would fill the disk with points of
metrics, and whoever else logs would wait behind it. So each request is counted before MLflow has it. One that is too
fast waits for a moment, as no training should end for that; one that is too much for good is refused, and the agent
tells people of it (refusals.py). The owner is not held up.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from mlops_desk.base.text import size_text
from mlops_desk.registry.server.bodies import CallRejected
from mlops_desk.registry.server.logged.stored import MADE_BYTES, ROW_BYTES, StoredAmounts
from mlops_desk.registry.server.request import RegistryRequest
from mlops_desk.registry.server.tickets import Grant

BURST_BYTES = 64 << 20
"""Chosen: some 170,000 points of metrics at once, as a training that logs its history when it is over."""
RATE_BYTES = 1 << 20
"""A second: some 2,800 points, several times what a training writes that logs 100 metrics ten times a second."""
LONGEST_SECONDS = 20.0
"""Chosen: MLflow's client gives up after 120 s, and tries again seven times what is told to come later."""
_MOST_ROWS = 10_000  # MLflow itself refuses a batch of more than 1,000
_NAME_BYTES = 4 << 20
"""Chosen: experiments and registered models are lines in everybody's lists: a thousand of them are the default limit.
The store does not tell who has made them, so they count for as long as the server lives."""
_EXTRA: Mapping[str, int] = MappingProxyType(
    {
        "runs/create": MADE_BYTES, "logged-models": MADE_BYTES, "model-versions/create": MADE_BYTES,
        "experiments/create": _NAME_BYTES, "registered-models/create": _NAME_BYTES,
    }
)  # fmt: skip
_WAYS_OUT = (
    "Log less often, or large things as artifacts; or allow jobs that start from now on more: "
    "mlops-desk settings set jobs.logged_mebibytes N"
)
_RECOUNT_SECONDS = 10.0  # chosen: what comes is counted as it comes; a recount finds what was deleted or overwritten
_REST = 20.0
"""A count rests for so many times as long as it took, so that counting takes 5 % of a core at most."""


@dataclass(slots=True)
class _Account:
    """What a job has: ``stored`` in its run and those below, ``named`` beside them; ``backlog`` is what came lately."""

    stored: int = 0
    named: int = 0
    backlog: float = 0.0
    seen_at: float = 0.0
    recount_at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fits(self, amount: int, most: int) -> bool:
        return self.stored + self.named + amount <= most


class LoggedAmounts:
    """Counts what jobs log. ``tell`` hears of a job that was refused: of what grant, and why. For one event loop."""

    def __init__(
        self, stored: StoredAmounts, tell: Callable[[Grant, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stored = stored
        self._tell = tell
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    async def admit(self, grant: Grant, request: RegistryRequest, size_bytes: int) -> None:
        """Count a job's request, and wait where it comes too fast. Raises CallRejected, sqlite3.Error."""
        account = self._accounts.setdefault(grant.run_id, _Account())
        amount = amount_of(request, size_bytes)
        if account.recount_at == float("-inf") or not account.fits(amount, grant.logged_bytes):
            await self._count(account, grant.run_id)
        if not account.fits(amount, grant.logged_bytes):
            text = _too_much(grant)
            await asyncio.to_thread(self._tell, grant, text)
            raise CallRejected(507, f"{text} {_WAYS_OUT}")
        wait = self._owed_seconds(account, amount)
        if _EXTRA.get(request.call) == _NAME_BYTES:
            account.named += amount
        else:
            account.stored += amount
        await asyncio.sleep(wait)

    def _owed_seconds(self, account: _Account, amount: int) -> float:
        """Return how long a request waits for its turn. Raises CallRejected where that is too long."""
        now = self._clock()
        account.backlog = max(0.0, account.backlog - (now - account.seen_at) * RATE_BYTES)
        account.seen_at = now
        wait = max(0.0, (account.backlog + amount - BURST_BYTES) / RATE_BYTES)
        if wait > LONGEST_SECONDS:
            text = (
                f"This job logs more than {size_text(RATE_BYTES)} a second for minutes. Try again, log less often, or "
                "log more at a time (mlflow.log_metrics); large things belong into artifacts."
            )
            raise CallRejected(429, text)
        account.backlog += amount
        return wait

    async def _count(self, account: _Account, run_id: str) -> None:
        async with account.counting:
            began = time.monotonic()
            if began < account.recount_at:
                return
            account.stored = await asyncio.to_thread(self._stored.bytes_of, run_id)
            ended = time.monotonic()
            account.recount_at = ended + max(_RECOUNT_SECONDS, _REST * (ended - began))


def amount_of(request: RegistryRequest, size_bytes: int) -> int:
    """Return what a request will take of the store, at most. Pure."""
    rows = sum(len(value) for value in request.fields.values() if isinstance(value, list))
    return size_bytes + ROW_BYTES * min(max(1, rows), _MOST_ROWS) + _EXTRA.get(request.call, 0)


def _too_much(grant: Grant) -> str:
    return (
        f"What this job's run and its children have logged would take more than the {size_text(grant.logged_bytes)} of "
        "the registry that are allowed."
    )
