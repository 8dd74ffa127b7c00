"""An endpoint lends its GPUs to jobs, and has them back when it asks.

While it lends it sleeps, and no request wakes it. A job that may be preempted is asked to save its work and end, with
its own grace; for another one the endpoint waits. What it waits for goes to nobody else meanwhile.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from mlops_desk.base.errors import DeskError, Hint, Refused
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState, LentGpus
from mlops_desk.serving.board import EndpointBoard
from mlops_desk.serving.replicas.counting import answering
from mlops_desk.serving.runtimes.gpus import ReplicaGpus
from mlops_desk.serving.scaling.sleeper import Sleeper

_TRY_SECONDS = 0.25  # chosen: a fortieth of the ten seconds in which an endpoint is to have its GPUs back
CLAIMED = "claimed"

Preempt = Callable[[str, Reason], object]
"""Asks a job of that id to give way; nothing happens to one that can't be preempted. Raises DeskError."""


def nobody_gives_way(_job_id: str, _reason: Reason) -> None:
    """Ask nobody: this desk runs no jobs."""


class Truce:
    """``preempt`` asks jobs to give way, ``route`` tells the gateway that requests wake an endpoint again."""

    def __init__(
        self, board: EndpointBoard, sleeper: Sleeper, gpus: ReplicaGpus, loop: Loop, route: Callable[[], object],
        preempt: Preempt,
    ) -> None:  # fmt: skip
        self._board = board
        self._sleeper = sleeper
        self._gpus = gpus
        self._loop = loop
        self._route = route
        self.preempt = preempt
        self._claimed: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def claimed(self) -> Mapping[str, str]:
        """Return the GPUs that endpoints have asked for and wait for, with the endpoint's name."""
        with self._lock:
            return {gpu: name for name, gpus in self._claimed.items() for gpu in gpus}

    def lend(self, name: str) -> Endpoint:
        """Let an endpoint sleep and jobs have its GPUs, until it is claimed. Raises NotFound and Refused."""
        known = self._board.get(name)
        gpus = tuple(dict.fromkeys(gpu for replica in answering(known) for gpu in replica.gpus))
        if known.state is not EndpointState.LIVE or known.rollout is not None or not gpus:
            why = "it has none" if known.state is EndpointState.LIVE and not gpus else f"it is {known.state}"
            text = f"Endpoint {name} can't lend GPUs: {why}." if known.rollout is None else (
                f"Endpoint {name} can't lend GPUs while a revision is on its way."
            )  # fmt: skip
            raise Refused(text, "Deploy it with --gpus, and lend them when it is live.")
        back = Hint(f"mlops-desk endpoints claim {name}", before="To have them back: ")
        reason = Reason("lent", f"It lends {_count(gpus)} to jobs until it is claimed.", None, back)
        self._board.change(name, lambda one: replace(one, lent=LentGpus(gpus, time.time())))
        return self._sleeper.sleep(name, reason)

    def claim(self, name: str) -> Endpoint:
        """Ask for an endpoint's GPUs back; it wakes as soon as it has them. Raises NotFound, Refused, Unavailable."""
        lent = self._board.get(name).lent
        if lent is None:
            raise Refused(f"Endpoint {name} has not lent its GPUs.", Hint(f"mlops-desk endpoints wake {name}"))
        with self._lock:
            self._claimed[name] = lent.gpus
        waits = self._asked(name, lent)
        reason = Reason(CLAIMED, f"It waits for {_count(lent.gpus)} that it had lent. {waits}".strip())
        changed = self._board.change(name, lambda one: replace(one, lent=None, reason=reason))
        self._route()
        self._loop.start(f"claim-{name}", partial(self._come_back, name, lent.gpus))
        return changed

    def _asked(self, name: str, lent: LentGpus) -> str:
        """Ask the jobs on lent GPUs to give way; say whom the endpoint waits for."""
        told: list[str] = []
        for holder in {one for card in self._gpus.holders(lent.gpus) for one in card.holders}:
            if holder.job_id is not None:
                text = f"Endpoint {name} asked for the GPUs back that it had lent."
                self.preempt(holder.job_id, Reason("claimed", text))
            told.append(plain(holder.label))
        if not told:
            return ""
        return f"{', '.join(sorted(told))} {'holds' if len(told) == 1 else 'hold'} them, and was asked to give way."

    def _come_back(self, name: str, gpus: tuple[str, ...]) -> None:
        """Wake an endpoint as soon as its GPUs are free, until it is up, or is not to be any more."""
        try:
            while not self._loop.ending.is_set():
                known = self._board.find(name)
                if known is None or known.lent is not None or known.state is not EndpointState.ASLEEP:
                    if known is None or known.state is not EndpointState.STARTING:
                        return
                elif self._are_free(gpus) and (done := self._woken(name)) is not None:
                    done.wait()
                    continue
                self._loop.ending.wait(_TRY_SECONDS)
        finally:
            with self._lock:
                self._claimed.pop(name, None)

    def _are_free(self, gpus: tuple[str, ...]) -> bool:
        try:
            return not self._gpus.holders(gpus)
        except DeskError:
            return False  # the driver does not answer now: the next turn sees

    def _woken(self, name: str) -> threading.Event | None:
        try:
            return self._sleeper.wake(name, by_hand=True)
        except DeskError:
            return None  # the engine is away, or the endpoint: the next turn sees


def _count(gpus: tuple[str, ...]) -> str:
    return "its GPU" if len(gpus) == 1 else f"its {len(gpus)} GPUs"
