"""What requests make of endpoints: more replicas or fewer, sleep when nobody asks. It hears what the gateway counts."""

from dataclasses import replace

from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.text import duration_text
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.gateway.gatekeeper import Stats
from mlops_desk.serving.scaling.depth import ScaleMemory, ScaleRules, wanted_now
from mlops_desk.serving.scaling.idleness import Idleness
from mlops_desk.serving.scaling.scaler import SERVING, Scaler
from mlops_desk.serving.scaling.sleeper import Sleeper


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
