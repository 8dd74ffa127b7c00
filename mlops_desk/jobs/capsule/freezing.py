"""What a job is made of, as far as it is known when it is submitted: its code above all, which must not change."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from mlops_desk.jobs.capsule.source.store import SnapshotStore
from mlops_desk.jobs.capsule.source.taking import Snapshots, git_identity, places_in_source
from mlops_desk.records.jobs.capsule import Capsule
from mlops_desk.records.jobs.spec import JobSpec

_log = logging.getLogger(__name__)


class Freezing:
    """Freezes jobs at their submit."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    @property
    def store(self) -> SnapshotStore:
        """Where the code lies."""
        return self._snapshots.store

    @contextmanager
    def frozen(self, spec: JobSpec, uid: int, first: Capsule | None = None) -> Iterator[Capsule]:
        """Give the capsule of a job that ``uid`` submits; its code is kept at least until this is left.

        ``first`` is that of the job which it repeats, whose code it takes. Raises what taking a snapshot raises, and
        NotFound where the first one's code is not kept any more.
        """
        places = places_in_source(spec)
        if spec.source is None:
            yield Capsule()
        elif first is not None and first.source_sha256 is not None:
            with self._snapshots.store.in_use(first.source_sha256):
                self._snapshots.store.make_places(first.source_sha256, places)
                yield Capsule(git=first.git, source_sha256=first.source_sha256)
        else:
            with self._snapshots.taken(spec.source, uid) as snapshot:
                self._snapshots.store.make_places(snapshot.sha256, places)
                yield Capsule(git=git_identity(snapshot.facts), source_sha256=snapshot.sha256)

    def tidy(self, active: Callable[[], Iterable[Capsule | None]]) -> None:
        """Clear away snapshots beyond the budget; never those of ``active`` jobs."""
        gone = self._snapshots.tidy(
            lambda: [one.source_sha256 for one in active() if one is not None and one.source_sha256 is not None]
        )
        if gone:
            _log.info("%d snapshots of code were cleared away, as their disk budget is used up", gone)


def with_spec(capsule: Capsule, spec: JobSpec) -> Capsule:
    """Return a capsule with what the spec itself fixes."""
    return replace(capsule, params=dict(spec.params), seed=spec.seed)
