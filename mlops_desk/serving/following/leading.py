"""Leading an endpoint that follows an alias to another version, step by step, before the alias moves there.

Somebody outside (a retraining) leads: the version gets copies of requests first, then a share of them, under the guard
of every canary. Meanwhile the alias is not followed, which is written down with who leads; it is again when they
release the endpoint.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.serving.endpoint import AliasFollowing, Endpoint, EndpointRevision, EndpointState
from mlops_desk.records.serving.rollout import SHADOW_PERCENT
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.following.deploying import MovedDeployments
from mlops_desk.serving.moving.stages import Stages

BACK = "led_back"
_LEADABLE = frozenset({EndpointState.LIVE, EndpointState.BUILDING, EndpointState.STARTING})


class LedVersions:
    """``go_on`` leads a rollout one step further; ``promote`` lets a revision of an endpoint answer all requests."""

    def __init__(
        self,
        board: EndpointBoard,
        stages: Stages,
        moved: MovedDeployments,
        go_on: Callable[[str], object],
        promote: Callable[[str, int], object],
        look_soon: Callable[[], None],
    ) -> None:
        self._board = board
        self._stages = stages
        self._moved = moved
        self._go_on = go_on
        self._promote = promote
        self._look_soon = look_soon

    def begin(self, name: str, version: ModelVersion, by: str) -> None:
        """Let a version get copies of an endpoint's requests; ``by`` leads from now on.

        Raises NotFound, Refused where it can't be led, Unavailable while something else is deployed.
        """
        endpoint = self._board.get(name)
        leader = _following(endpoint).led_by
        if leader not in {None, by}:
            raise Refused(f"Endpoint {name} is led to another version by {leader} already.", "Let that end first.")
        if not can_be_led(endpoint):
            raise Refused(f"Endpoint {name} does not answer requests now, so nothing can be tried beside it.")
        self._board.change(name, lambda known: _led(known, by))
        try:
            has_begun = self._moved.begin_beside(self._board.get(name), version, SHADOW_PERCENT)
        except Refused as error:  # somebody was faster by a moment
            raise Unavailable(error.message, error.hint) from error
        if not has_begun:
            raise Unavailable(f"Endpoint {name} is being deployed.", "It is tried again soon.")

    def go_on(self, name: str, number: int) -> None:
        """Give a revision that gets copies its first share of requests; nothing where it has one. Raises NotFound."""
        rollout = self._board.get(name).rollout
        if rollout is not None and rollout.revision == number and rollout.percent == SHADOW_PERCENT:
            self._go_on(name)

    def back(self, name: str, tried: EndpointRevision, before: int | None, why: str) -> None:
        """Take a revision out again; where it answers all requests already, the one ``before`` takes over.

        Raises NotFound, Refused, TimedOut and OSError.
        """
        endpoint = self._board.get(name)
        if endpoint.rollout is not None and endpoint.rollout.revision == tried.revision:
            self._stages.go_back(name, Reason(BACK, why))
        elif endpoint.revision == tried.revision and before is not None:
            self._promote(name, before)

    def release(self, name: str, by: str) -> None:
        """Let an endpoint go with its alias again, if ``by`` leads it. Raises NotFound."""
        self._board.change(name, lambda known: _released(known, by))
        self._look_soon()


def can_be_led(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint has requests that something could be tried on: one that sleeps or is lent has none."""
    return endpoint.state in _LEADABLE and endpoint.lent is None and bool(endpoint.replicas)


def _following(endpoint: Endpoint) -> AliasFollowing:
    return endpoint.following or AliasFollowing(endpoint.model.version, time.time())


def _led(endpoint: Endpoint, by: str) -> Endpoint:
    if endpoint.follows is None:
        return endpoint
    return replace(endpoint, following=replace(_following(endpoint), led_by=by))


def _released(endpoint: Endpoint, by: str) -> Endpoint:
    following = endpoint.following
    if following is None or following.led_by != by:
        return endpoint
    return replace(endpoint, following=replace(following, led_by=None))
