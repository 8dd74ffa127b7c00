"""Which revision answers: a new one takes over at once or by steps, goes back, or has its share set by hand.

Nothing here starts a container. What leaves is drained: it gets no more requests, ends what it has begun, and only then
is its container ended.
"""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import Hint, Invalid, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.settings import SettingsStore
from mlops_desk.machine.records.event import Notice
from mlops_desk.serving.endpoint_store import EndpointBoard
from mlops_desk.serving.images import EndpointImages
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, LentGpus, Replica
from mlops_desk.serving.records.rollout import SHADOW_PERCENT, RolloutGuard
from mlops_desk.serving.replicas import answering, draining, without
from mlops_desk.serving.revision import Revision, Shelf
from mlops_desk.serving.rollout import DRAINING, WHOLE_PERCENT, begin, gone_on
from mlops_desk.serving.routing_sync import Switchboard

_ROUNDING_PERCENT = 0.5  # three times a third, as people write it, is 99 or 99.9

_DRAIN_SECONDS = 30.0  # as long as an endpoint may take for an answer
_LOOK_SECONDS = 0.2  # chosen: a model in the way of the next one's memory
_END_SECONDS = 20.0  # chosen: twice what the engine waits before it kills
_UP = frozenset({"running", DRAINING})
_AWAKE = frozenset({EndpointState.LIVE, EndpointState.UNHEALTHY})
_SERVING = frozenset({EndpointState.LIVE, EndpointState.UNHEALTHY, EndpointState.BUILDING, EndpointState.STARTING})

Change = Callable[[Callable[[Endpoint], Endpoint]], object]


