"""Folders of builds, kept as jobs' code is: each file once, as it was when the build was asked for."""

from collections.abc import Iterator
from contextlib import contextmanager

from mlops_desk.images.building import FrozenContext
from mlops_desk.jobs.capsule.source.taking import Snapshots
from mlops_desk.records.jobs.spec import Source


class BuildContexts:
    """Implements ``images.building.Contexts`` by the snapshots that jobs have."""

    def __init__(self, snapshots: Snapshots) -> None:
        self._snapshots = snapshots

    @contextmanager
    def frozen(self, folder: str, dockerfile: str, uid: int) -> Iterator[FrozenContext]:
        """Keep a folder as it is; it is safe until this is left. Raises DeskError."""
        with self._snapshots.taken(Source(folder=folder), uid, dockerfile) as snapshot:
            yield FrozenContext(snapshot.sha256, self._snapshots.store.tree(snapshot.sha256))

    @contextmanager
    def in_use(self, sha256: str) -> Iterator[FrozenContext]:
        """Give a folder that is kept. Raises NotFound."""
        with self._snapshots.store.in_use(sha256):
            yield FrozenContext(sha256, self._snapshots.store.tree(sha256))
