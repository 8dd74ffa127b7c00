"""The verbs about how much of the machine an endpoint takes: replicas, sleep, and GPUs that it lends."""

import threading
from abc import ABC, abstractmethod

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState
from mlops_desk.serving.replicas import scale_of
from mlops_desk.serving.routing_sync import Switchboard
from mlops_desk.serving.scaling.gpu_lending import Truce
from mlops_desk.serving.scaling.scaler import Scaler
from mlops_desk.serving.scaling.sleeper import Sleeper


class ScaleVerbs(ABC):
    """Stands on what the service has made."""

    _board: EndpointBoard
    _scaler: Scaler
    _sleeper: Sleeper
    _truce: Truce
    _switchboard: Switchboard

    @abstractmethod
    def _awaited(self, name: str, done: threading.Event, *, wait: bool) -> Endpoint:
        """Return an endpoint, once ``done`` is set. Raises NotFound."""

    def scale(
        self,
        name: str,
        replicas: int | None = None,
        least: int | None = None,
        most: int | None = None,
        sleep_after: float | None = None,
    ) -> Endpoint:
        """Have an endpoint answer from so many replicas, and sleep after so long; raises Invalid, NotFound."""
        scale = scale_of(self._board.get(name).scale, replicas, least, most, sleep_after)
        return self._scaler.rescale(name, scale)

    def lend(self, name: str) -> Endpoint:
        """Let jobs have an endpoint's GPUs; raises NotFound, Refused."""
        return self._truce.lend(name)

    def claim(self, name: str) -> Endpoint:
        """Ask for an endpoint's GPUs back; raises NotFound, Refused, Unavailable."""
        return self._truce.claim(name)

    def sleep(self, name: str) -> Endpoint:
        """Let an endpoint's containers end until the next request; raises NotFound, Refused."""
        known = self._board.get(name)
        if known.state is not EndpointState.LIVE or known.rollout is not None:
            why = f"it is {known.state}" if known.rollout is None else "a revision is on its way"
            raise Refused(f"Endpoint {name} can't sleep now: {why}.", Hint(f"mlops-desk endpoints show {name}"))
        return self._sleeper.sleep(name, Reason("put_to_sleep", "It was put to sleep. The next request wakes it."))

    def wake(self, name: str) -> Endpoint:
        """Wake an endpoint and wait until it is up; raises NotFound, Unavailable."""
        self._switchboard.gatekeeper.ensure()
        done = self._sleeper.wake(name, by_hand=True)
        return self._board.get(name) if done is None else self._awaited(name, done, wait=True)
