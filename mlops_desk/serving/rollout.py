"""How a new revision takes over step by step, and what sends it back.

Whether a canary answers as well as the live revision beside it. Pure.

Both have answered callers of the same kind at the same time, so what ails the machine ails both; only what the canary
has more of counts against it. It is looked at every few seconds, for hours: a limit on the share alone, or a test meant
for one look, would send a good revision back sooner or later.

The steps of a rollout: where it begins, when it goes on, where it ends. Pure.

What was counted when each rollout's step began, kept for the next agent: the gateway goes on counting without one.

What a gateway has counted says nothing beside what another one has, so each is kept with whose it is.

For how long rollouts have been at their step, whatever the machine's clock is set to meanwhile.

Set forward, it would lead a canary through steps at which it was hardly asked anything; set back, it would hold it up
for as long. Only what passed before this process first saw the step is told by that clock: nothing else knows of it.

Leads canaries by what the gateway counts: on after a good step, back at the first sure fault.

An endpoint's revisions as they are shown, from what was written down of them and what runs now. Pure.
"""

import logging
import math
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.disk.write_deadline import PatientWriter
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.serving.gateway.traffic import BOUNDS_SECONDS, Snapshot, TrafficCounters, percentile, snapshot_of
from mlops_desk.serving.records.endpoint import Endpoint, EndpointRevision, EndpointState, RevisionState
from mlops_desk.serving.records.rollout import SHADOW_PERCENT, STEPS_PERCENT, Rollout, RolloutGuard
from mlops_desk.serving.revision import Revision

_log = logging.getLogger(__name__)

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


WHOLE_PERCENT = 100.0  # shares are in percent, as people say them


class Turn(Enum):
    """What is to be done with a rollout now."""

    STAY = "stay"
    GO_ON = "go on"
    PROMOTE = "promote"
    GO_BACK = "go back"


@dataclass(frozen=True, slots=True)
class RolloutDecision:
    """What is to be done, and what the canary failed in if it is to go back."""

    turn: Turn
    finding: Finding | None = None


def begin(
    revision: int, percent: float, guard: RolloutGuard, now: float, *, steps: Sequence[float] = STEPS_PERCENT
) -> Rollout:
    """Return a rollout that begins with ``percent`` of the requests and has the larger ones of ``steps`` to come.

    ``now`` is Unix seconds. Raises Invalid.
    """
    if not SHADOW_PERCENT <= percent < WHOLE_PERCENT:
        raise Invalid(f"A canary can't have {percent:g} % of the requests.", "Take between 1 and 99.")
    return Rollout(revision, percent, tuple(step for step in sorted(steps) if step > percent), guard, now)


def decide(
    rollout: Rollout, canary: Answered, live: Answered, held_seconds: float, *, is_led: bool = False
) -> RolloutDecision:
    """Return what is to be done, by what both revisions answered since the step began, so long ago.

    Nothing sends a shadow back: its answers reach nobody, and a person wants to look at them. One that is led by a
    retraining (``is_led``) is looked at by nobody, and would be given requests next: it goes back like a canary.
    """
    finding = fault_of(rollout.guard, canary, live)
    if finding is not None and (is_led or rollout.percent > SHADOW_PERCENT):
        return RolloutDecision(Turn.GO_BACK, finding)
    is_baked = held_seconds >= rollout.guard.bake_seconds and canary.requests >= rollout.guard.requests
    if rollout.is_held or rollout.percent == SHADOW_PERCENT or not is_baked:
        return RolloutDecision(Turn.STAY, finding)
    return RolloutDecision(Turn.PROMOTE if next_percent(rollout) >= WHOLE_PERCENT else Turn.GO_ON)


def next_percent(rollout: Rollout) -> float:
    """Return the share of requests of the next step, in percent; the whole where no step is left."""
    return rollout.steps[0] if rollout.steps else WHOLE_PERCENT


def gone_on(rollout: Rollout, now: float) -> Rollout:
    """Return a rollout one step further, for which what was answered counts afresh."""
    return replace(
        rollout, percent=next_percent(rollout), steps=rollout.steps[1:], since=now, is_held=False, waits_for=None
    )


