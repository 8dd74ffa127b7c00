"""Containers that serve though no record names them: the state database was lost, or an older copy of it is back.

What a deployment wrote beside its model says that it went live, so the record is made again from it. Only an endpoint
that the record says was stopped is not brought back to life: its container is left running, and told of.
"""

import logging
import os
import time
from dataclasses import replace

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving import deploy_options
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.endpoint import Endpoint, EndpointScale, EndpointState, Replica
from mlops_desk.serving.revision import Revision, Shelf
from mlops_desk.serving.routing_sync import Switchboard

_log = logging.getLogger(__name__)
_AT_REST = frozenset({EndpointState.STOPPED, EndpointState.FAILED})
_SERVING = frozenset({EndpointState.LIVE, EndpointState.UNHEALTHY})


class OrphanEndpoints:
    """Takes containers up whose record is gone."""

    def __init__(self, board: EndpointBoard, shelf: Shelf, trial: Trial, switchboard: Switchboard, bus: Bus) -> None:
        self._board = board
        self._shelf = shelf
        self._trial = trial
        self._switchboard = switchboard
        self._bus = bus
        self._told: set[str] = set()

    def find(self, facts: ContainerFacts) -> Revision | None:
        """Return what a container of an endpoint serves if its record was lost, None for one that is left over."""
        name, number = (
            facts.labels.get(deploy_options.LABEL_ENDPOINT, ""),
            facts.labels.get(deploy_options.LABEL_REVISION, ""),
        )
        revision = self._shelf.read(name, int(number)) if number.isdecimal() else None
        known = self._board.find(name)
        if revision is None or revision.state != "live":
            return None
        if known is None or revision.number > known.revision:
            return revision
        is_one_more = (
            revision.number == known.revision and known.state in _SERVING and len(known.replicas) < known.wanted
        )
        return revision if is_one_more else None

    def take_up(self, facts: ContainerFacts) -> None:
        """Make the record of such a container again, or tell of one that should not run by the record there is."""
        revision = self.find(facts)
        if revision is None:
            return  # somebody has deployed it meanwhile
        name = revision.endpoint
        known = self._board.find(name)
        if known is not None and known.state in _AT_REST:
            self._tell(
                facts.name,
                name,
                f"Container {plain(facts.name)} serves endpoint {name}, which is {known.state} as far as is recorded.",
                Hint(
                    f"mlops-desk endpoints stop {name}",
                    before="Is the state database an older copy? ",
                    after=" ends the container.",
                ),
            )
            return
        address = self._trial.address_of(name, revision.number, facts)
        replica = Replica(
            facts.name, revision.number, "running", address, deploy_options.replica_of(facts.labels), facts.gpus
        )
        if known is not None and known.revision == revision.number:
            self._board.change(name, lambda one: replace(one, replicas=(*one.replicas, replica)))
            self._switchboard.route()
            return
        self._board.put(self._record(revision, known, replica))
        self._switchboard.route()
        text = f"Endpoint {name} runs and its record was lost, or is older; it was made again from its files."
        self._tell(facts.name, name, text, Hint(f"mlops-desk endpoints show {name}"))

    def _record(self, revision: Revision, known: Endpoint | None, replica: Replica) -> Endpoint:
        name, scale = revision.endpoint, revision.scale or EndpointScale()
        fresh = known or Endpoint(
            name=name,
            state=EndpointState.LIVE,
            url=None,
            revision=revision.number,
            model=revision.model,
            created_at=time.time(),
            request_log=str(self._switchboard.logs.newest(name)),
            created_by=os.getuid(),  # nothing says whose it was
        )
        return replace(
            fresh,
            state=EndpointState.LIVE,
            url=self._switchboard.url(name),
            revision=revision.number,
            model=revision.model,
            replicas=(replica,),
            traffic={str(revision.number): 1.0},
            reason=None,
            image=revision.image,
            scale=scale,
            wanted=scale.least,
        )

    def _tell(self, container: str, endpoint: str, text: str, hint: str) -> None:
        if container not in self._told:
            self._told.add(container)
            _log.warning("%s", text)
            about = ("endpoint", endpoint)
            self._bus.publish(Notice("warning", "endpoints", text, hint, time.time(), about=about))
