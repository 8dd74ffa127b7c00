"""What a job is made of, as far as it is known when it is submitted: its code above all, which must not change."""

import logging
import posixpath
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from mlops_desk.jobs.provenance.source.snapshot_capture import Snapshots, git_identity, places_in_source
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.jobs.records.spec import JobSpec, Source
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

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

        ``first`` is that of the job which it repeats, whose code it takes. The folder that its image is built of is
        kept as well. Raises what taking a snapshot raises, and NotFound where the first one's code is not there any
        more.
        """
        with self._code(spec, uid, first) as code, self._context(spec, uid, first) as context:
            if context is None or spec.build is None:
                yield code
            else:
                dockerfile = self._dockerfile(context, spec.build.dockerfile)
                yield replace(code, build_sha256=context, dockerfile_sha256=dockerfile)

    @contextmanager
    def _context(self, spec: JobSpec, uid: int, first: Capsule | None) -> Iterator[str | None]:
        """Give the hash of the folder that a job's image is built of; None where none is, or it is built already."""
        known = None if first is None else first.build_sha256
        if spec.build is None:
            yield None
        elif known is not None and self._snapshots.store.has(known):
            with self._snapshots.store.in_use(known):
                yield known
        else:
            with self._snapshots.taken(Source(folder=spec.build.context), uid, spec.build.dockerfile) as snapshot:
                yield snapshot.sha256

    def _dockerfile(self, context: str, name: str) -> str:
        """Return the hash of a Dockerfile in a folder that is kept. Raises Invalid."""
        path = posixpath.normpath(name)
        for line in self._snapshots.store.lines(context):
            if line["path"] == path and "sha256" in line:
                return str(line["sha256"])
        text = f"build.dockerfile: there is no file {plain(name)} in the folder that the image is built of."
        raise Invalid(text, "It has to lie there, and be no link; name it from there.")

    @contextmanager
    def _code(self, spec: JobSpec, uid: int, first: Capsule | None) -> Iterator[Capsule]:
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

    def first_to_go(self, active: Iterable[Capsule | None]) -> tuple[str, float] | None:
        """Return the snapshot that goes first when there is no room for all, and when it was used last."""
        return self.store.first_to_go(_named(active))

    def tidy(self, active: Callable[[], Iterable[Capsule | None]]) -> None:
        """Clear away snapshots beyond the budget; never those of ``active`` jobs."""
        gone = self._snapshots.tidy(lambda: _named(active()))
        if gone:
            _log.info("%d snapshots of code were cleared away, as their disk budget is used up", gone)


def with_spec(capsule: Capsule, spec: JobSpec) -> Capsule:
    """Return a capsule with what the spec itself fixes."""
    return replace(capsule, params=dict(spec.params), seed=spec.seed)


def _named(capsules: Iterable[Capsule | None]) -> list[str]:
    """Return the snapshots that capsules name."""
    names = [sha256 for one in capsules if one is not None for sha256 in (one.source_sha256, one.build_sha256)]
    return [sha256 for sha256 in names if sha256 is not None]
