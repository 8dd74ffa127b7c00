"""Leads canaries by what the gateway counts: on after a good step, back at the first sure fault."""

from collections.abc import Callable, Mapping, Sequence

from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import Endpoint
from mlops_desk.records.serving.rollout import SHADOW_PERCENT, Rollout
from mlops_desk.serving.gateway.traffic import Snapshot, TrafficCounters, snapshot_of
from mlops_desk.serving.rollout.bases import StepBase, StepBases
from mlops_desk.serving.rollout.guard import Answered, Finding
from mlops_desk.serving.rollout.hold import StepHold
from mlops_desk.serving.rollout.ladder import Turn, decide

Counted = Mapping[int, Snapshot]
"""What the gateway has counted for each revision of an endpoint since it started."""
_SILENCE = snapshot_of(TrafficCounters(), 0.0)  # the gateway counts a revision from its first request on


class Pilot:
    """Looks at all rollouts under way. ``promote``, ``go_on`` and ``go_back`` move an endpoint of that name.

    ``kept`` has what was counted when their steps began, so that a next agent goes on; None: it is in memory alone.
    """

    def __init__(
        self,
        endpoints: Callable[[], Sequence[Endpoint]],
        promote: Callable[[str, int], object],
        go_on: Callable[[str], object],
        go_back: Callable[[str, Reason], object],
        hold: StepHold | None = None,
        kept: StepBases | None = None,
    ) -> None:
        self._endpoints = endpoints
        self._promote = promote
        self._go_on = go_on
        self._go_back = go_back
        self._hold = hold or StepHold()
        self._kept = kept
        self._bases = {} if kept is None else kept.read()
        self._stored = dict(self._bases)

    def look(self, counted: Mapping[str, Counted], gateway: str = "") -> None:
        """Move each rollout as what a ``gateway`` has ``counted`` since its step began tells.

        Raises what the acts raise.
        """
        on_their_way = {one.name: one for one in self._endpoints() if one.rollout is not None}
        self._bases = {name: base for name, base in self._bases.items() if name in on_their_way}
        self._hold.keep(on_their_way)
        begun = [one for one in on_their_way.values() if self._is_begun(one, counted.get(one.name, {}), gateway)]
        self._store()
        for endpoint in begun:
            if endpoint.rollout is not None:
                self._look_at(endpoint, endpoint.rollout, counted.get(endpoint.name, {}))

    def answered(self, counted: Mapping[str, Counted], gateway: str = "") -> dict[str, int]:
        """Return how many requests each canary has answered at its step; one that was not looked at yet is left out."""
        found = {}
        for endpoint in self._endpoints():
            rollout, base = endpoint.rollout, self._bases.get(endpoint.name)
            if rollout is None or base is None or rollout.percent == SHADOW_PERCENT:
                continue
            of = counted.get(endpoint.name, {})
            canary, live = _both(endpoint, rollout, of)
            if _is_base_of(base, rollout, canary, live, gateway):
                found[endpoint.name] = canary.requests - base.canary.requests
        return found

    def _is_begun(self, endpoint: Endpoint, counted: Counted, gateway: str) -> bool:
        """Tell whether a step was seen before; one that was not counts from now, and one of another gateway too."""
        rollout, base = endpoint.rollout, self._bases.get(endpoint.name)
        if rollout is None:
            return False
        self._hold.seconds(endpoint.name, rollout)  # from its first look on by a clock that nobody sets
        canary, live = _both(endpoint, rollout, counted)
        if base is not None and _is_base_of(base, rollout, canary, live, gateway):
            return True
        self._bases[endpoint.name] = StepBase(rollout.revision, rollout.since, canary, live, gateway)
        return False

    def _store(self) -> None:
        """Keep for the next agent where each step began, once it is another than what is kept."""
        if self._kept is not None and self._bases != self._stored and self._kept.write(self._bases):
            self._stored = dict(self._bases)

    def _look_at(self, endpoint: Endpoint, rollout: Rollout, counted: Counted) -> None:
        canary, live = _both(endpoint, rollout, counted)
        held = self._hold.seconds(endpoint.name, rollout)
        base = self._bases[endpoint.name]
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
            f"{_percent(finding.share)} of its {finding.requests:,} answers were errors; beside the live one it may"
            f" have {_percent(finding.limit)}."
        )
        return Reason("canary_errors", text, title="more errors than the live revision")
    text = (
        f"{_percent(finding.share)} of its {finding.requests:,} answers took longer than"
        f" {_time(finding.limit_seconds)}; beside the live one {_percent(finding.limit)} may."
    )
    return Reason("canary_latency", text, title="slower than the live revision")


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g} %"


def _time(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds >= 1.0 else f"{seconds * 1000:.0f} ms"


def _both(endpoint: Endpoint, rollout: Rollout, counted: Counted) -> tuple[Snapshot, Snapshot]:
    """Return what was counted of the canary, and of the live revision."""
    return counted.get(rollout.revision, _SILENCE), counted.get(endpoint.revision, _SILENCE)


def _is_base_of(base: StepBase, rollout: Rollout, canary: Snapshot, live: Snapshot, gateway: str) -> bool:
    """Tell whether a base is that of this step, and of the gateway that has counted on since."""
    is_of_the_step = (base.revision, base.since, base.gateway) == (rollout.revision, rollout.since, gateway)
    return is_of_the_step and canary.requests >= base.canary.requests and live.requests >= base.live.requests


def _between(first: Snapshot, last: Snapshot) -> Answered:
    return Answered(
        last.requests - first.requests,
        last.errors - first.errors,
        tuple(after - before for before, after in zip(first.buckets, last.buckets, strict=True)),
    )
