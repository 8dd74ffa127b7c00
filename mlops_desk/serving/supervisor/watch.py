"""Keeping endpoints up: containers that died or hang are started again, with a pause that grows.

What the engine runs is compared with what should run. While the engine does not answer, nothing is
known, so nothing changes. Containers of ours that belong to no endpoint any more are removed, but not those that
serve and have only lost their record (``orphans``).
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from mlops_desk.engines.engine import ContainerFacts, Engine
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint, NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving import deploy_options
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, Replica
from mlops_desk.serving.replicas import DOWN, RUNNING, EndpointClaims, answering, of_revision, ready
from mlops_desk.serving.revision import Failed, Interrupted, Shelf
from mlops_desk.serving.rollout import DRAINING
from mlops_desk.serving.routing_sync import Switchboard
from mlops_desk.serving.supervisor.orphans import OrphanEndpoints

_log = logging.getLogger(__name__)
_SILENT_LOOKS = 3  # with a look every two seconds: a long answer may hold a single worker for some
_WRONG_ANSWERS = 2  # chosen: what is wrong once may be a caller's heat; a minute later it is not
_RARELY = 30  # a minute, with a look every two seconds: for containers that nobody has a record of
_LONGEST_PAUSE_SECONDS = 60.0  # chosen: below Kubernetes' five minutes, as one person waits for it here
_STEADY_SECONDS = 60.0  # chosen: a model that dies of its first requests does so before
_WATCHED = frozenset({EndpointState.LIVE, EndpointState.UNHEALTHY})


@dataclass(slots=True)
class _Health:
    """What was seen of an endpoint lately. Times are monotonic seconds."""

    silent: int = 0
    wrong: int = 0
    is_asked: bool = False
    restarts: int = 0
    next_at: float = 0.0
    up_since: float | None = None


def pause_seconds(restarts: int) -> float:
    """Return how long to wait before the next restart: not at all, then 2, 4, 8 … up to 60 s."""
    return 0.0 if restarts == 0 else min(_LONGEST_PAUSE_SECONDS, 2.0**restarts)


class Watch:
    """Looks at the containers of all endpoints but those that a deployment is working on, by ``claims``."""

    def __init__(
        self,
        instance: str,
        board: EndpointBoard,
        shelf: Shelf,
        engine: Engine,
        trial: Trial,
        bus: Bus,
        loop: Loop,
        switchboard: Switchboard,
        orphans: OrphanEndpoints,
        go_back: Callable[[str, Reason], object],
        claims: EndpointClaims,
        see: Callable[[Iterable[ContainerFacts]], object],
    ) -> None:
        self._instance = instance
        self._board = board
        self._shelf = shelf
        self._engine = engine
        self._trial = trial
        self._bus = bus
        self._loop = loop
        self._switchboard = switchboard
        self._orphans = orphans
        self._go_back = go_back
        self._claims = claims
        self._see = see
        self._looks = 0
        self._health: dict[str, _Health] = {}

    def look(self) -> None:
        """Compare once what runs with what should run; without any endpoint only now and then."""
        self._looks += 1
        if not self._board.all() and self._looks % _RARELY != 1:
            return
        labels = {deploy_options.LABEL_INSTANCE: self._instance, deploy_options.LABEL_ENDPOINT: ""}
        try:
            containers = {
                facts.name: facts
                for facts in self._engine.containers(labels)
                if deploy_options.is_endpoints(self._instance, facts.name, facts.labels)
            }
        except Unavailable as error:
            _log.debug("The engine does not answer, so nothing is known of the endpoints: %s", error)
            return
        self._see(containers.values())
        # In this order: a deployment puts its container on the board before it lets go of the name.
        deployed, busy = self._claims.deployed(), self._claims.busy()
        self._take_up(containers, busy)  # before a record of before is followed
        for endpoint in self._board.all():
            if endpoint.state in _WATCHED and endpoint.name not in deployed:
                self._look_at(endpoint, containers)
        self._sweep(containers, busy)

    def _look_at(self, endpoint: Endpoint, containers: Mapping[str, ContainerFacts]) -> None:
        # Where all have ended, the machine or its engine was started anew: that is no fault of a revision on its way.
        is_own = any(_runs(containers.get(one.container)) for one in answering(endpoint))
        for replica in endpoint.replicas:
            if replica.state == DRAINING or self._claims.starts(endpoint.name, replica.container):
                continue
            health = self._health.setdefault(replica.container, _Health())
            facts = containers.get(replica.container)
            if facts is None or not _runs(facts):
                self._down(endpoint, replica, health, self._why(replica, facts), is_own=is_own)
            elif self._trial.is_well(
                endpoint.name,
                replica.revision,
                address := self._trial.address_of(endpoint.name, replica.revision, facts),
            ):
                self._up(endpoint, replica, health, address)
                self._ask_example(endpoint.name, replica, health, address)
            else:
                health.silent += 1
                if health.silent >= _SILENT_LOOKS:
                    text = "The container runs, but the model has stopped answering."
                    self._down(endpoint, replica, health, Reason("not_answering", text, None, None))

    def _ask_example(self, name: str, replica: Replica, health: _Health, address: str) -> None:
        """Have a replica answer its own example now and then, in a thread of its own: it may take long."""
        if self._looks % _RARELY == 0 and not health.is_asked:
            health.is_asked = True
            self._loop.start(f"example-{name}", lambda: self._asked_example(name, replica, health, address))

    def _asked_example(self, name: str, replica: Replica, health: _Health, address: str) -> None:
        try:
            reason = self._trial.correctness(name, replica.revision, address)
            health.wrong = 0 if reason is None else health.wrong + 1
            if reason is not None and health.wrong >= _WRONG_ANSWERS and self._is_wanted(name, replica):
                health.wrong = 0
                self._down(self._board.get(name), replica, health, reason)
        except NotFound:
            return  # the endpoint was removed meanwhile
        finally:
            health.is_asked = False

    def _why(self, replica: Replica, facts: ContainerFacts | None) -> Reason:
        if facts is None:
            return Reason("container_vanished", f"The container {replica.container} was removed by somebody else.")
        if facts.oom_killed:
            hint = Hint("mlops-desk settings set serving.memory_mebibytes 8192", before="Give it more: ")
            text = "A process in the container was killed because its memory was used up."
            return Reason("oom_kernel", text, self._trial.evidence(facts.name), hint)
        text = f"The container is {facts.status} with code {facts.exit_code}."
        return Reason("container_died", text, self._trial.evidence(facts.name))

    def _up(self, endpoint: Endpoint, replica: Replica, health: _Health, address: str) -> None:
        health.silent = 0
        now = time.monotonic()
        health.up_since = health.up_since or now
        if now - health.up_since >= _STEADY_SECONDS:
            health.restarts = 0
        if replica.state == DOWN or replica.address != address or endpoint.state is EndpointState.UNHEALTHY:
            self._show_up(endpoint.name, replica, address, replica.gpus)

    def _down(
        self, endpoint: Endpoint, replica: Replica, health: _Health, reason: Reason, *, is_own: bool = True
    ) -> None:
        health.up_since = None
        # One that is down on the record has not gone back when it ended: an agent before was about to start it again.
        if is_own and replica.state != DOWN and _is_all_of_a_rollout(endpoint, replica):
            self._go_back(endpoint.name, reason)  # the live one goes on answering: this one is not started again
            return
        if replica.state != DOWN:
            shown = self._show_down(endpoint.name, replica, reason)
            self._tell_down(endpoint, replica, reason, is_whole=shown is EndpointState.UNHEALTHY)
        if time.monotonic() >= health.next_at and self._claims.claim_start(endpoint.name, replica.container):
            self._loop.start(f"restart-{endpoint.name}", lambda: self._restart(endpoint.name, replica, health))

    def _tell_down(self, endpoint: Endpoint, replica: Replica, reason: Reason, *, is_whole: bool) -> None:
        what = f"Endpoint {endpoint.name}" if is_whole else f"Replica {replica.number} of endpoint {endpoint.name}"
        text, about = f"{what} is down: {reason.text}", ("endpoint", endpoint.name)
        self._bus.publish(Notice("warning", "endpoints", text, "It is started again.", time.time(), about=about))

    def _restart(self, name: str, replica: Replica, health: _Health) -> None:
        try:
            revision = self._shelf.read(name, replica.revision)
            if revision is None:
                reason = Reason("files_missing", "The revision's files are gone.", None, "Deploy again.")
                self._give_up(name, replica, reason)
                return
            health.restarts += 1
            fresh = self._trial.launch(revision, number=replica.number, gpus=replica.gpus)
            if not self._is_wanted(name, replica):
                self._trial.end(replica.container)
                return
            health.silent = 0
            self._show_up(name, replica, fresh.address, fresh.gpus)
            self._trial.drop_network()
        except Failed as failure:
            self._give_up(name, replica, failure.reason)
        except Interrupted:
            return
        finally:
            health.next_at = time.monotonic() + pause_seconds(health.restarts)
            self._claims.release_start(name, replica.container)

    def _give_up(self, name: str, replica: Replica, reason: Reason) -> None:
        """Say why a replica could not be started again; a revision on its way goes back for that."""
        known = self._board.find(name)
        if known is not None and _is_all_of_a_rollout(known, replica):
            self._go_back(name, reason)
        else:
            self._show_down(name, replica, reason)

    def _is_wanted(self, name: str, replica: Replica) -> bool:
        known = self._board.find(name)
        return known is not None and replica.container in {found.container for found in answering(known)}

    def _show_up(self, name: str, replica: Replica, address: str | None, gpus: tuple[str, ...]) -> None:
        """Say that a replica answers once the gateway goes by that: its endpoint is live then."""
        change = _told(replace(replica, state=RUNNING, address=address, gpus=gpus), None)
        if self._board.find(name) is not None:
            self._switchboard.move(name, change, lambda made: self._board.change(name, made))

    def _show_down(self, name: str, replica: Replica, reason: Reason) -> EndpointState | None:
        if self._board.find(name) is None:
            return None
        changed = self._board.change(name, _told(replace(replica, state=DOWN, address=None), reason))
        self._switchboard.route()
        return changed.state

    def _take_up(self, containers: Mapping[str, ContainerFacts], busy: set[str]) -> None:
        """Make the records of containers again that serve and have lost theirs: of two the newer one serves."""
        for facts in sorted(self._strays(containers, busy), key=_revision_of, reverse=True):
            name = facts.labels.get(deploy_options.LABEL_ENDPOINT, "")
            if self._orphans.find(facts) is not None and self._claims.claim(name):
                try:
                    self._orphans.take_up(facts)
                finally:
                    self._claims.release(name)

    def _sweep(self, containers: Mapping[str, ContainerFacts], busy: set[str]) -> None:
        for facts in self._strays(containers, busy):
            if self._orphans.find(facts) is None:
                _log.info("Container %s belongs to no endpoint any more and is removed", facts.name)
                self._trial.end(facts.name)

    def _strays(self, containers: Mapping[str, ContainerFacts], busy: set[str]) -> list[ContainerFacts]:
        wanted = {replica.container for endpoint in self._board.all() for replica in endpoint.replicas}
        return [
            facts
            for name, facts in containers.items()
            if name not in wanted and facts.labels.get(deploy_options.LABEL_ENDPOINT) not in busy
        ]


def _runs(facts: ContainerFacts | None) -> bool:
    return facts is not None and facts.status == "running"


def _is_all_of_a_rollout(endpoint: Endpoint, replica: Replica) -> bool:
    """Tell whether nothing is left of a revision on its way without this replica."""
    is_on_its_way = endpoint.rollout is not None and endpoint.rollout.revision == replica.revision
    return is_on_its_way and len(of_revision(endpoint, replica.revision)) == 1


def _told(replica: Replica, reason: Reason | None) -> Callable[[Endpoint], Endpoint]:
    """Return what says how a replica is: with one of its endpoint that answers the endpoint is live."""

    def change(endpoint: Endpoint) -> Endpoint:
        if endpoint.state not in _WATCHED:
            return endpoint
        replicas = tuple(
            replica if known.container == replica.container and known.state != DRAINING else known
            for known in endpoint.replicas
        )
        changed = replace(endpoint, replicas=replicas)
        state = EndpointState.LIVE if ready(changed) else EndpointState.UNHEALTHY
        are_all_up = all(one.state == RUNNING for one in answering(changed))
        return replace(
            changed, state=state, reason=(None if are_all_up else endpoint.reason) if reason is None else reason
        )

    return change


def _revision_of(facts: ContainerFacts) -> int:
    number = facts.labels.get(deploy_options.LABEL_REVISION, "")
    return int(number) if number.isdecimal() else 0
