"""Starting replicas of a revision: several at once, and those that an endpoint lacks, one after the other's pause."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mlops_desk.base.loop import Loop
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.records.serving.endpoint import Replica
from mlops_desk.serving.launch import Trial
from mlops_desk.serving.revision import Failed, Interrupted, Revision


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
