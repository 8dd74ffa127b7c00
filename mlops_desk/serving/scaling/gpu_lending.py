"""An endpoint lends its GPUs to jobs, and has them back when it asks.

While it lends it sleeps, and no request wakes it. What it asks for is written down, so the next agent goes on asking,
and goes to nobody else until it has it. A job that may be preempted is asked to save its work and end, with its own
grace but no longer than ``serving.claim_seconds``; for another one the endpoint waits, and says so.
"""

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from mlops_desk.gpus.records.gpu_status import GpuCard
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, Hint, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, LentGpus
from mlops_desk.serving.replicas import answering, ready
from mlops_desk.serving.runtimes.gpus import ReplicaGpus
from mlops_desk.serving.scaling import gpu_claims
from mlops_desk.serving.scaling.sleeper import Sleeper

_log = logging.getLogger(__name__)
_TRY_SECONDS = 0.25  # chosen: a fortieth of the ten seconds in which an endpoint is to have its GPUs back
_ON_ITS_WAY = frozenset({EndpointState.ASLEEP, EndpointState.BUILDING, EndpointState.STARTING})
_UP = frozenset({EndpointState.LIVE, EndpointState.UNHEALTHY})

Preempt = Callable[[str, Reason, float], Job | None]
"""Asks a job of that id to give way within so many seconds, and returns how it stands; None: there is no such job.

Nothing happens to one that can't be preempted. Raises DeskError.
"""


def nobody_gives_way(_job_id: str, _reason: Reason, _most_seconds: float) -> Job | None:
    """Ask nobody: this desk runs no jobs."""
    return None


class Truce:
    """``preempt`` asks jobs to give way, ``route`` tells the gateway that requests wake an endpoint again."""

    def __init__(
        self, board: EndpointBoard, sleeper: Sleeper, gpus: ReplicaGpus, loop: Loop, route: Callable[[], object],
        preempt: Preempt, settings: SettingsStore,
    ) -> None:  # fmt: skip
        self._board = board
        self._sleeper = sleeper
        self._gpus = gpus
        self._loop = loop
        self._route = route
        self._preempt = preempt
        self._settings = settings

    def take_up(self) -> None:
        """Go on asking for what an earlier agent had asked for."""
        for endpoint in self._board.all():
            if endpoint.claimed:
                self._loop.start(f"claim-{endpoint.name}", partial(self._come_back, endpoint.name))

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
        reason = Reason("lent", f"It lends {gpu_claims.count(gpus)} to jobs until it is claimed.", None, back)
        asleep = self._sleeper.sleep(name, reason, LentGpus(gpus, time.time()))
        if asleep.lent is None:
            raise Refused(f"Endpoint {name} can't lend GPUs: it has just changed.", "Try again when it is live.")
        return asleep

    def claim(self, name: str) -> Endpoint:
        """Ask for an endpoint's GPUs back; it wakes as soon as it has them. Raises NotFound and Refused."""
        known = self._board.get(name)
        if known.lent is None:
            if known.claimed:
                return known  # it was asked for already
            raise Refused(f"Endpoint {name} has not lent its GPUs.", Hint(f"mlops-desk endpoints wake {name}"))
        reason = gpu_claims.reason(known.lent.gpus, ())
        changed = self._board.change(
            name, lambda one: _claimed(one, reason)
        )  # first: they go to nobody else from now on
        self._tell(changed)
        self._route()
        self._loop.start(f"claim-{name}", partial(self._come_back, name))
        return self._board.get(name)

    def _come_back(self, name: str) -> None:
        """Wake an endpoint as soon as it can have its GPUs, until it has all, or is not to be up any more."""
        is_first = True
        while not self._loop.ending.is_set():
            known = self._board.find(name)
            if known is None or not known.claimed:
                return
            if _is_over(known):
                self._board.change(name, lambda one: replace(one, claimed=()))
                return
            away = self._tell(known)
            can_wake = known.state is EndpointState.ASLEEP and (known.replicas or self._has_enough(known, away))
            if can_wake and (done := self._woken(name, by_hand=is_first)) is not None:
                is_first = False
                done.wait()
                continue
            self._loop.ending.wait(_TRY_SECONDS)

    def _tell(self, known: Endpoint) -> Sequence[GpuCard] | None:
        """Ask whoever has the endpoint's GPUs to give way, and say for whom it waits; None: nobody can tell now."""
        try:
            away = [card for card in self._gpus.holders(gpu_claims.missing(known)) if not card.is_broken]
        except DeskError as error:
            self._say(known, gpu_claims.unknown(known.claimed, error.message))
            return None
        self._say(known, gpu_claims.reason(known.claimed, gpu_claims.waits(away, self._asked(known.name, away))))
        return away

    def _asked(self, name: str, away: Sequence[GpuCard]) -> Mapping[str, Job]:
        """Ask the jobs on these GPUs to give way, and return how they stand. One that starts is asked once it runs."""
        text, seconds = f"Endpoint {name} asked for the GPUs back that it had lent.", self._claim_seconds()
        found: dict[str, Job] = {}
        for job_id in {one.job_id for card in away for one in card.holders if one.job_id is not None}:
            try:
                job = self._preempt(job_id, Reason("claimed", text), seconds)
            except DeskError as error:
                _log.info("Job %s can't be asked to give way for endpoint %s now: %s", job_id, name, error.message)
                continue
            if job is not None:
                found[job_id] = job
        return found

    def _claim_seconds(self) -> float:
        return self._settings.number("serving.claim_seconds")

    def _say(self, known: Endpoint, reason: Reason) -> None:
        if known.state is EndpointState.ASLEEP and known.reason != reason:
            self._board.change(
                known.name,
                lambda one: replace(one, reason=reason) if one.claimed and one.state is EndpointState.ASLEEP else one,
            )

    def _has_enough(self, known: Endpoint, away: Sequence[GpuCard] | None) -> bool:
        """Tell whether one replica at least can have GPUs of those that were lent."""
        each = next((one.gpus for one in known.revisions if one.revision == known.revision), len(known.claimed))
        return away is not None and len(known.claimed) - len(away) >= min(each, len(known.claimed))

    def _woken(self, name: str, *, by_hand: bool) -> threading.Event | None:
        try:
            return self._sleeper.wake(name, by_hand=by_hand)
        except DeskError as error:
            _log.info("Endpoint %s can't be woken now: %s", name, error.message)
            return None  # the engine is away, or the endpoint: the next turn sees


def _claimed(endpoint: Endpoint, reason: Reason) -> Endpoint:
    if endpoint.lent is None:
        return endpoint
    return replace(endpoint, lent=None, claimed=endpoint.lent.gpus, reason=reason)


def _is_over(endpoint: Endpoint) -> bool:
    """Tell whether an endpoint waits for nothing of what it has asked for: it has all, or is not to be up."""
    if endpoint.state in _UP:
        return not gpu_claims.missing(endpoint) or ready(endpoint) >= endpoint.wanted
    return endpoint.lent is not None or endpoint.state not in _ON_ITS_WAY
