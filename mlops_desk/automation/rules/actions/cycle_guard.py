"""What jobs go back to: which rules have had a hand in one, so that none of them sets itself off by it.

A rule for each job that has ended, which submits one, would else go on for ever: by its own job, or by that of another
rule that is set off by its own.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mlops_desk.automation.records.firing import KeptFiring
from mlops_desk.automation.rules.pipeline.origins import run_of_origin
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import NotFound

ORIGIN = "firing:"
"""Before the key of a firing's action: the origin of a job that a rule has submitted."""


def firing_of_origin(origin: str) -> str | None:
    """Return the id of the firing that has submitted a job of this origin; None where none has."""
    return origin.removeprefix(ORIGIN).rpartition("/")[0] if origin.startswith(ORIGIN) else None


@dataclass(frozen=True, slots=True)
class RuleChain:
    """``job`` finds a job by its id (raises NotFound), ``firing`` a firing by its own (None: it is kept no more)."""

    job: Callable[[str], Job]
    firing: Callable[[str], KeptFiring | None]

    def behind(self, subject: str) -> frozenset[str]:
        """Return the ids of the rules by whose firings a job came about, one set off by another's job."""
        found: set[str] = set()
        while (firing := self._firing_behind(subject)) is not None and firing.rule_id not in found:
            found.add(firing.rule_id)
            subject = firing.subject
        return frozenset(found)

    def is_retraining(self, subject: str) -> bool:
        """Tell whether a job belongs to a retraining."""
        job = self._job(subject)
        return job is not None and run_of_origin(job.origin or "") is not None

    def _firing_behind(self, subject: str) -> KeptFiring | None:
        job = self._job(subject)
        found = None if job is None else firing_of_origin(job.origin or "")
        return None if found is None else self.firing(found)

    def _job(self, subject: str) -> Job | None:
        if not subject:
            return None
        try:
            job = self.job(subject)
        except NotFound:
            return None  # a rule about other things, or a job that was removed
        return job if job.id == subject else None
