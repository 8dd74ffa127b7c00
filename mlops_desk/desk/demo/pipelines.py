"""Pipelines of the demo: all as it is, but that no container answers rows, so how the two models score is made up.

Its endpoints are led to a challenger in seconds, where real ones want a quarter of an hour of requests.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mlops_desk.automation.records.pipelines.comparison import ModelCost, ModelEvaluation, PairedScore, Scored
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.desk.demo import endpoint_lifecycle
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.alias_sync import LedVersions
from mlops_desk.serving.records.endpoint import AliasFollowing, Endpoint, EndpointRevision, RevisionState, Traffic
from mlops_desk.serving.records.rollout import SHADOW_PERCENT, STEPS_PERCENT, Rollout, RolloutGuard
from mlops_desk.serving.service import EndpointsService

_ROWS = 2400  # chosen: as many as a day of the demo's endpoint brings
_BAKE_SECONDS = 6.0  # chosen: long enough to be seen in the graph of the steps
_COPIES = Traffic(2.1, 0.012, 0.031, 0.0, 240, 0)  # chosen: a twentieth of what churn-prod gets
_HALF_WIDTH = 0.012  # chosen: about what so many rows leave open of an AUC


def made_up(
    metric: Callable[[str, str], float | None], run: PipelineRun, champion: ModelVersion, challenger: ModelVersion
) -> ModelEvaluation:
    """Score two versions by what their runs have logged, which the demo has made up as well."""
    values = [(metric(one.run_id, run.metric) if one.run_id else None) or 0.0 for one in (champion, challenger)]
    part = ("newest", f"the newest labelled requests of endpoint {run.endpoint}")
    score = scored("roc_auc", part, *values)
    return ModelEvaluation((score,), ModelCost(2_400_000, 100, 0.011), ModelCost(2_430_000, 100, 0.011))


def scored(metric: str, part: tuple[str, str], before: float, after: float) -> PairedScore:
    """Return how two models score: ``part`` is which rows they are, and the same in words."""
    gap = after - before
    return PairedScore(
        part=part[0],
        data=part[1],
        metric=metric,
        read=_ROWS,
        rows=_ROWS,
        champion=_around(before),
        challenger=_around(after),
        difference=Scored(gap, gap - _HALF_WIDTH / 2, gap + _HALF_WIDTH / 2),
        method="delong" if metric == "roc_auc" else "bootstrap",
    )


def _around(value: float) -> Scored:
    return Scored(value, value - _HALF_WIDTH, value + _HALF_WIDTH)


class DemoLed(LedVersions):
    """Leads by the verbs of the demo's endpoints; ``tell`` keeps an endpoint and announces it."""

    def __init__(self, endpoints: EndpointsService, tell: Callable[[Endpoint], object], loop: Loop) -> None:
        self._endpoints, self._tell, self._loop = endpoints, tell, loop

    def begin(self, name: str, version: ModelVersion, by: str) -> None:
        known = self._endpoints.show(name)
        if known.rollout is not None:  # what is under way is done with first
            known = self._endpoints.promote(name)
        following = replace(known.following or AliasFollowing(known.model.version, time.time()), led_by=by)
        self._endpoints.deploy(f"{version.name}/{version.version}", name, shadow=True)
        made = self._endpoints.show(name)
        begun = None if made.rollout is None else _soon(made.rollout)
        self._tell(replace(made, follows=known.follows, following=following, rollout=begun, shadow_load=_COPIES))

    def go_on(self, name: str, number: int) -> None:
        known = self._endpoints.show(name)
        rollout = known.rollout
        if rollout is None or rollout.revision != number or rollout.percent != SHADOW_PERCENT:
            return
        first, *steps = STEPS_PERCENT
        begun = replace(rollout, percent=first, steps=tuple(steps), since=time.time())
        made = tuple(
            replace(one, state=RevisionState.CANARY) if one.revision == number else one for one in known.revisions
        )
        shares = {str(known.revision): 1.0 - first / 100.0, str(number): first / 100.0}
        self._tell(endpoint_lifecycle.shared(replace(known, rollout=begun, revisions=made, shadow_load=None), shares))
        self._loop.start(f"demo-led-{name}", partial(self._hold, name, number))

    def _hold(self, name: str, number: int) -> None:
        """Let a canary answer everything after its time, unless it or its endpoint is gone by then."""
        if self._loop.ending.wait(_BAKE_SECONDS):
            return
        known = next((one for one in self._endpoints.list() if one.name == name), None)
        if known is not None and known.rollout is not None and known.rollout.revision == number:
            self._endpoints.promote(name, number)

    def back(self, name: str, tried: EndpointRevision, before: int | None, why: str) -> None:  # noqa: ARG002 - nobody asks
        known = self._endpoints.show(name)
        if known.rollout is not None and known.rollout.revision == tried.revision:
            self._endpoints.rollback(name)
        elif known.revision == tried.revision and before is not None:
            self._endpoints.promote(name, before)

    def release(self, name: str, by: str) -> None:
        known = self._endpoints.show(name)
        if known.following is not None and known.following.led_by == by:
            following = replace(known.following, led_by=None, version=known.model.version)
            self._tell(replace(known, following=following))


def _soon(rollout: Rollout) -> Rollout:
    """Return a way that takes seconds."""
    guard = RolloutGuard(bake_seconds=_BAKE_SECONDS, requests=1)
    return replace(rollout, guard=guard, since=time.time())
