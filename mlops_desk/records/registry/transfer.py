"""A version that is taken from one store to another, runs that are imported, and files that are checked."""

from dataclasses import dataclass


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
class CheckedFile:
    """``state``: same, changed, missing, added or unknown (no hash was recorded, or it can't be read)."""

    path: str
    state: str
    recorded_sha256: str | None = None
    found_sha256: str | None = None
    size_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Verified:
    """``recorded_at``: when the hashes were taken (Unix seconds), None: never, so that they were taken now."""

    name: str
    version: str
    recorded_at: float | None
    files: tuple[CheckedFile, ...]
    problem: str | None = None
