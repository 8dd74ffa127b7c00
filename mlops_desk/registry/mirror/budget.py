"""Which mirrors go for the others' sake: together they keep to a number and to a budget of memory. Pure.

What nobody looks at goes first, the longest unused before all. Among those that are looked at it is who was opened
last: the others are read to their end, where each would otherwise begin again for the next one's sake.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

K = TypeVar("K")

BUDGET_BYTES = 1 << 30  # chosen: three stores of 100,000 runs
_MARGIN_BYTES = 128 << 20  # chosen: what two cores read into them between two looks
MOST = 8  # chosen: as many registries as one looks at in an hour
_IN_USE_SECONDS = 5.0  # chosen: whoever lists a store that is being read asks twenty times a second


@dataclass(frozen=True, slots=True)
class Held(Generic[K]):
    """One mirror: when it was opened and last asked (monotonic seconds), and what its process holds in memory."""

    key: K
    opened_at: float
    used_at: float
    resident_bytes: int
    is_busy: bool


def for_one_more(held: Sequence[Held[K]], now: float) -> list[K]:
    """Return which must go so that one more can be opened; none that is being asked does."""
    return _beyond(held, _ranked(held, now), MOST - 1)


def beyond_budget(held: Sequence[Held[K]], now: float) -> list[K]:
    """Return which must go because they have grown; neither one that is being asked nor the one asked last does."""
    newest = max((one.used_at for one in held), default=0.0)
    return _beyond(held, [one for one in _ranked(held, now) if one.used_at < newest], MOST)


def _ranked(held: Sequence[Held[K]], now: float) -> list[Held[K]]:
    idle = [one for one in held if not one.is_busy]
    unused = sorted((one for one in idle if now - one.used_at > _IN_USE_SECONDS), key=lambda one: one.used_at)
    in_use = sorted((one for one in idle if now - one.used_at <= _IN_USE_SECONDS), key=lambda one: -one.opened_at)
    return [*unused, *in_use]


def _beyond(held: Sequence[Held[K]], ranked: Sequence[Held[K]], most: int) -> list[K]:
    over_bytes = sum(one.resident_bytes for one in held) - (BUDGET_BYTES - _MARGIN_BYTES)
    over_count = len(held) - most
    gone: list[K] = []
    for one in ranked:
        if over_bytes <= 0 and over_count <= 0:
            break
        gone.append(one.key)
        over_bytes -= one.resident_bytes
        over_count -= 1
    return gone
