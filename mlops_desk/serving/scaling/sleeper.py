"""Endpoints that sleep: their containers end, and start with the next request, which the gateway holds meanwhile."""

import logging
import threading
from pathlib import Path

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.deployment import Deployments
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.gateway.wake_signal import DoorbellEar
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, LentGpus
from mlops_desk.serving.replicas import EndpointClaims, Pause
from mlops_desk.serving.revision import Shelf
from mlops_desk.serving.supervisor.watch import pause_seconds
from mlops_desk.serving.traffic_shift import Stages

_log = logging.getLogger(__name__)


class Sleeper:
    """Lets endpoints sleep and wakes them."""

    def __init__(
        self, board: EndpointBoard, shelf: Shelf, stages: Stages, deployments: Deployments, claims: EndpointClaims,
        loop: Loop,
    ) -> None:  # fmt: skip
        self._board = board
        self._shelf = shelf
        self._stages = stages
        self._deployments = deployments
        self._claims = claims
        self._loop = loop
        self._pauses: dict[str, Pause] = {}

    def listen(self, bell: Path) -> None:
        """Hear of requests to endpoints that sleep, until the loop ends."""
        try:
            ear = DoorbellEar(bell)
        except OSError as error:
            _log.warning("Requests can't wake endpoints: %s can't be made (%s)", bell, error.strerror)
            return
        self._loop.at_end(ear.close)
        self._loop.start("endpoint-bell", lambda: self._hear(ear))

    def sleep(self, name: str, reason: Reason, lent: LentGpus | None = None) -> Endpoint:
        """Let an endpoint's containers end, also because it has ``lent`` its GPUs. Raises NotFound and Refused."""
        if not self._claims.claim(name):
            raise Refused(f"Endpoint {name} is being deployed.", "Try again when that is done.")
        try:
            self._stages.sleep(name, reason, lent)
        finally:
            self._claims.release(name)
        self._pauses.pop(name, None)
        return self._board.get(name)

    def wake(self, name: str, *, by_hand: bool = False) -> threading.Event | None:
        """Begin to wake an endpoint; return what is set when it is up or has failed, None where there is nothing to do.

        After one that failed it waits before the next try, unless it is ``by_hand``. Raises NotFound and Refused.
        """
        pause = self._pauses.get(name)
        if pause is not None and not by_hand and not pause.is_over():
            return None
        known = self._board.get(name)
        if known.lent is not None and by_hand:
            raise Refused(f"Endpoint {name} has lent its GPUs.", Hint(f"mlops-desk endpoints claim {name}"))
        if known.state is not EndpointState.ASLEEP or known.lent is not None or not self._claims.claim(name):
            return None
        done = threading.Event()
        try:
            self._begin(known, done)
        except BaseException:
            self._claims.release(name)
            raise
        return done

    def _begin(self, known: Endpoint, done: threading.Event) -> None:
        revision = self._shelf.read(known.name, known.revision)
        if self._stages.stay_awake(known.name) or revision is None:
            self._claims.release(known.name)
            done.set()
            return
        self._pauses.setdefault(known.name, Pause()).after(pause_seconds)
        self._deployments.bring_back(revision, done)

    def _hear(self, ear: DoorbellEar) -> None:
        while (name := ear.hear()) is not None:
            try:
                self.wake(name)
            except NotFound:
                continue  # it was removed meanwhile
            except (DeskError, OSError) as error:
                _log.warning("Endpoint %s can't be woken now: %s", name, error)
