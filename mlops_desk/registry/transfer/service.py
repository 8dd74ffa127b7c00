"""Versions as files: whether they are what they were, into one file, and from one file into another registry."""

import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from threading import Event
from typing import Protocol

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.source import FilesSource, source_of
from mlops_desk.registry.changes import RegistryAccess
from mlops_desk.registry.default_registry import OWN
from mlops_desk.registry.mlflow.workers import ENVIRONMENT
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.records.tracker import TrackerKind
from mlops_desk.registry.records.transfer import (
    CheckedFile,
    HashedFile,
    Loss,
    RecordedHashes,
    Transferred,
    Verified,
    hashes_of,
)
from mlops_desk.registry.transfer.file_format import ArchivedDataset, ArchivedRun, ArchivedVersion


# Which files of a version are no longer what they were. Pure.
def compared(recorded: Iterable[HashedFile] | None, found: Iterable[HashedFile]) -> tuple[CheckedFile, ...]:
    """Say of each file whether it is the same, changed, missing or added; those that are not the same come first.

    Without a record nothing can be told, and neither of a file that could not be read (it has no hash).
    """
    now = {file.path: file for file in found}
    if recorded is None:
        return tuple(CheckedFile(path, "unknown", None, _hash(one), one.size_bytes) for path, one in now.items())
    then = {file.path: file for file in recorded}
    checked = [_checked(path, then.get(path), now.get(path)) for path in {**then, **now}]
    return tuple(sorted(checked, key=lambda one: (one.state == "same", one.path)))


def unread(found: Sequence[HashedFile]) -> str | None:
    """Say how many files could not be read and why the first of them could not; None where all were."""
    failed = [one for one in found if not one.sha256]
    if not failed:
        return None
    what = "1 file" if len(found) == 1 else f"{len(failed):,} of {len(found):,} files"
    return f"{what} could not be read: {failed[0].problem or 'nobody noted why'}"


def written_down(recorded: Sequence[HashedFile] | None, found: Sequence[HashedFile]) -> tuple[HashedFile, ...]:
    """Return what is to be kept: what was recorded, with the hashes that it lacks where the files were read now."""
    now = {one.path: replace(one, problem="") for one in found}
    if recorded is None:
        return tuple(now.values())
    return tuple(one if one.sha256 else now.get(one.path, one) for one in recorded)


def is_whole(recorded: Iterable[HashedFile]) -> bool:
    """Tell whether the hash of each file is known."""
    return all(one.sha256 for one in recorded)


def _checked(path: str, then: HashedFile | None, now: HashedFile | None) -> CheckedFile:
    recorded = None if then is None else _hash(then)
    if now is None:
        return CheckedFile(path, "missing", recorded)
    if then is None:
        return CheckedFile(path, "added", None, _hash(now), now.size_bytes)
    if not then.sha256 or not now.sha256:
        return CheckedFile(path, "unknown", recorded, _hash(now), now.size_bytes)
    state = "same" if then.sha256 == now.sha256 else "changed"
    return CheckedFile(path, state, recorded, now.sha256, now.size_bytes)


def _hash(file: HashedFile) -> str | None:
    return file.sha256 or None


_HASHING = "mlops_desk.registry.transfer.hashing"
_EXPORTING = "mlops_desk.registry.transfer.export_worker"
_IMPORTING = "mlops_desk.registry.transfer.import_worker"
SECONDS = 1800.0  # chosen: a hundred gigabytes from a disk, ten over a network


class KeptHashes(Protocol):
    """Where hashes are kept; as ``StoredRecords``."""

    def put(self, record: RecordedHashes) -> None: ...

    def get(self, key: str) -> RecordedHashes | None: ...


