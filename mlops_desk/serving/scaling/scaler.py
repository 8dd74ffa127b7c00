"""Giving each endpoint as many replicas as it wants: what is missing is started, what is too many leaves.

A revision on its way has as many as its share of the requests needs. Replicas that are there and died are the watch's.
"""

import threading
from dataclasses import replace
from functools import partial

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.endpoint import Endpoint, EndpointScale, EndpointState
from mlops_desk.serving.replicas import Crew, EndpointClaims, Pause, free_numbers, needed, of_revision
from mlops_desk.serving.revision import Interrupted, Shelf
from mlops_desk.serving.rollout import next_percent
from mlops_desk.serving.supervisor.watch import pause_seconds
from mlops_desk.serving.traffic_shift import Stages

SERVING = frozenset({EndpointState.LIVE, EndpointState.UNHEALTHY})
_WAITS = Reason("replicas", "More replicas of it are started, for it is about to get a larger share.")


class Scaler:
    """Looks at all endpoints that serve. ``crew`` starts replicas, ``stages`` lets them answer and leave."""

    def __init__(
        self, board: EndpointBoard, shelf: Shelf, trial: Trial, crew: Crew, stages: Stages, claims: EndpointClaims,
        loop: Loop,
    ) -> None:  # fmt: skip
        self._board = board
        self._shelf = shelf
        self._trial = trial
        self._crew = crew
        self._stages = stages
        self._claims = claims
        self._loop = loop
        self._pauses: dict[tuple[str, int], Pause] = {}
        self._looking = threading.Lock()

    def look(self) -> None:
        """Start what is missing, and have leave what is too many."""
        for endpoint in self._board.all():
            if endpoint.state in SERVING:
                self.tend(endpoint.name)

    def tend(self, name: str) -> None:
        """Look at one endpoint. No error where it is gone."""
        with self._looking:
            endpoint = self._board.find(name)
            if endpoint is None or endpoint.state not in SERVING or name in self._claims.deployed():
                return
            if endpoint.rollout is not None:
                self._fill(endpoint, endpoint.rollout.revision, self._needed_on_its_way(endpoint))
            self._fill(endpoint, endpoint.revision, endpoint.wanted)
            surplus = of_revision(endpoint, endpoint.revision)[endpoint.wanted :]
            if surplus:
                self._stages.part(name, surplus)

    def rescale(self, name: str, scale: EndpointScale) -> Endpoint:
        """Have an endpoint want as many replicas as ``scale`` allows. Raises NotFound and OSError."""
        self._pauses = {key: pause for key, pause in self._pauses.items() if key[0] != name}

        def change(known: Endpoint) -> Endpoint:
            return replace(known, scale=scale, wanted=min(max(known.wanted, scale.least), scale.most), shortage=None)

        changed = self._board.change(name, change)
        revision = self._shelf.read(name, changed.revision)
        if revision is not None:
            self._shelf.write(replace(revision, scale=scale))
        self.tend(name)
        return self._board.get(name)

    def is_short(self, endpoint: Endpoint, percent: float) -> bool:
        """Tell whether the revision on its way lacks replicas for a share, which are started then.

        Where they could not be started it goes on with what it has: the endpoint says how many are ready.
        """
        rollout = endpoint.rollout
        if rollout is None or self._has_failed(endpoint.name, rollout.revision):
            return False
        if len(of_revision(endpoint, rollout.revision)) >= needed(endpoint.wanted, percent):
            return False
        self._board.change(endpoint.name, _waiting)
        self.tend(endpoint.name)
        return True

    def go_on(self, name: str) -> None:
        """Lead a rollout one step further once it has the replicas for it. Raises NotFound."""
        endpoint = self._board.get(name)
        if endpoint.rollout is not None and not self.is_short(endpoint, next_percent(endpoint.rollout)):
            self._stages.go_on(name)

    def promote(self, name: str, revision: int) -> None:
        """Let a revision take over once it has the replicas for it. Raises NotFound and Refused."""
        if not self.is_short(self._board.get(name), 100.0):
            self._stages.promote(name, revision)

    def complete(self, name: str) -> None:
        """Start what the revision on its way lacks to take over, and wait for it. Raises NotFound."""
        endpoint = self._board.get(name)
        if endpoint.rollout is None:
            return
        number = endpoint.rollout.revision
        missing = needed(endpoint.wanted, None) - len(of_revision(endpoint, number))
        self._started(name, number, missing)

    def _needed_on_its_way(self, endpoint: Endpoint) -> int:
        rollout = endpoint.rollout
        if rollout is None:
            return 0
        is_waiting = rollout.waits_for is not None and rollout.waits_for.class_ == _WAITS.class_
        return needed(endpoint.wanted, next_percent(rollout) if is_waiting else rollout.percent)

    def _fill(self, endpoint: Endpoint, number: int, count: int) -> None:
        there = of_revision(endpoint, number)
        pause = self._pauses.get((endpoint.name, number))
        missing = count - len(there)
        if not there or missing <= 0 or (pause is not None and not pause.is_over()):
            return
        self._loop.start(f"scale-{endpoint.name}", partial(self._started, endpoint.name, number, missing))

    def _started(self, name: str, number: int, missing: int) -> None:
        """Start further replicas of a revision, unless that goes on already."""
        what = f"r{number}"
        if missing <= 0 or not self._claims.claim_start(name, what):
            return
        try:
            self._start(name, number, missing)
        except (Interrupted, NotFound):
            return  # the next agent goes on, or the endpoint is gone
        finally:
            self._claims.release_start(name, what)

    def _start(self, name: str, number: int, missing: int) -> None:
        endpoint = self._board.get(name)
        revision = self._shelf.read(name, number)
        taken = [replica.number for replica in endpoint.replicas if replica.revision == number]
        if revision is None:
            return
        started = self._crew.start(revision, free_numbers(taken, missing))
        for replica in started.up:
            if not self._stages.join(name, replica):
                self._trial.end(replica.container)
        if started.failed is None:
            self._pauses.pop((name, number), None)
            self._board.change(name, lambda known: replace(known, shortage=None))
            return
        self._pauses.setdefault((name, number), Pause()).after(pause_seconds)
        self._board.change(name, lambda known: replace(known, shortage=started.failed))

    def _has_failed(self, name: str, number: int) -> bool:
        return (name, number) in self._pauses


def _waiting(endpoint: Endpoint) -> Endpoint:
    rollout = endpoint.rollout
    return endpoint if rollout is None else replace(endpoint, rollout=replace(rollout, waits_for=_WAITS))
