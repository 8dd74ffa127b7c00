"""What requests make of endpoints: more replicas or fewer, sleep when nobody asks. It hears what the gateway counts."""

import math
from dataclasses import dataclass, field, replace

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.hysteresis import Condition, Holding, step
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.kit.base.text import duration_text
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.gateway.process_control import Stats
from mlops_desk.serving.records.endpoint import Endpoint, EndpointScale, EndpointState
from mlops_desk.serving.scaling.scaler import SERVING, Scaler
from mlops_desk.serving.scaling.sleeper import Sleeper


# For how long nobody has asked an endpoint anything. Pure: the clock is handed in.
@dataclass(slots=True)
class _Seen:
    requests: int
    since: float


class Idleness:
    """What was seen of each endpoint. An agent that has just begun counts from then on."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def seconds(self, name: str, requests: int, under_way: int, now: float) -> float:
        """Return for how long nothing came or was under way; ``requests`` is a counter, which may begin again."""
        seen = self._seen.get(name)
        if seen is None or seen.requests != requests or under_way:
            seen = self._seen[name] = _Seen(requests, now)
        return now - seen.since

    def forget(self, name: str) -> None:
        """Begin anew with an endpoint."""
        self._seen.pop(name, None)


# How many replicas an endpoint wants, by how many requests are under way and wait. Pure.
# More at once, as many as the requests call for; fewer one at a time, and only when one fewer would be half idle
# still.
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


class Demand:
    """Hears the gateway's counters, and has the scaler and the sleeper do what follows from them."""

    def __init__(self, board: EndpointBoard, scaler: Scaler, sleeper: Sleeper, settings: SettingsStore) -> None:
        self._board = board
        self._scaler = scaler
        self._sleeper = sleeper
        self._settings = settings
        self._memories: dict[str, ScaleMemory] = {}
        self._idleness = Idleness()

    def hear(self, stats: Stats) -> None:
        """Take in what the gateway has counted."""
        for endpoint in self._board.all():
            if endpoint.state not in SERVING:
                self._memories.pop(endpoint.name, None)
                self._idleness.forget(endpoint.name)
                continue
            under_way = sum(stats.under_way.get(one.address, 0) for one in endpoint.replicas if one.address)
            depth = under_way + stats.queued.get(endpoint.name, 0)
            if not self._rests(endpoint, stats, depth):
                self._scale(endpoint, depth, stats.at)

    def _scale(self, endpoint: Endpoint, depth: int, now: float) -> None:
        memory = self._memories.get(endpoint.name, ScaleMemory())
        memory, wanted = wanted_now(memory, depth, endpoint.wanted, endpoint.scale, self._rules(), now)
        self._memories[endpoint.name] = memory
        if wanted != endpoint.wanted:
            self._board.change(endpoint.name, lambda known: replace(known, wanted=wanted))
            self._scaler.tend(endpoint.name)

    def _rests(self, endpoint: Endpoint, stats: Stats, depth: int) -> bool:
        """Let an endpoint sleep that nobody has asked for as long as was said; tell whether it does."""
        after = endpoint.scale.sleep_after_seconds
        counted = stats.endpoints.get(endpoint.name)
        idle = self._idleness.seconds(endpoint.name, 0 if counted is None else counted.requests, depth, stats.at)
        if after is None or idle < after or endpoint.state is not EndpointState.LIVE or endpoint.rollout is not None:
            return False
        reason = Reason("idle", f"Nobody has asked it anything for {duration_text(after)}. The next request wakes it.")
        self._sleeper.sleep(endpoint.name, reason)
        return True

    def _rules(self) -> ScaleRules:
        number = self._settings.number
        return ScaleRules(
            number("serving.scale_queue"), number("serving.scale_up_seconds"), number("serving.scale_down_seconds")
        )
