"""The runtimes that there are, by name; the first is where jobs run that name none."""

from collections.abc import Iterator, Sequence

from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.kit.base.errors import Hint, Unavailable
from mlops_desk.kit.base.text import plain


class Runtimes:
    """A table of at least one runtime."""

    def __init__(self, runtimes: Sequence[Runtime]) -> None:
        self._table = {runtime.name: runtime for runtime in runtimes}
        self._default = runtimes[0]

    @property
    def default(self) -> Runtime:
        return self._default

    def __iter__(self) -> Iterator[Runtime]:
        return iter(self._table.values())

    def __contains__(self, name: str) -> bool:
        return name in self._table

    def named(self, name: str) -> Runtime:
        """Return the runtime of a name. Raises Unavailable: one that the settings named may come back."""
        if name in self._table:
            return self._table[name]
        text = f"There is no engine or other runtime called {plain(name)} any more."
        raise Unavailable(text, Hint("mlops-desk settings list", before="Name it again in engine.others: "))

    def accept_again(self, job: Job) -> JobSpec:
        """Check once more what a job asks for, and return it as it really lies. Raises Refused, Unavailable."""
        return self.named(job.runtime).accept(job.spec, job.submitted_by)