class Stages:
    """Moves requests between the revisions of endpoints that are up."""

    def __init__(
        self, board: EndpointBoard, shelf: Shelf, trial: Trial, switchboard: Switchboard, images: EndpointImages,
        settings: SettingsStore, loop: Loop, bus: Bus,
    ) -> None:  # fmt: skip
        self._board = board
        self._shelf = shelf
        self._trial = trial
        self._switchboard = switchboard
        self._images = images
        self._settings = settings
        self._loop = loop
        self._bus = bus
        self._moving = threading.RLock()
        self._ending: dict[str, threading.Event] = {}

    def enter(self, revision: Revision, replicas: Sequence[Replica], change: Change) -> None:
        """Put a revision that is up in its place: that of the live one, or the first step beside it.

        ``change`` changes its endpoint unless the deployment is not wanted any more. Raises OSError.
        """
        with self._moving:
            if revision.enters_percent is None or not answering(self._board.get(revision.endpoint)):
                self._take_over(revision, replicas, change)
            else:
                self._step_beside(revision, replicas, revision.enters_percent, change)

    def promote(self, name: str, number: int | None = None) -> Endpoint | None:
        """Let a revision take over, by itself the one on its way; None where it is not up, or about to end.

        Raises NotFound and Refused.
        """
        with self._moving:
            endpoint = self._board.get(name)
            wanted = number if number is not None else (endpoint.rollout.revision if endpoint.rollout else None)
            if wanted is None:
                raise Refused(
                    f"No revision of endpoint {name} is on its way.",
                    Hint(f"mlops-desk endpoints show {name}", after=" lists the revisions; name one by --revision."),
                )
            if wanted == endpoint.revision and endpoint.rollout is None:
                return endpoint
            replicas = self._up(endpoint, wanted)
            revision = self._shelf.read(name, wanted)
            if not replicas or revision is None:
                return None
            self._take_over(revision, replicas, lambda made: self._board.change(name, made))
            self._tell("info", name, f"Endpoint {name} answers by revision {wanted}.")
            return self._board.get(name)

    def wait_for_end(self, name: str, number: int) -> None:
        """Wait until those containers of a revision that are being ended are gone: others are to get their names."""
        with self._moving:
            containers = {replica.container for replica in self._board.get(name).replicas if replica.revision == number}
            endings = [ending for container, ending in self._ending.items() if container in containers]
        for ending in endings:
            ending.wait(_END_SECONDS)

    def go_on(self, name: str) -> None:
        """Lead the rollout under way one step further."""
        with self._moving:
            endpoint = self._board.get(name)
            if endpoint.rollout is None:
                return
            rollout = gone_on(endpoint.rollout, time.time())
            traffic = _shares(endpoint, rollout.revision, rollout.percent)
            self._board.change(name, lambda known: replace(known, rollout=rollout, traffic=traffic))
            self._follow(name, ())
            text = f"Revision {rollout.revision} of endpoint {name} gets {rollout.percent:g} % of the requests."
            self._tell("info", name, text)

    def go_back(self, name: str, reason: Reason) -> Endpoint:
        """Take the revision on its way out again; the live one has all requests. Raises NotFound and OSError."""
        with self._moving:
            endpoint = self._board.get(name)
            rollout = endpoint.rollout
            if rollout is None:
                return endpoint
            self._mark(name, rollout.revision, "rolled_back", reason)
            leaving = [one for one in endpoint.replicas if one.revision == rollout.revision]
            live = {str(endpoint.revision): 1.0}
            changed = self._board.change(
                name,
                lambda known: replace(
                    known, rollout=None, traffic=live, replicas=draining(known.replicas, leaving), reason=reason
                ),
            )
            self._follow(name, leaving)
            self._tell("warning", name, f"Revision {rollout.revision} of endpoint {name} went back: {reason.text}")
            return changed

    def split(self, name: str, percents: Mapping[int, float]) -> Endpoint:
        """Share the requests out by hand, in percent of all. Raises NotFound, Invalid and Refused."""
        with self._moving:
            endpoint = self._board.get(name)
            up = {replica.revision for replica in answering(endpoint)}
            if not percents or any(not 0.0 <= percent <= WHOLE_PERCENT for percent in percents.values()):
                raise Invalid("A share is between 0 and 100 %.", "For example: 2=10 1=90")
            if abs(sum(percents.values()) - WHOLE_PERCENT) > _ROUNDING_PERCENT:
                raise Invalid(f"The shares are {sum(percents.values()):g} % together.", "They have to be 100.")
            if missing := sorted(set(percents) - up):
                raise Refused(
                    f"Revision {missing[0]} of endpoint {name} is not up.",
                    f"Up {'is' if len(up) == 1 else 'are'}: {', '.join(map(str, sorted(up))) or 'none'}.",
                )
            traffic = {str(number): percent / sum(percents.values()) for number, percent in percents.items() if percent}
            rollout = endpoint.rollout
            if rollout is not None:
                share = WHOLE_PERCENT * traffic.get(str(rollout.revision), 0.0)
                rollout = replace(rollout, percent=share, since=time.time(), is_held=True)
            changed = self._board.change(name, lambda known: replace(known, traffic=traffic, rollout=rollout))
            self._follow(name, ())
            return changed

    def join(self, name: str, replica: Replica) -> bool:
        """Let one more replica of a revision answer; False where nobody wants it any more. Raises NotFound."""
        with self._moving:
            known = self._board.get(name)
            if known.state not in _SERVING or replica.revision not in {one.revision for one in answering(known)}:
                return False
            self._switchboard.move(
                name,
                lambda one: replace(one, replicas=(*without(one.replicas, [replica]), replica)),
                lambda made: self._board.change(name, made),
            )
            return True

    def part(self, name: str, replicas: Sequence[Replica]) -> None:
        """Let replicas answer no more, and end them once they have answered what they had. Raises NotFound."""
        with self._moving:
            self._board.change(name, lambda known: replace(known, replicas=draining(known.replicas, replicas)))
            self._follow(name, replicas)

    def sleep(self, name: str, reason: Reason, lent: LentGpus | None = None) -> None:
        """Let an endpoint's containers end once they have answered; the next request wakes it. Raises NotFound.

        What has ``lent`` its GPUs no request wakes: that and its sleep are written down at once.
        """
        with self._moving:
            known = self._board.get(name)
            if known.state not in _AWAKE or known.rollout is not None:
                return
            self._board.change(
                name,
                lambda one: replace(
                    one, state=EndpointState.ASLEEP, asleep_since=time.time(), reason=reason, shortage=None, lent=lent,
                    claimed=(), wanted=one.scale.least, replicas=draining(one.replicas, one.replicas),
                ),
            )  # fmt: skip
            self._follow(name, known.replicas)

    def stay_awake(self, name: str) -> bool:
        """Let an endpoint that has just fallen asleep answer on; False where its containers end. Raises NotFound."""
        with self._moving:
            known = self._board.get(name)
            replicas = self._up(known, known.revision)
            if known.state is not EndpointState.ASLEEP or not replicas:
                return False
            self._switchboard.move(
                name,
                lambda one: replace(
                    one, state=EndpointState.LIVE, asleep_since=None, reason=None, lent=None, claimed=(),
                    replicas=(*replicas, *without(one.replicas, replicas)),
                ),
                lambda made: self._board.change(name, made),
            )  # fmt: skip
            return True

    def take_up(self) -> None:
        """Go on with what an earlier agent was draining."""
        for endpoint in self._board.all():
            if leaving := [replica for replica in endpoint.replicas if replica.state == DRAINING]:
                self._follow(endpoint.name, leaving)

    # -- steps ---------------------------------------------------------------------------------

    def _up(self, endpoint: Endpoint, number: int) -> list[Replica]:
        found = (one for one in endpoint.replicas if one.revision == number and one.container not in self._ending)
        return [replace(one, state="running") for one in found if one.state in _UP]

    def _take_over(self, revision: Revision, replicas: Sequence[Replica], change: Change) -> None:
        name, number = revision.endpoint, revision.number
        before = self._board.get(name)
        leaving = [one for one in before.replicas if one.revision != number]
        for other in {one.revision for one in leaving}:
            self._mark(name, other, "rolled_back" if other > number else "retired", None)
        scale = (None if revision.was_live else revision.scale) or before.scale
        self._shelf.mark(replace(revision, state="live", was_live=True, reason=None, scale=scale))
        self._switchboard.move(
            name,
            lambda known: replace(
                known,
                state=EndpointState.LIVE,
                url=self._switchboard.url(name),
                revision=number,
                model=revision.model,
                replicas=(*replicas, *draining(without(known.replicas, replicas), leaving)),
                traffic={str(number): 1.0},
                rollout=None,
                reason=None,
                image=revision.image,
                runtime=revision.runtime,
                scale=scale,
                asleep_since=None,
                lent=None,
                shortage=None,
                wanted=min(max(known.wanted, scale.least), scale.most),
            ),
            change,
        )
        self._let_end(name, leaving)

    def _step_beside(self, revision: Revision, replicas: Sequence[Replica], percent: float, change: Change) -> None:
        name = revision.endpoint
        rollout = begin(revision.number, percent, self._guard(), time.time())
        before = self._board.get(name).rollout
        others = {before.revision} - {revision.number} if before is not None else set[int]()
        leaving = [one for one in self._board.get(name).replicas if one.revision in others]
        for other in others:
            self._mark(name, other, "retired", None)
        self._shelf.write(replace(revision, state="canary" if percent > SHADOW_PERCENT else "shadow"))
        self._switchboard.move(
            name,
            lambda known: replace(
                known,
                state=EndpointState.LIVE,
                replicas=(*draining(without(known.replicas, replicas), leaving), *replicas),
                traffic=_shares(known, revision.number, percent),
                rollout=rollout,
                reason=None,
            ),
            change,
        )
        self._let_end(name, leaving)

    def _guard(self) -> RolloutGuard:
        number = self._settings.number
        return RolloutGuard(
            more_errors=number("serving.canary_more_errors_percent") / WHOLE_PERCENT,
            times_latency=number("serving.canary_times_latency"),
            requests=int(number("serving.canary_requests")),
            bake_seconds=number("serving.canary_bake_seconds"),
        )

    def _follow(self, name: str, leaving: Sequence[Replica]) -> None:
        """Have the gateway follow, then end what leaves."""
        self._switchboard.bring_in()
        self._let_end(name, leaving)

    def _let_end(self, name: str, leaving: Sequence[Replica]) -> None:
        if leaving:
            self._loop.start(f"drain-{name}", lambda: self._drained(name, leaving))

    def _drained(self, name: str, leaving: Sequence[Replica]) -> None:
        """End the containers of replicas that get no more requests, once they have answered what they had."""
        deadline = time.monotonic() + _DRAIN_SECONDS
        while time.monotonic() < deadline and self._switchboard.is_answering(leaving):
            if self._loop.ending.wait(_LOOK_SECONDS):
                return  # the next agent goes on
        gone = self._taken_out(name, leaving)
        try:
            for container in gone:
                self._trial.end(container)
        finally:
            if gone:
                self._tidy(name, set(gone))

    def _taken_out(self, name: str, leaving: Sequence[Replica]) -> list[str]:
        """Name the containers to be ended: one that has taken over again meanwhile is none of them."""
        containers = {one.container for one in leaving}
        with self._moving:
            known = self._board.find(name)
            gone = [
                one.container
                for one in (known.replicas if known else ())
                if one.container in containers and one.state == DRAINING and one.container not in self._ending
            ]
            self._ending.update({container: threading.Event() for container in gone})
            return gone

    def _tidy(self, name: str, gone: set[str]) -> None:
        """Forget replicas whose containers were ended; only then may one of their names be up again."""
        with self._moving:
            for container in gone:
                self._ending.pop(container).set()
            if self._board.find(name) is None:
                return
            self._board.change(
                name,
                lambda known: replace(
                    known,
                    replicas=tuple(one for one in known.replicas if one.container not in gone or one.state != DRAINING),
                ),
            )
            images = self._images.of(name)
            known = self._board.get(name)
            self._shelf.prune(name, {known.revision, *(replica.revision for replica in known.replicas)})
            self._images.drop(images)
            self._board.tell_again(name)
            self._switchboard.route()
        self._trial.drop_network()

    def _mark(self, name: str, number: int, state: str, reason: Reason | None) -> None:
        revision = self._shelf.read(name, number)
        if revision is not None:
            self._shelf.mark(replace(revision, state=state, reason=reason))

    def _tell(self, level: str, name: str, text: str) -> None:
        about = ("endpoint", name)
        hint = Hint(f"mlops-desk endpoints show {name}")
        self._bus.publish(Notice(level, "endpoints", text, hint, time.time(), about=about))


def _shares(endpoint: Endpoint, number: int, percent: float) -> dict[str, float]:
    """Return the shares with ``percent`` for one revision and the rest for the live one."""
    return {str(endpoint.revision): 1.0 - percent / WHOLE_PERCENT, str(number): percent / WHOLE_PERCENT}
