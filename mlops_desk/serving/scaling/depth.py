"""How many replicas an endpoint wants, by how many requests are under way and wait. Pure.

More at once, as many as the requests call for; fewer one at a time, and only when one fewer would be half idle still.
"""

import math
from dataclasses import dataclass, field

from mlops_desk.base.hysteresis import Condition, Holding, step
from mlops_desk.records.serving.endpoint import EndpointScale

_SPARE = 0.5
"""With one replica fewer half of the room has to be free still, or the next few requests would bring it back."""
_TINY = 1e-9  # exactly as many as a replica may have is not too many
_BAR = 1.0  # what is judged is the requests for each replica, as a share of what one may have


@dataclass(frozen=True, slots=True)
class ScaleRules:
    """What a replica may have of requests; after how long above that more come, and after how long fewer."""

    per_replica: float
    up_seconds: float
    down_seconds: float


@dataclass(frozen=True, slots=True)
class ScaleMemory:
    """What was seen of an endpoint lately: whether it has too many requests, whether one replica too many."""

    crowded: Holding = field(default_factory=Holding)
    roomy: Holding = field(default_factory=Holding)


def wanted_now(
    memory: ScaleMemory, depth: int, wanted: int, scale: EndpointScale, rules: ScaleRules, now: float
) -> tuple[ScaleMemory, int]:
    """Return what to remember and how many replicas are wanted, with ``depth`` requests at ``now``.

    That is in seconds of a clock that only grows.
    """
    within = min(max(wanted, scale.least), scale.most)
    share = depth / (rules.per_replica * within)
    crowded = step(Condition(True, _BAR, _BAR / 2, rules.up_seconds), memory.crowded, share - _TINY, now)
    fewer = depth / (rules.per_replica * max(1, within - 1))
    is_most_that_goes = within > scale.least
    roomy = step(
        Condition(False, _SPARE, _BAR, rules.down_seconds), memory.roomy, fewer if is_most_that_goes else _BAR, now
    )
    if crowded.on:
        called = math.ceil(depth / rules.per_replica)
        return ScaleMemory(), min(scale.most, max(within + 1, called))
    if roomy.on:
        return ScaleMemory(), within - 1
    return ScaleMemory(crowded, roomy), within
