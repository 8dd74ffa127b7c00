"""Endpoints that go with an alias of a model.

Whether an endpoint that follows an alias is to deploy what it names now, or why it serves another version. Pure.

Deploying what an alias names now, or will if it holds, as its endpoint was deployed before.

Looks at the aliases that endpoints follow, as soon as the registry tells of a change, and deploys what they name.

Leading an endpoint that follows an alias to another version, step by step, before the alias moves there.

Somebody outside (a retraining) leads: the version gets copies of requests first, then a share of them, under the guard
of every canary. Meanwhile the alias is not followed, which is written down with who leads; it is again when they
release the endpoint.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.base.timer import Bell
from mlops_desk.machine.records.event import RegistryChanged
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.deployment import DeployAsked, Deployments
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    DeployStep,
    Endpoint,
    EndpointRevision,
    EndpointState,
    RevisionState,
)
from mlops_desk.serving.records.rollout import SHADOW_PERCENT
from mlops_desk.serving.replicas import EndpointClaims
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.runtimes import choice
from mlops_desk.serving.traffic_shift import Stages

_log = logging.getLogger(__name__)

_ID = 40  # chosen: an id's 32 characters
_UNDER_WAY = frozenset({EndpointState.BUILDING, EndpointState.STARTING})


@dataclass(frozen=True, slots=True)
class FollowDecision:
    """``waits_for`` says why it serves another version than the alias names; None where it does not, or is about to."""

    is_to_deploy: bool = False
    waits_for: Reason | None = None


def decide(endpoint: Endpoint, following: AliasFollowing) -> FollowDecision:
    """Return what is to be done. What failed or was sent back is not tried again until the alias moves anew."""
    named, alias = following.version, plain(endpoint.follows or "")
    if named is None:
        return _waits("alias_gone", f"Model {plain(endpoint.model.name)} has no alias {alias} now.")
    tried = [one for one in endpoint.revisions if one.model.version == named and _is_since(one, following.since)]
    is_served = endpoint.model.version == named and endpoint.state is not EndpointState.FAILED
    if following.led_by is not None:
        told = (
            f"Pipeline {plain(following.led_by, _ID)} tries another version beside it; it goes with {alias} afterwards."
        )
        return FollowDecision() if is_served else _waits("led", told)
    if endpoint.state in _UNDER_WAY:
        return _waits("deploying", f"Version {plain(named)} is being deployed.") if tried else FollowDecision()
    if is_served or not tried:
        return FollowDecision() if is_served else _begun(endpoint)
    return _after(tried[-1], endpoint)


def _begun(endpoint: Endpoint) -> FollowDecision:
    """Let what the alias names be deployed for the first time since it has moved there, where that can be."""
    if endpoint.state is EndpointState.STOPPED:
        return _waits("stopped", "The endpoint is stopped.")
    if endpoint.lent is not None:
        return _waits("lent", "It lends its GPUs to jobs; it follows when it is claimed.")
    return FollowDecision(is_to_deploy=True)


def _after(tried: EndpointRevision, endpoint: Endpoint) -> FollowDecision:
    """Say why what was tried does not answer all requests."""
    what, why = f"Version {plain(tried.model.version)}", tried.reason
    told = f": {why.text}" if why is not None else "."
    if tried.state in {RevisionState.CANARY, RevisionState.SHADOW}:
        percent = endpoint.rollout.percent if endpoint.rollout is not None else 0.0
        return _waits("canary", f"{what} gets {percent:g} % of the requests so far.")
    if tried.state is RevisionState.FAILED:
        return _waits("not_deployed", f"{what} could not be deployed{told}")
    if tried.state in {RevisionState.ROLLED_BACK, RevisionState.DRAINING}:
        return _waits("sent_back", f"{what} was sent back{told} It is not tried again until the alias moves.")
    return _waits("replaced", f"{what} was replaced by hand. It is not tried again until the alias moves.")


def _is_since(revision: EndpointRevision, since: float) -> bool:
    return revision.created is not None and revision.created >= since


def _waits(class_: str, text: str) -> FollowDecision:
    return FollowDecision(waits_for=Reason(class_, text))


class MovedDeployments:
    """Begins deployments that nobody has asked for but an alias. ``ensure`` starts the gateway where none runs."""

    def __init__(
        self, shelf: Shelf, claims: EndpointClaims, deployments: Deployments, ensure: Callable[[], object]
    ) -> None:
        self._shelf = shelf
        self._claims = claims
        self._deployments = deployments
        self._ensure = ensure

    def begin(self, endpoint: Endpoint, version: ModelVersion) -> bool:
        """Begin to deploy a version; False while the endpoint is deployed already. Raises DeskError."""
        alias, following = endpoint.follows, endpoint.following
        found = f"{plain(version.name)}/{version.version} is meant by {plain(alias or '')}, which has moved"
        return self._begun(endpoint, version, found, alias, following.canary_percent if following else None)

    def begin_beside(self, endpoint: Endpoint, version: ModelVersion, percent: float) -> bool:
        """Begin to deploy a version that the alias does not mean yet, with ``percent`` of the requests; likewise."""
        leader = endpoint.following.led_by if endpoint.following else None
        found = f"{plain(version.name)}/{version.version} is tried beside by pipeline {plain(leader or '')}"
        return self._begun(endpoint, version, found, None, percent)

    def _begun(
        self, endpoint: Endpoint, version: ModelVersion, found: str, alias: str | None, percent: float | None
    ) -> bool:
        if endpoint.name in self._claims.deployed():
            return False
        live = self._shelf.read(endpoint.name, endpoint.revision)
        asked = DeployAsked(
            alias,
            live.wanted if live else choice.AUTO,
            DeployStep("resolve", found, time.time(), 0.0),
            percent,
            follows=endpoint.follows,
            following=endpoint.following,
        )
        with self._claims.held(endpoint.name):
            self._ensure()
            self._deployments.begin(endpoint.name, asked, version, current_caller(), threading.Event())
        return True


_LOOK_SECONDS = 15.0  # chosen: what became of a deployment is told by then; a move is heard of at once

ResolveAt = Callable[[str, str | None], ModelVersion]
"""Finds the version that MODEL@ALIAS means in the registry of a URI (None: the desk's own). Raises DeskError."""


class AliasFollower:
    """``deploy`` begins to deploy a version; False where the endpoint is worked on already."""

    def __init__(
        self, board: EndpointBoard, resolve: ResolveAt, deploy: Callable[[Endpoint, ModelVersion], bool]
    ) -> None:
        self._board = board
        self._resolve = resolve
        self._deploy = deploy
        self._bell = Bell()
        self._trouble = TroubleLog(_log, "What endpoint %s follows could not be looked at")

    def start(self, loop: Loop, bus: Bus) -> None:
        """Begin to look, in a thread of its own: a registry may be slow."""
        bus.subscribe(RegistryChanged, lambda _event: self._bell.ring())
        loop.repeat("follow-aliases", _LOOK_SECONDS, self.look, at_once=False, bell=self._bell)

    def look_soon(self) -> None:
        """Look in the follower's own thread, without waiting for the next turn."""
        self._bell.ring()

    def look(self) -> None:
        """Look at all endpoints that follow an alias."""
        for endpoint in self._board.all():
            if endpoint.follows is not None:
                try:
                    self._look_at(endpoint, endpoint.follows)
                except NotFound:
                    continue  # the endpoint was removed meanwhile
                except DeskError as error:
                    self._trouble.failed(endpoint.name, error.message)
                else:
                    self._trouble.over(endpoint.name)

    def _look_at(self, endpoint: Endpoint, alias: str) -> None:
        version = self._named(endpoint, alias)
        named = None if version is None else version.version
        following = endpoint.following or AliasFollowing(named, time.time())
        if following.version != named:
            following = replace(following, version=named, since=time.time())
        decision = decide(endpoint, following)
        following = replace(following, waits_for=decision.waits_for)

        def change(known: Endpoint) -> Endpoint:
            return replace(known, following=following) if known.follows == alias else known

        changed = self._board.change(endpoint.name, change)
        if decision.is_to_deploy and version is not None and changed.following == following:
            self._deploy(changed, version)

    def _named(self, endpoint: Endpoint, alias: str) -> ModelVersion | None:
        """Return the version that an alias names; None for none. Raises DeskError where nobody knows."""
        registry = endpoint.model.registry
        try:
            return replace(self._resolve(f"{endpoint.model.name}@{alias}", registry), registry=registry)
        except NotFound:
            return None


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
