"""Leads canaries by what the gateway counts: on after a good step, back at the first sure fault."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.records.serving.rollout import SHADOW_PERCENT, Rollout
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.rollout.guard import Answered, Finding
from mlops_desk.serving.rollout.hold import StepHold
from mlops_desk.serving.rollout.ladder import Turn, decide

Counted = Mapping[int, Snapshot]
"""What the gateway has counted for each revision of an endpoint since it started."""
_SILENCE = snapshot_of(TrafficCounters(), 0.0)  # the gateway counts a revision from its first request on


@dataclass(frozen=True, slots=True)
class _Base:
    """What was counted when a step began, or was first seen."""

    revision: int
    since: float
    canary: Snapshot
    live: Snapshot


class Pilot:
    """Looks at all rollouts under way. ``promote``, ``go_on`` and ``go_back`` move an endpoint of that name."""

    def __init__(
        self,
        endpoints: Callable[[], Sequence[Endpoint]],
        promote: Callable[[str, int], object],
        go_on: Callable[[str], object],
        go_back: Callable[[str, Reason], object],
        hold: StepHold | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._promote = promote
        self._go_on = go_on
        self._go_back = go_back
        self._hold = hold or StepHold()
        self._bases: dict[str, _Base] = {}

    def look(self, counted: Mapping[str, Counted]) -> None:
        """Move each rollout as what was ``counted`` since its step began tells. Raises what the acts raise."""
        on_their_way = {one.name: one for one in self._endpoints() if one.rollout is not None}
        self._bases = {name: base for name, base in self._bases.items() if name in on_their_way}
        self._hold.keep(on_their_way)
        for name, endpoint in on_their_way.items():
            if endpoint.rollout is not None:
                self._look_at(endpoint, endpoint.rollout, counted.get(name, {}))

    def answered(self, counted: Mapping[str, Counted]) -> dict[str, int]:
        """Return how many requests each canary has answered at its step; one that was not looked at yet is left out."""
        found = {}
        for endpoint in self._endpoints():
            rollout, base = endpoint.rollout, self._bases.get(endpoint.name)
            if rollout is None or base is None or rollout.percent == SHADOW_PERCENT:
                continue
            of = counted.get(endpoint.name, {})
            canary, live = of.get(rollout.revision, _SILENCE), of.get(endpoint.revision, _SILENCE)
            if _is_base_of(base, rollout, canary, live):
                found[endpoint.name] = canary.requests - base.canary.requests
        return found

    def _look_at(self, endpoint: Endpoint, rollout: Rollout, counted: Counted) -> None:
        canary = counted.get(rollout.revision, _SILENCE)
        live = counted.get(endpoint.revision, _SILENCE)
        held = self._hold.seconds(endpoint.name, rollout)
        base = self._bases.get(endpoint.name)
        if base is None or not _is_base_of(base, rollout, canary, live):
            self._bases[endpoint.name] = _Base(rollout.revision, rollout.since, canary, live)
            return
        is_led = endpoint.following is not None and endpoint.following.led_by is not None
        answered = _between(base.canary, canary), _between(base.live, live)
        decision = decide(rollout, *answered, held, is_led=is_led)
        if decision.turn is Turn.GO_BACK and decision.finding is not None:
            self._go_back(endpoint.name, reason_of(decision.finding))
        elif decision.turn is Turn.PROMOTE:
            self._promote(endpoint.name, rollout.revision)
        elif decision.turn is Turn.GO_ON:
            self._go_on(endpoint.name)


def reason_of(finding: Finding) -> Reason:
    """Say what a canary was sent back for."""
    if finding.limit_seconds is None:
        text = (
            f"{_percent(finding.share)} of its {finding.requests} answers were errors; beside the live one it may have"
            f" {_percent(finding.limit)}."
        )
        return Reason("canary_errors", text, title="more errors than the live revision")
    text = (
        f"{_percent(finding.share)} of its {finding.requests} answers took longer than {_time(finding.limit_seconds)};"
        f" beside the live one {_percent(finding.limit)} may."
    )
    return Reason("canary_latency", text, title="slower than the live revision")


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1.0 else f"{seconds * 1000:.0f} ms"


def _is_base_of(base: _Base, rollout: Rollout, canary: Snapshot, live: Snapshot) -> bool:
    """Tell whether a base is that of this step, and of a gateway that has counted on since."""
    is_of_the_step = (base.revision, base.since) == (rollout.revision, rollout.since)
    return is_of_the_step and canary.requests >= base.canary.requests and live.requests >= base.live.requests


def _between(first: Snapshot, last: Snapshot) -> Answered:
    return Answered(
        last.requests - first.requests,
        last.errors - first.errors,
        tuple(after - before for before, after in zip(first.buckets, last.buckets, strict=True)),
    )
