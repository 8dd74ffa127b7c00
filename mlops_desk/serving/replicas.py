"""The replicas of a revision: how many there are to be, who starts them, what may be asked for.

The replicas of an endpoint: which are to answer, how many a revision needs, which numbers are free. Pure.

Who works on an endpoint: one deployment at a time, and starts of single replicas, each of them once.

A deployment need not wait for starts that have begun: a replica that nobody wants any more ends when it is up.

Starting replicas of a revision: several at once, and those that an endpoint lacks, one after the other's pause.

What people may ask for of an endpoint's replicas: numbers that make sense, and what they mean together. Pure.
"""

import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import Invalid, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.records.endpoint import Endpoint, EndpointScale, Replica
from mlops_desk.serving.revision import Failed, Interrupted, Revision
from mlops_desk.serving.rollout import DRAINING

RUNNING = "running"
DOWN = "down"
"""The states of a replica besides that of one that is on its way out."""
_WHOLE_PERCENT = 100.0  # shares are in percent, as people say them
_ROUNDING = 1e-9  # 28 percent of 25 are a little more than 7 to a double


def answering(endpoint: Endpoint) -> list[Replica]:
    """Return the replicas of an endpoint that are to answer, whether they do or are down for now."""
    return [replica for replica in endpoint.replicas if replica.state != DRAINING]


def of_revision(endpoint: Endpoint, number: int) -> list[Replica]:
    """Return the replicas of one revision that are to answer."""
    return [replica for replica in answering(endpoint) if replica.revision == number]


def ready(endpoint: Endpoint) -> int:
    """Return how many replicas of the live revision answer."""
    return sum(replica.state == RUNNING for replica in of_revision(endpoint, endpoint.revision))


def needed(wanted: int, percent: float | None) -> int:
    """Return how many replicas a revision needs for its share of the requests, one at least; None: for all of them.

    ``wanted`` is how many the endpoint has for all its requests.
    """
    share = 1.0 if percent is None else percent / _WHOLE_PERCENT
    return max(1, math.ceil(wanted * share - _ROUNDING))


def free_numbers(taken: Iterable[int], count: int) -> list[int]:
    """Return the ``count`` smallest numbers from 1 on that are not taken."""
    known = set(taken)
    return [number for number in range(1, len(known) + count + 1) if number not in known][:count]


def without(replicas: Sequence[Replica], others: Sequence[Replica]) -> tuple[Replica, ...]:
    """Return ``replicas`` but for ``others``."""
    containers = {one.container for one in others}
    return tuple(one for one in replicas if one.container not in containers)


def draining(replicas: Sequence[Replica], leaving: Sequence[Replica]) -> tuple[Replica, ...]:
    """Return ``replicas``, those of ``leaving`` as on their way out."""
    containers = {one.container for one in leaving}
    return tuple(replace(one, state=DRAINING) if one.container in containers else one for one in replicas)


class EndpointClaims:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._deployed: set[str] = set()
        self._starts: set[tuple[str, str]] = set()

    def claim(self, name: str) -> bool:
        """Take an endpoint for a deployment; False while there is another."""
        with self._lock:
            if name in self._deployed:
                return False
            self._deployed.add(name)
            return True

    def release(self, name: str) -> None:
        with self._lock:
            self._deployed.discard(name)

    @contextlib.contextmanager
    def held(self, name: str) -> Iterator[None]:
        """Hold an endpoint while a deployment of it begins, which lets go of it. Raises Refused and Unavailable."""
        if not self.claim(name):
            raise Refused(f"Endpoint {name} is being deployed or restarted.", "Try again when that is done.")
        try:
            yield
        except OSError as error:
            self.release(name)
            raise Unavailable(f"Endpoint {name} can't be written down: {error}.", "Is the disk full?") from error
        except BaseException:
            self.release(name)
            raise

    def claim_start(self, name: str, what: str) -> bool:
        """Take an endpoint for a start of ``what``; False while it is deployed, or the same is started already."""
        with self._lock:
            if name in self._deployed or (name, what) in self._starts:
                return False
            self._starts.add((name, what))
            return True

    def release_start(self, name: str, what: str) -> None:
        with self._lock:
            self._starts.discard((name, what))
            self._lock.notify_all()

    def wait_for_starts(self, name: str, timeout_seconds: float) -> bool:
        """Wait until no replica of an endpoint is being started; False when that took too long."""
        with self._lock:
            return self._lock.wait_for(lambda: all(known != name for known, _ in self._starts), timeout_seconds)

    def deployed(self) -> set[str]:
        """Return the endpoints that are being deployed."""
        with self._lock:
            return set(self._deployed)

    def busy(self) -> set[str]:
        """Return the endpoints that somebody works on in any way."""
        with self._lock:
            return self._deployed | {name for name, _ in self._starts}

    def starts(self, name: str, what: str) -> bool:
        """Tell whether ``what`` of an endpoint is being started."""
        with self._lock:
            return (name, what) in self._starts


