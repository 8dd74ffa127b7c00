"""A deployment: a revision is made, launched, and put in the place of the old one, which answers until then.

Each step is written down before it is taken, so that the next agent goes on where this one ended. A
stop that comes in between wins: the deployment sees that it is not wanted any more and cleans up.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from mlops_desk.engines.engine import Engine
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.caller import Caller
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.image.maker import Maker
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.progress import DeployProgress, Tell
from mlops_desk.serving.records.endpoint import (
    AliasFollowing,
    DeployStep,
    Endpoint,
    EndpointScale,
    EndpointState,
    ModelRef,
    Replica,
)
from mlops_desk.serving.records.own_image import OwnImage
from mlops_desk.serving.replicas import Crew, EndpointClaims, answering, needed
from mlops_desk.serving.revision import NO_GPU, Failed, Interrupted, Revision, Shelf
from mlops_desk.serving.routing_sync import Switchboard
from mlops_desk.serving.traffic_shift import Stages

_log = logging.getLogger(__name__)
_STARTS_SECONDS = 120.0  # chosen: as long as a start may take by default
_DIED = "container_died"  # what a training image without MLflow does, before it has answered once


@dataclass(frozen=True, slots=True)
class DeployAsked:
    """What a deployment was asked for, and the step in which its version was found.

    With ``enters_percent`` of the requests it begins beside the one that answers; None: it takes over. ``scale`` and
    ``gpus`` of each replica are as they have been where they are None; ``follows`` None pins the endpoint. ``served``
    serves by itself, without a model.
    """

    alias: str | None
    runtime: str
    resolved: DeployStep
    enters_percent: float | None = None
    scale: EndpointScale | None = None
    gpus: int | None = None
    follows: str | None = None
    following: AliasFollowing | None = None
    served: OwnImage | None = None


class Deployments:
    """The deployments under way, at most one for each endpoint; the caller has claimed its name."""

    def __init__(
        self,
        board: EndpointBoard,
        shelf: Shelf,
        maker: Maker,
        trial: Trial,
        switchboard: Switchboard,
        stages: Stages,
        claims: EndpointClaims,
        crew: Crew,
        loop: Loop,
        engine: Engine,
    ) -> None:
        self._board = board
        self._shelf = shelf
        self._maker = maker
        self._trial = trial
        self._switchboard = switchboard
        self._stages = stages
        self._claims = claims
        self._crew = crew
        self._loop = loop
        self._engine = engine
        self._wanted: dict[str, int] = {}

    def begin(
        self, name: str, asked: DeployAsked, version: ModelVersion, caller: Caller, done: threading.Event
    ) -> None:
        """Write a new revision down, show the endpoint as building and begin. What answers now goes on answering.

        Sets ``done`` when it is up or has failed. Raises OSError.
        """
        uri = str(version.source) if asked.served else f"models:/{version.name}/{version.version}"
        model = ModelRef(version.name, version.version, uri, asked.alias, version.run_id, version.registry)
        known = self._board.find(name)
        newest_number = max([*self._shelf.numbers(name), known.revision if known else 0])
        revision = self._shelf.write(
            Revision(
                name,
                newest_number + 1,
                model,
                version,
                enters_percent=asked.enters_percent,
                created_at=time.time(),
                wanted=asked.runtime,
                gpus=self._gpus_of(known) if asked.gpus is None else asked.gpus,
                scale=asked.scale,
                uid=known.created_by if known else caller.uid,
                served=asked.served,
            )
        )
        self._wanted[name] = revision.number
        if known is not None and (known.replicas or known.asleep_since is not None):
            shown = replace(known, state=EndpointState.BUILDING, reason=None)
        else:
            shown = self._fresh(revision, known, caller)
        steps = (asked.resolved,)
        self._board.put(replace(shown, steps=steps, follows=asked.follows, following=asked.following))
        self._switchboard.route()
        self._loop.start(f"deploy-{name}", lambda: self._bring_up(revision, done))

    def _gpus_of(self, known: Endpoint | None) -> int:
        """Return how many GPUs each replica of what answers has."""
        revision = None if known is None else self._shelf.read(known.name, known.revision)
        return 0 if revision is None else revision.gpus

    def _fresh(self, revision: Revision, known: Endpoint | None, caller: Caller) -> Endpoint:
        return Endpoint(
            name=revision.endpoint,
            state=EndpointState.BUILDING,
            url=self._switchboard.url(revision.endpoint),
            revision=revision.number,
            model=revision.model,
            created_at=known.created_at if known else time.time(),
            request_log=str(self._log_of(revision.endpoint, known)),
            created_by=known.created_by if known else caller.uid,
            scale=known.scale if known else EndpointScale(),
            wanted=known.wanted if known else 1,
        )

    def _log_of(self, name: str, known: Endpoint | None) -> Path:
        logs = self._switchboard.logs
        return logs.begin(name) if known is None else logs.of(known)

    def take_up(self, endpoint: Endpoint) -> None:
        """Go on with the deployment that an earlier agent left half done."""
        found = [self._shelf.read(endpoint.name, number) for number in reversed(self._shelf.numbers(endpoint.name))]
        pending = next((revision for revision in found if revision is not None and revision.state == "pending"), None)
        if pending is None:
            text = "The agent ended before this deployment was written down."
            reason = Reason("interrupted", text, None, "Deploy it again.")
            self._board.change(endpoint.name, lambda known: _with_failure(known, known.revision, reason))
        elif self._claims.claim(endpoint.name):
            self._wanted[endpoint.name] = pending.number
            self._loop.start(f"deploy-{endpoint.name}", lambda: self._bring_up(pending, threading.Event()))

    def forget(self, name: str) -> None:
        """Let the deployment under way, if there is one, see that it is not wanted any more."""
        self._wanted.pop(name, None)

    def bring_back(self, revision: Revision, done: threading.Event) -> None:
        """Start a revision again that was live before; it takes over once it is up. Sets ``done`` as ``begin`` does.

        Raises OSError.
        """
        pending = self._shelf.write(replace(revision, state="pending", enters_percent=None, reason=None, scale=None))
        self._wanted[revision.endpoint] = revision.number
        self._board.change(
            revision.endpoint, lambda known: replace(known, state=EndpointState.STARTING, reason=None, steps=())
        )
        self._loop.start(f"deploy-{revision.endpoint}", lambda: self._bring_up(pending, done))

    def _bring_up(self, revision: Revision, done: threading.Event) -> None:
        """Make, launch and switch to a revision. Whatever happens, the endpoint ends in a state that says so."""
        try:
            self._go(revision)
        except Interrupted:
            _log.info("The deployment of %s is left to the next agent", revision.endpoint)
        except Failed as failure:
            self._give_up(revision, failure.reason)
        except NotFound:
            _log.info("Endpoint %s was removed while it was deployed", revision.endpoint)
        except Exception:
            hint = "The agent's log has the details."
            self._give_up(revision, Reason("internal", "Something went wrong.", None, hint))
            raise
        finally:
            if self._board.find(revision.endpoint) is None:
                self._shelf.discard(revision.endpoint)
            self._claims.release(revision.endpoint)
            done.set()

    def _go(self, revision: Revision) -> None:
        progress = DeployProgress(partial(self._change, revision), self._board.get(revision.endpoint).steps)
        try:
            made = revision if self._is_made(revision) else self._maker.make(revision, progress.step)
            made, replicas = self._launched(made, progress.step)
            if replicas:
                self._enter(made, replicas, progress.step)
        finally:
            progress.close()

    def _launched(self, made: Revision, tell: Tell) -> tuple[Revision, list[Replica]]:
        """Start what was made, and what comes next in its place where a training image can't serve it after all.

        Returns what runs and its replicas, none where a stop has overtaken it. Raises Failed.
        """
        self._change(made, lambda known: replace(known, state=EndpointState.STARTING))
        if not self._is_wanted(made):
            return made, []
        self._stages.wait_for_end(made.endpoint, made.number)
        if made.was_live:  # what is being started for it still has the names that its replicas get
            self._claims.wait_for_starts(made.endpoint, _STARTS_SECONDS)
        try:
            first = self._trial.launch(made, tell)
            return made, [first, *self._further(made, first, tell)]
        except Failed as failure:
            if failure.reason.class_ != _DIED or (other := self._maker.instead(made, tell)) is None:
                raise
        return self._launched(other, tell)

    def _further(self, made: Revision, first: Replica, tell: Tell) -> list[Replica]:
        """Start as many more replicas as a revision needs beside the one that answers; where none does, one is enough.

        Raises Failed, with nothing left running: those that answer now are not replaced by fewer.
        """
        known = self._board.get(made.endpoint)
        wanted = known.wanted if made.scale is None else made.scale.least
        count = needed(wanted, made.enters_percent)
        if count == 1 or not answering(known):
            return []
        tell("replicas", f"{count - 1} more of it are started")
        started = self._crew.start(made, range(2, count + 1))
        if started.failed is not None:
            for replica in (first, *started.up):
                self._trial.end(replica.container)
            raise Failed.by(started.failed)
        return started.up

    def _enter(self, made: Revision, replicas: Sequence[Replica], tell: Tell) -> None:
        tell("route", "the gateway is told where it answers")
        self._stages.enter(made, replicas, lambda change: self._change(made, change))
        if not self._is_wanted(made):
            for replica in replicas:
                self._trial.end(replica.container)

    def _is_made(self, revision: Revision) -> bool:
        """Tell whether there is all to start a revision from; its image is written down when everything else is."""
        if revision.image is None or not self._shelf.has_files(revision.endpoint, revision.number):
            return False
        try:
            self._engine.image(revision.image)
        except NotFound:
            return False
        return True

    def _give_up(self, revision: Revision, reason: Reason) -> None:
        if not revision.was_live:
            self._shelf.drop_files(revision.endpoint, revision.number)
        if self._is_wanted(revision):
            self._shelf.write(replace(revision, state="retired" if revision.was_live else "failed", reason=reason))
            self._change(revision, lambda known: _with_failure(known, revision.number, reason))
            self._switchboard.route()

    def _change(self, revision: Revision, change: Callable[[Endpoint], Endpoint]) -> None:
        """Change an endpoint on behalf of a deployment, unless a stop has overtaken it."""
        self._board.change(revision.endpoint, lambda known: change(known) if self._is_wanted(revision) else known)

    def _is_wanted(self, revision: Revision) -> bool:
        return self._wanted.get(revision.endpoint) == revision.number


def _with_failure(endpoint: Endpoint, revision: int, reason: Reason) -> Endpoint:
    """Say why the newest revision did not come up; an endpoint with an older one goes on being live, or asleep."""
    if endpoint.replicas:
        return replace(endpoint, state=EndpointState.LIVE, reason=reason)
    can_wake = endpoint.asleep_since is not None and (revision != endpoint.revision or reason.class_ == NO_GPU)
    if can_wake:
        return replace(endpoint, state=EndpointState.ASLEEP, reason=reason)
    return replace(endpoint, state=EndpointState.FAILED, reason=reason, asleep_since=None)
