"""What runtimes that give out the same GPUs know of one another's queues: together they are one queue."""

import threading
from collections.abc import Collection, Iterable, Mapping

from mlops_desk.jobs.run.line import PlaceInLine
from mlops_desk.records.jobs.reason import Reason
from mlops_desk.runtimes.runtime import Runtime

_OWN = "own "


class Pool:
    """The promises of decisions, until they are leases. ``lock`` is held from a look at the queue to its promises.

    ``line`` is our place among those who wait for these GPUs in other agents; None: nobody else gives them out.
    """

    def __init__(self, runtimes: Iterable[str], line: PlaceInLine | None = None) -> None:
        self.line = line
        self.runtimes = frozenset(runtimes)
        self.lock = threading.RLock()
        self._promised: dict[str, dict[str, tuple[str, ...]]] = {name: {} for name in self.runtimes}
        self._unready: dict[str, Mapping[str, Reason]] = {}

    def promise(self, runtime: str, job_id: str, gpus: tuple[str, ...]) -> None:
        """Promise GPUs to a job that a hand is about to begin."""
        with self.lock:
            self._promised[runtime][job_id] = gpus

    def keep(self, runtime: str, begun: Collection[str]) -> None:
        """Forget the promises to jobs that no hand begins any more."""
        with self.lock:
            self._promised[runtime] = _of(self._promised[runtime], begun)

    def promised(self, runtime: str, begun: Collection[str]) -> dict[str, tuple[str, ...]]:
        """Return the GPUs of all jobs that are about to begin; of one runtime those that hands do begin."""
        with self.lock:
            known = {**self._promised, runtime: _of(self._promised[runtime], begun)}
            return {job_id: gpus for promises in known.values() for job_id, gpus in promises.items()}

    def unready(self, runtime: str, now: Mapping[str, Reason]) -> dict[str, Reason]:
        """Note which jobs of a runtime can't begin now, and return those of all of them, each with the reason."""
        with self.lock:
            self._unready[runtime] = now
            return {job_id: reason for known in self._unready.values() for job_id, reason in known.items()}


def _of(promises: Mapping[str, tuple[str, ...]], begun: Collection[str]) -> dict[str, tuple[str, ...]]:
    return {job_id: gpus for job_id, gpus in promises.items() if job_id in begun}


def pools_of(runtimes: Iterable[Runtime], line: PlaceInLine | None = None) -> dict[str, Pool]:
    """Return the pool of each runtime, by its name; ``line`` is that of the GPUs which all agents give out."""
    together: dict[str, list[str]] = {}
    for runtime in runtimes:
        gpus = runtime.abilities().gpus
        together.setdefault(f"{_OWN}{runtime.name}" if gpus is None else gpus, []).append(runtime.name)
    pools = [Pool(names, None if gpus.startswith(_OWN) else line) for gpus, names in together.items()]
    return {name: pool for pool in pools for name in pool.runtimes}
