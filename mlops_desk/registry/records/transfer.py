"""A version that is taken from one store to another, runs that are imported, and files that are checked."""

import json
from dataclasses import dataclass

SUFFIX = ".mldversion"
"""The usual ending of the file that a version is written to."""


@dataclass(frozen=True, slots=True)
class Loss:
    """What did not come along, and why."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class Transferred:
    """``reference``: what it is called where it went (NAME/VERSION, a run's id); ``path``: the file written."""

    reference: str | None
    path: str | None
    n_files: int
    size_bytes: int
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedRuns:
    """Runs of another tracker that were written into an MLflow registry: each with the id that it got."""

    runs: tuple[tuple[str, str], ...]
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class MigratedFolder:
    """A folder of runs that was copied into the store ``file``; ``names`` are those of the list that mean it now.

    The files that runs left stay in ``folder``, and the store says so.
    """

    folder: str
    file: str
    n_runs: int
    n_models: int
    names: tuple[str, ...] = ()
    losses: tuple[Loss, ...] = ()


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """``state``: same, changed, missing, added or unknown (no hash was recorded, or it can't be read)."""

    path: str
    state: str
    recorded_sha256: str | None = None
    found_sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """``recorded_at``: when the hashes were taken (Unix seconds), None: never, so that they were taken now.

    ``problem``: which files could not be read, and why; whether those are what they were nobody can tell.
    """

    name: str
    version: str
    recorded_at: float | None
    files: tuple[CheckedFile, ...]
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class HashedFile:
    """A file of a version; ``sha256`` is empty where it could not be read, and ``problem`` says why at the moment."""

    path: str
    sha256: str
    size_bytes: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class RecordedHashes:
    """What the files of a version were when somebody looked first.

    ``registry`` is what all its spellings have in common (``registry.identity``), None the desk's own;
    ``created_at`` is the version's own time: one that was deleted and made anew is another.
    """

    registry: str | None
    name: str
    version: str
    recorded_at: float
    created_at: float | None
    files: tuple[HashedFile, ...]

    @property
    def key(self) -> str:
        return hashes_of(self.registry, self.name, self.version)


def hashes_of(registry: str | None, name: str, version: str) -> str:
    """Name the record of a version's hashes."""
    return json.dumps([registry, name, version])
