"""Whether a canary answers as well as the live revision beside it. Pure.

Both have answered callers of the same kind at the same time, so what ails the machine ails both; only what the canary
has more of counts against it. It is looked at every few seconds, for hours: a limit on the share alone, or a test meant
for one look, would send a good revision back sooner or later.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from mlops_desk.records.serving.rollout import RolloutGuard
from mlops_desk.serving.gateway.traffic import BOUNDS_SECONDS, percentile

_SURE = 3.5
"""Standard errors. With it a revision as good as the live one is sent back in 1 of 300 rollouts of 1,000 looks, for
shares of errors from 0.5 to 20 % and 1 to 100 requests a look; with 2.33, a test of one look at 1 %, in 1 of 7."""
_FEWEST_BAD = 5  # one or two bad answers at the very start are no share yet
_FEWEST = 20  # likewise; a revision that answers nothing right is sent back after so many requests
_SLOW_SHARE = 0.05  # what lies beyond a p95
_LEAST_SECONDS = 0.005  # chosen: nobody notices 5 ms, and a model that answers in 1 ms jitters by as much


@dataclass(frozen=True, slots=True)
class Answered:
    """What a revision has answered since a step began. ``buckets`` counts latencies as the gateway's counters do."""

    requests: int
    errors: int
    buckets: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """A measure that the canary failed: ``errors`` (shares of requests) or ``latency`` (shares of slow answers).

    ``limit`` is what it may have, ``share`` what it has. For latency ``limit_seconds`` says what is slow.
    """

    measure: str
    share: float
    limit: float
    requests: int
    limit_seconds: float | None = None


def fault_of(guard: RolloutGuard, canary: Answered, live: Answered) -> Finding | None:
    """Return in what the canary is surely worse than it may be, None as long as that can't be said."""
    allowed = _share(live.errors, live.requests) + guard.more_errors
    if _is_surely_more(canary.errors, canary.requests, allowed):
        return Finding("errors", _share(canary.errors, canary.requests), allowed, canary.requests)
    usual = percentile(live.buckets, 1.0 - _SLOW_SHARE) if live.requests >= _FEWEST else None
    if usual is None:
        return None
    limit = max(usual * guard.times_latency, usual + _LEAST_SECONDS)
    slow, counted = _slower(canary.buckets, limit), sum(canary.buckets)
    if _is_surely_more(slow, counted, _SLOW_SHARE):
        return Finding("latency", _share(slow, counted), _SLOW_SHARE, counted, limit)
    return None


def _is_surely_more(bad: int, of: int, allowed: float) -> bool:
    """Tell whether a share is above ``allowed`` by the lower end of its score interval (Wilson, JASA 22, 1927)."""
    if bad < _FEWEST_BAD or of < _FEWEST:
        return False
    share, square = bad / of, _SURE * _SURE
    middle = share + square / (2 * of)
    margin = _SURE * math.sqrt(share * (1 - share) / of + square / (4 * of * of))
    return (middle - margin) / (1 + square / of) > allowed


def _slower(buckets: Sequence[int], limit_seconds: float) -> int:
    """Count the latencies that are surely above a limit: those in buckets that begin there, or later."""
    return sum(count for index, count in enumerate(buckets) if index and BOUNDS_SECONDS[index - 1] >= limit_seconds)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
