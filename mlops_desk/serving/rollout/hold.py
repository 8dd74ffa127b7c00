"""For how long rollouts have been at their step, whatever the machine's clock is set to meanwhile.

Set forward, it would lead a canary through steps at which it was hardly asked anything; set back, it would hold it up
for as long. Only what passed before this process first saw the step is told by that clock: nothing else knows of it.
"""

import time
from collections.abc import Callable, Collection

from mlops_desk.records.serving.rollout import Rollout


class StepHold:
    """``now`` is Unix seconds, ``uptime`` seconds by a clock that nobody sets."""

    def __init__(self, now: Callable[[], float] = time.time, uptime: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._uptime = uptime
        self._begun: dict[str, tuple[int, float, float]] = {}

    def seconds(self, name: str, rollout: Rollout) -> float:
        """Return for how long the rollout of an endpoint has been at the step it is at."""
        known = self._begun.get(name)
        if known is None or known[:2] != (rollout.revision, rollout.since):
            before = max(0.0, self._now() - rollout.since)
            known = self._begun[name] = rollout.revision, rollout.since, self._uptime() - before
        return self._uptime() - known[2]

    def keep(self, names: Collection[str]) -> None:
        """Forget the endpoints that are not among these."""
        self._begun = {name: known for name, known in self._begun.items() if name in names}
