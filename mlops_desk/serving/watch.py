"""Keeping endpoints up: containers that died or hang are started again, with a pause that grows.

What the engine runs is compared with what should run. While the engine does not answer, nothing is
known, so nothing changes. Containers of ours that belong to no endpoint any more are removed, but not those that
serve and have only lost their record (``orphans``).
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from mlops_desk.base.bus import Bus
from mlops_desk.base.errors import Hint, NotFound, Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.engines.engine import ContainerFacts, Engine
from mlops_desk.records.event import Notice
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState, Replica
from mlops_desk.serving import plan
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.orphans import OrphanEndpoints
from mlops_desk.serving.probe import answers
from mlops_desk.serving.revision import Failed, Interrupted, Shelf
from mlops_desk.serving.rollout.told import DRAINING

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
    """Looks at the containers of all endpoints. ``busy`` holds the names that a deployment is working on."""

    def __init__(
        self,
        instance: str,
        board: EndpointBoard,
        shelf: Shelf,
        engine: Engine,
        trial: Trial,
        bus: Bus,
        loop: Loop,
        route: Callable[[], object],
        orphans: OrphanEndpoints,
        go_back: Callable[[str, Reason], object],
    ) -> None:
        self._instance = instance
        self._board = board
        self._shelf = shelf
        self._engine = engine
        self._trial = trial
        self._bus = bus
        self._loop = loop
        self._route = route
        self._orphans = orphans
        self._go_back = go_back
        self._looks = 0
        self._health: dict[str, _Health] = {}
        self.busy: set[str] = set()
        self.claiming = threading.Lock()

    def claim(self, name: str) -> bool:
        """Take an endpoint for a deployment or a restart; False when somebody else has it."""
        with self.claiming:
            if name in self.busy:
                return False
            self.busy.add(name)
            return True

    def release(self, name: str) -> None:
        with self.claiming:
            self.busy.discard(name)

    def look(self) -> None:
        """Compare once what runs with what should run; without any endpoint only now and then."""
        self._looks += 1
        if not self._board.all() and self._looks % _RARELY != 1:
            return
        labels = {plan.LABEL_INSTANCE: self._instance, plan.LABEL_ENDPOINT: ""}
        try:
            containers = {
                facts.name: facts
                for facts in self._engine.containers(labels)
                if plan.is_endpoints(self._instance, facts.name, facts.labels)
            }
        except Unavailable as error:
            _log.debug("The engine does not answer, so nothing is known of the endpoints: %s", error)
            return
        # In this order: a deployment puts its container on the board before it lets go of the name.
        with self.claiming:
            busy = set(self.busy)
        self._take_up(containers, busy)  # before a record of before is followed
        for endpoint in self._board.all():
            if endpoint.state in _WATCHED and endpoint.name not in busy:
                self._look_at(endpoint, containers)
        self._sweep(containers, busy)

    def _look_at(self, endpoint: Endpoint, containers: Mapping[str, ContainerFacts]) -> None:
        for replica in endpoint.replicas:
            if replica.state == DRAINING:
                continue
            health = self._health.setdefault(replica.container, _Health())
            facts = containers.get(replica.container)
            if facts is None or facts.status != "running":
                self._down(endpoint, replica, health, self._why(replica, facts))
            elif answers(address := self._trial.address_of(endpoint.name, replica.revision, facts)):
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
        if endpoint.state is EndpointState.UNHEALTHY or replica.address != address:
            self._show_up(endpoint.name, replica, address)

    def _down(self, endpoint: Endpoint, replica: Replica, health: _Health, reason: Reason) -> None:
        health.up_since = None
        if endpoint.rollout is not None and endpoint.rollout.revision == replica.revision:
            self._go_back(
                endpoint.name, reason
            )  # the live one goes on answering: nothing is started again for this one
            return
        if endpoint.state is EndpointState.LIVE:
            self._show_down(endpoint.name, replica, reason)
            text = f"Endpoint {endpoint.name} is down: {reason.text}"
            about = ("endpoint", endpoint.name)
            self._bus.publish(Notice("warning", "endpoints", text, "It is started again.", time.time(), about=about))
        if time.monotonic() >= health.next_at and self.claim(endpoint.name):
            self._loop.start(f"restart-{endpoint.name}", lambda: self._restart(endpoint.name, replica, health))

    def _restart(self, name: str, replica: Replica, health: _Health) -> None:
        try:
            revision = self._shelf.read(name, replica.revision)
            if revision is None:
                reason = Reason("files_missing", "The revision's files are gone.", None, "Deploy again.")
                self._show_down(name, replica, reason)
                return
            health.restarts += 1
            address = self._trial.launch(revision)
            if not self._is_wanted(name, replica):
                self._trial.end(replica.container)
                return
            health.silent = 0
            self._show_up(name, replica, address)
            self._trial.drop_network()
        except Failed as failure:
            self._show_down(name, replica, failure.reason)
        except Interrupted:
            return
        finally:
            health.next_at = time.monotonic() + pause_seconds(health.restarts)
            self.release(name)

    def _is_wanted(self, name: str, replica: Replica) -> bool:
        known = self._board.find(name)
        return known is not None and replica.container in {found.container for found in known.replicas}

    def _show_up(self, name: str, replica: Replica, address: str) -> None:
        self._change(name, replica, EndpointState.LIVE, None, address)

    def _show_down(self, name: str, replica: Replica, reason: Reason) -> None:
        self._change(name, replica, EndpointState.UNHEALTHY, reason, None)

    def _change(
        self, name: str, replica: Replica, state: EndpointState, reason: Reason | None, address: str | None
    ) -> None:
        word = "running" if state is EndpointState.LIVE else "down"

        def change(endpoint: Endpoint) -> Endpoint:
            if endpoint.state not in _WATCHED:
                return endpoint
            replicas = tuple(
                replace(known, state=word, address=address) if known.container == replica.container else known
                for known in endpoint.replicas
            )
            return replace(endpoint, state=state, reason=reason, replicas=replicas)

        if self._board.find(name) is not None:
            self._board.change(name, change)
            self._route()

    def _take_up(self, containers: Mapping[str, ContainerFacts], busy: set[str]) -> None:
        """Make the records of containers again that serve and have lost theirs: of two the newer one serves."""
        for facts in sorted(self._strays(containers, busy), key=_revision_of, reverse=True):
            name = facts.labels.get(plan.LABEL_ENDPOINT, "")
            if self._orphans.find(facts) is not None and self.claim(name):
                try:
                    self._orphans.take_up(facts)
                finally:
                    self.release(name)

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
            if name not in wanted and facts.labels.get(plan.LABEL_ENDPOINT) not in busy
        ]


def _revision_of(facts: ContainerFacts) -> int:
    number = facts.labels.get(plan.LABEL_REVISION, "")
    return int(number) if number.isdecimal() else 0