class VersionTransfer:
    """Checks, exports and imports versions. Everything raises DeskErrors."""

    def __init__(self, core: RegistryAccess, kept: KeptHashes, ending: Event) -> None:
        self._core = core
        self._kept = kept
        self._ending = ending

    def verify(self, name: str, version: str, uri: str | None) -> Verified:
        """Compare a version's files with what they were; what was not written down yet is then."""
        found = self._core.registries.read(uri).version(name, version)
        recorded = self._recorded(found, uri)
        now = self.hashed(found, uri)
        self._write_down(found, uri, recorded, now)
        then = None if recorded is None else recorded.files
        at = None if recorded is None else recorded.recorded_at
        return Verified(name, version, at, compared(then, now), unread(now))

    def record(self, version: ModelVersion, uri: str | None, bytes_a_second: float) -> str | None:
        """Write down what the files of a version are, where that is not done; return why some are still not known."""
        recorded = self._recorded(version, uri)
        if recorded is not None and is_whole(recorded.files):
            return None
        now = self.hashed(version, uri, bytes_a_second)
        self._write_down(version, uri, recorded, now)
        return unread(now)

    def _write_down(
        self, version: ModelVersion, uri: str | None, known: RecordedHashes | None, now: tuple[HashedFile, ...]
    ) -> None:
        files = written_down(None if known is None else known.files, now)
        if known is not None and files == known.files:
            return
        at = time.time() if known is None else known.recorded_at
        self._kept.put(
            RecordedHashes(self._registry(uri), version.name, version.version, at, version.created_at, files)
        )

    def _recorded(self, version: ModelVersion, uri: str | None) -> RecordedHashes | None:
        for registry in dict.fromkeys((self._registry(uri), uri)):  # an earlier version named it as it was asked for
            known = self._kept.get(hashes_of(registry, version.name, version.version))
            if known is not None and known.created_at == version.created_at:
                return known
        return None

    def _registry(self, uri: str | None) -> str | None:
        """Return the one name of a registry, however it is asked for; None is the desk's own."""
        found = self._core.registries.identity(uri)
        return None if found == OWN else found

    def hashed(
        self, version: ModelVersion, uri: str | None, bytes_a_second: float | None = None
    ) -> tuple[HashedFile, ...]:
        """Hash the files of a version, no faster than is asked for."""
        with self._files(version, uri) as source:
            request = {"source": asdict(source), "bytes_a_second": bytes_a_second}
            told = run_worker(_HASHING, request, SECONDS, ENVIRONMENT, self._ending)
        return tuple(wire.from_builtins(one, HashedFile) for one in told)

    def export(self, name: str, version: str, file: str, uri: str | None) -> Transferred:
        """Write a version with its files and where it comes from to a new file."""
        client = self._core.registries.read(uri)
        found = client.version(name, version)
        archived, losses = _described(client, found, self._core.registries.source(uri).shown)
        with self._files(found, uri) as source:
            request = {"source": asdict(source), "version": wire.to_builtins(archived), "to": file}
            done = run_worker(_EXPORTING, request, SECONDS, ENVIRONMENT, self._ending)
        return Transferred(f"{name}/{version}", file, done["n_files"], done["size_bytes"], losses)

    def import_(self, file: str, name: str | None, uri: str | None) -> Transferred:
        """Register what a file holds as a new version, which the registry numbers."""
        registries = self._core.registries
        with tempfile.TemporaryDirectory(prefix="import-", dir=registries.scratch) as folder:
            address, login = registries.place(uri)
            own = registries.source(uri).kind is TrackerKind.OWN
            request = {"file": file, "folder": folder, "name": name, "uri": address, "own": own, "environment": login}
            done = run_worker(_IMPORTING, request, SECONDS, ENVIRONMENT, self._ending)
        self._core.changed(uri)
        losses = tuple(wire.from_builtins(one, Loss) for one in done["losses"])
        return Transferred(done["reference"], None, done["n_files"], done["size_bytes"], losses)

    @contextmanager
    def _files(self, version: ModelVersion, uri: str | None) -> Iterator[FilesSource]:
        """Give where a version's files are read; those that only MLflow reaches are brought here for a moment."""
        registries = self._core.registries
        client = registries.read(uri)
        place = next(iter(client.places_of_version(version.name, version.version)), None)
        if place is None:
            raise NotFound(f"{plain(version.name)}/{plain(version.version)} names no place of its files.")
        source = source_of(place, registries.source(uri), registries.server.ledger.artifacts)
        if source is not None:
            yield source
            return
        with tempfile.TemporaryDirectory(prefix="files-", dir=registries.scratch) as folder:
            target = Path(folder, "files")
            registries.download(uri, "version", [version.name, version.version], target)
            yield FilesSource(str(target), "")


def _described(
    client: RegistryClient, version: ModelVersion, registry: str
) -> tuple[ArchivedVersion, tuple[Loss, ...]]:
    """Gather what is known of a version, of its model and of its run."""
    model = client.model(version.name)
    aliases = tuple(alias for alias, number in model.aliases.items() if number == version.version)
    run, losses = _archived_run(client, version.run_id)
    archived = ArchivedVersion(
        name=version.name,
        version=version.version,
        registry=registry,
        exported_at=time.time(),
        files=(),
        description=version.description,
        tags=version.tags,
        aliases=aliases,
        created_at=version.created_at,
        model_description=model.description,
        model_tags=model.tags,
        run=run,
    )
    return archived, losses


def _archived_run(client: RegistryClient, run_id: str | None) -> tuple[ArchivedRun | None, tuple[Loss, ...]]:
    if run_id is None:
        return None, (Loss("the run", "The version names none."),)
    try:
        run = client.run(run_id)
        datasets = client.datasets(run_id)
    except DeskError as error:
        return None, (Loss(f"run {run_id}", error.message),)
    inputs = tuple(
        ArchivedDataset(one.name, one.digest, one.context, one.source_type, one.source, one.schema) for one in datasets
    )
    archived = ArchivedRun(
        run.run_id, run.name, run.status, run.start_time, run.end_time, run.metrics, run.params, run.tags, inputs
    )
    return archived, ()
