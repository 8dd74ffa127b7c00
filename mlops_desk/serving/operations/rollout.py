"""The verbs that move requests between revisions, which the service of endpoints has from here."""

import threading
from abc import ABC, abstractmethod

from mlops_desk.engines.engine import Engine
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.serving import deploy_options
from mlops_desk.serving.deployment import Deployments
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.records.endpoint import Endpoint
from mlops_desk.serving.replicas import EndpointClaims
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.routing_sync import Switchboard
from mlops_desk.serving.scaling.scaler import Scaler
from mlops_desk.serving.traffic_shift import Stages


class RolloutVerbs(ABC):
    """Stands on what the service has made."""

    _board: EndpointBoard
    _claims: EndpointClaims
    _deployments: Deployments
    _engine: Engine
    _scaler: Scaler
    _shelf: Shelf
    _stages: Stages
    _switchboard: Switchboard

    @abstractmethod
    def _awaited(self, name: str, done: threading.Event, *, wait: bool) -> Endpoint: ...

    def split(self, name: str, shares: list[str]) -> Endpoint:
        """Share requests out; raises Invalid, NotFound, Refused, TimedOut."""
        split = self._stages.split(name, deploy_options.parse_shares(shares))
        self._switchboard.check_followed(f"The shares of endpoint {name} are set")
        return split

    def promote(self, name: str, revision: int | None = None) -> Endpoint:
        """Let a revision answer all requests; raises NotFound, Refused, TimedOut."""
        rollout = self._board.get(name).rollout
        if rollout is not None and revision in {None, rollout.revision}:
            self._scaler.complete(name)
        promoted = self._stages.promote(name, revision)
        if promoted is not None:
            self._switchboard.check_followed(f"Revision {promoted.revision} of endpoint {name} takes over")
            return promoted
        if revision is None:
            raise Refused(f"The revision of endpoint {name} that is on its way has just ended.")
        return self._brought_back(name, revision)

    def rollback(self, name: str) -> Endpoint:
        """Go back to the revision that answers, or that answered before; raises NotFound, Refused, TimedOut."""
        endpoint = self._board.get(name)
        if endpoint.rollout is not None:
            back = self._stages.go_back(name, Reason("sent_back", "It was sent back by hand."))
            self._switchboard.check_followed(f"Endpoint {name} goes back to revision {back.revision}")
            return back
        before = [one for one in self._shelf.all(name) if one.was_live and one.number < endpoint.revision]
        if not before:
            raise Refused(f"Endpoint {name} has no revision to go back to.", Hint(f"mlops-desk endpoints show {name}"))
        return self.promote(name, before[-1].number)

    def _brought_back(self, name: str, number: int) -> Endpoint:
        """Start a revision again that was live before, and let it take over once it is up."""
        self._board.get(name)
        revision = self._shelf.read(name, number)
        if revision is None or not revision.was_live or not self._shelf.has_files(name, number):
            kept = [one.revision for one in self._board.get(name).revisions if one.is_kept]
            told = f"Kept are: {', '.join(map(str, kept)) or 'none'}."
            raise Refused(f"Revision {number} of endpoint {name} is not kept, so it can't come back.", told)
        done = threading.Event()
        with self._claims.held(name):
            self._engine.info()
            self._switchboard.gatekeeper.ensure()
            self._deployments.bring_back(revision, done)
        return self._awaited(name, done, wait=True)