@dataclass(frozen=True, slots=True)
class StepBase:
    """What a ``gateway`` had counted when a ``revision``'s step, begun at ``since`` (Unix time), was first seen."""

    revision: int
    since: float
    canary: Snapshot
    live: Snapshot
    gateway: str = ""


@dataclass(frozen=True, slots=True)
class _Kept:
    bases: dict[str, StepBase] = field(default_factory=dict)


class StepBases:
    """The file of them. What can't be read or written counts from when it is next seen, as the log says."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._writer = PatientWriter("canaries")
        self._trouble: str | None = None

    def read(self) -> dict[str, StepBase]:
        """Return what was kept, by the endpoint's name."""
        try:
            return wire.loads(self._file.read_bytes(), _Kept).bases
        except FileNotFoundError:
            return {}
        except (OSError, Invalid) as error:
            _log.warning("What canaries had answered before can't be read, so it counts anew: %s", error)
            return {}

    def write(self, bases: Mapping[str, StepBase]) -> bool:
        """Keep them; return whether they are kept, so that it is tried again where they are not."""
        data = wire.dumps(_Kept(dict(bases))).encode()
        try:
            self._writer.do(lambda: write_atomically(self._file, data))
        except OSError as error:
            why = error.strerror or str(error)
            if why != self._trouble:
                _log.warning("After a restart canaries would count anew, because this can't be written: %s", why)
            self._trouble = why
            return False
        self._trouble = None
        return True


class StepHold:
    """``now`` is Unix seconds, ``uptime`` seconds by a clock that nobody sets."""

    def __init__(self, now: Callable[[], float] = time.time, uptime: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._uptime = uptime
        self._begun: dict[str, tuple[int, float, float]] = {}

    def seconds(self, name: str, rollout: Rollout) -> float:
        """Return for how long the rollout of an endpoint has been at the step it is at."""
        known = self._begun.get(name)
        if known is None or known[:2] != (rollout.revision, rollout.since):
            before = max(0.0, self._now() - rollout.since)
            known = self._begun[name] = rollout.revision, rollout.since, self._uptime() - before
        return self._uptime() - known[2]

    def keep(self, names: Collection[str]) -> None:
        """Forget the endpoints that are not among these."""
        self._begun = {name: known for name, known in self._begun.items() if name in names}


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


DRAINING = "draining"
"""The state of a replica that gets no more requests and ends what it has begun."""
_AFTER = {"failed": RevisionState.FAILED, "rolled_back": RevisionState.ROLLED_BACK, "retired": RevisionState.RETIRED}


def revisions_of(endpoint: Endpoint, known: Sequence[Revision], kept: Collection[int]) -> tuple[EndpointRevision, ...]:
    """Tell of ``known`` revisions beside the endpoint as it stands; ``kept`` have their files still."""
    return tuple(
        EndpointRevision(
            revision=one.number,
            model=one.model,
            state=_state_of(endpoint, one),
            traffic=100.0 * endpoint.traffic.get(str(one.number), 0.0),
            runtime=one.runtime,
            created=one.created_at,
            image=one.image,
            reason=one.reason,
            is_kept=one.number in kept,
            gpus=one.gpus,
            never_run=one.served is not None and one.served.never_run,
        )
        for one in known
    )


def _state_of(endpoint: Endpoint, revision: Revision) -> RevisionState:
    replicas = [replica for replica in endpoint.replicas if replica.revision == revision.number]
    if replicas and all(replica.state == DRAINING for replica in replicas):
        return RevisionState.DRAINING
    if replicas:
        rollout = endpoint.rollout
        if rollout is None or rollout.revision != revision.number:
            return RevisionState.LIVE
        return RevisionState.CANARY if rollout.percent else RevisionState.SHADOW
    if revision.state == "pending":
        return RevisionState.STARTING if endpoint.state is EndpointState.STARTING else RevisionState.BUILDING
    return _AFTER.get(revision.state, RevisionState.RETIRED)