@dataclass(slots=True)
class StartedReplicas:
    """What became of replicas that were started together: those that are up, and why another is not."""

    up: list[Replica] = field(default_factory=list)
    failed: Reason | None = None
    is_interrupted: bool = False


class Crew:
    """Starts replicas, each in a thread of its own."""

    def __init__(self, trial: Trial, loop: Loop) -> None:
        self._trial = trial
        self._loop = loop
        self._noting = threading.Lock()

    def start(self, revision: Revision, numbers: Sequence[int]) -> StartedReplicas:
        """Start these replicas of a revision at once and wait until each is up or has failed. Raises Interrupted."""
        started = StartedReplicas()
        threads = [
            self._loop.start(f"replica-{revision.endpoint}-{number}", self._one(revision, number, started))
            for number in numbers
        ]
        for thread in threads:
            thread.join()  # each ends by the deadline of a start
        if started.is_interrupted:
            raise Interrupted
        started.up.sort(key=lambda replica: replica.number)
        return started

    def _one(self, revision: Revision, number: int, started: StartedReplicas) -> Callable[[], None]:
        def launch() -> None:
            try:
                replica = self._trial.launch(revision, number=number)
            except Failed as failure:
                with self._noting:
                    started.failed = started.failed or failure.reason
            except Interrupted:
                started.is_interrupted = True
            else:
                with self._noting:
                    started.up.append(replica)

        return launch


@dataclass(slots=True)
class Pause:
    """When a revision that could not have all its replicas is tried again (monotonic seconds)."""

    tries: int = 0
    next_at: float = 0.0

    def is_over(self) -> bool:
        return time.monotonic() >= self.next_at

    def after(self, seconds: Callable[[int], float]) -> None:
        """Wait ``seconds`` of as many tries as there were."""
        self.tries += 1
        self.next_at = time.monotonic() + seconds(self.tries)


MOST_REPLICAS = 64  # chosen: more processes of one model than a large machine has cores to spare
MOST_GPUS = 16  # as many as the largest servers have
LEAST_IDLE_SECONDS = 10.0  # chosen: a start takes about as long, so less would start and end all day


def scale_of(
    before: EndpointScale,
    replicas: int | None = None,
    least: int | None = None,
    most: int | None = None,
    sleep_after: float | None = None,
) -> EndpointScale:
    """Return how many replicas are meant: ``replicas`` is both the least and the most, what is None stays.

    ``sleep_after`` is in seconds; 0 means never. Raises Invalid.
    """
    if replicas is not None and (least is not None or most is not None):
        raise Invalid("Give a number of replicas, or the least and the most, not both.", "For example: --min 1 --max 4")
    low = replicas if replicas is not None else least
    high = replicas if replicas is not None else most
    low = low if low is not None else min(before.least, before.most if high is None else high)
    high = high if high is not None else max(before.most, low)
    if not 1 <= low <= high <= MOST_REPLICAS:
        many = f"{low} replicas" if low == high else f"between {low} and {high} replicas"
        text = f"An endpoint can't have {many}."
        hint = f"Take from 1 to {MOST_REPLICAS}, the least first; endpoints stop NAME ends them all."
        raise Invalid(text, hint)
    if sleep_after is None:
        return replace(before, least=low, most=high)
    if sleep_after != 0.0 and not sleep_after >= LEAST_IDLE_SECONDS:
        raise Invalid(
            f"An endpoint can't fall asleep after {sleep_after:g} s.",
            f"Take {LEAST_IDLE_SECONDS:g} s or more, as 30m; 0 keeps it awake.",
        )
    return EndpointScale(low, high, sleep_after or None)


def check_gpus(gpus: int | None) -> int | None:
    """Return ``gpus`` if a replica can have so many. Raises Invalid."""
    if gpus is not None and not 0 <= gpus <= MOST_GPUS:
        raise Invalid(f"A replica can't have {gpus} GPUs.", f"Take from 0 to {MOST_GPUS}.")
    return gpus
