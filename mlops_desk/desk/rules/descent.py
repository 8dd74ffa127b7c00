"""Which job made a version, and which versions a job made, also where runs below the job's own registered them.

A training may log each model to a run of its own below the job's (a nested run of MLflow). Such a run is no job's, but
says whose it is by its parent, which the tracking server lets a job choose among its own runs alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from mlops_desk.base.errors import NotFound
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.model import DatasetInput, ModelVersion
from mlops_desk.registry.server.permits import PARENT_TAG
from mlops_desk.registry.service import RegistryCore

_DEEPEST = 16  # as the tracking server looks: runs that refer to one another end there
_MOST_VERSIONS = 200  # chosen: of the newest ones of a model; a training that registers more is no recipe


@dataclass(frozen=True, slots=True)
class Descent:
    """``job_of`` finds the job that logged to a run, None where there is none."""

    registry: RegistryCore
    job_of: Callable[[str], Job | None]

    def job_of_run(self, run_id: str) -> Job | None:
        """Return the job whose run this is, or of which it is below. Raises DeskError."""
        return next((job for one in self._line(run_id) if (job := self.job_of(one)) is not None), None)

    def registered(self, run_id: str, model: str) -> list[ModelVersion]:
        """List the versions of a model from a run, oldest first; where it has none, those from runs below it.

        Raises DeskError.
        """
        own = [one for one in self.registry.versions_of_run(run_id) if one.name == model]
        if own:
            return own
        try:
            newest = self.registry.registries.read(None).versions(model)[:_MOST_VERSIONS]
        except NotFound:
            return []  # nobody has registered a version of that name
        made = (one for one in newest if one.run_id is not None and run_id in self._line(one.run_id))
        return sorted(made, key=lambda one: int(one.version))

    def dataset(self, run_id: str, contexts: Sequence[str] | None) -> DatasetInput:
        """Return the data set of some contexts that a run has logged, or a run above it. Raises DeskError."""
        missing: NotFound | None = None
        for one in self._line(run_id):
            try:
                return self.registry.reference_dataset(one, None, contexts)
            except NotFound as error:
                missing = missing or error  # what is said is said of the run that was asked about
        raise missing or NotFound("No run is named, so no data set of it is known.")

    def _line(self, run_id: str) -> Iterator[str]:
        """Yield a run, its parent, that one's, as far as there are any."""
        current: str | None = run_id
        for _ in range(_DEEPEST):
            if not current:
                return
            yield current
            try:
                current = self.registry.run(current).tags.get(PARENT_TAG)
            except NotFound:
                return  # it was purged
