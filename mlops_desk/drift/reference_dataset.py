"""Where the reference data of an endpoint lies: the dataset that was logged with the model's run.

What a run says of its dataset is text from outside, so it opens nothing by itself: a local path
counts only as the job saw it, inside one of the job's own mounts; anything else is fetched through
the registry.
"""

import hashlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import Hint, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.endpoint import Endpoint

REMOTE = ("mlflow-artifacts:", "runs:", "models:")
WITHOUT_PATH = (
    "Log it with the path that the job sees: mlflow.data.from_pandas(rows, source=PATH, …), and with another name=, "
    "for MLflow keeps the first source of a name."
)
"""What a person does who has logged a data set, and did not say where it lies."""


@dataclass(frozen=True, slots=True)
class FoundReference:
    """What a data set without a readable source was: a file or a profile, ``told`` in words.

    ``seen`` is its path as the job saw it, where it is a file of the job's mounts.
    """

    path: Path
    told: str
    seen: str | None = None


def nothing_found(_run_id: str, _dataset: DatasetInput) -> FoundReference | None:
    """Be the search where there is none."""
    return None


class ReferenceFinder(Protocol):
    """Finds again what a run's data set was, by its registry, and tells how. Raises DeskError."""

    def find(self, run_id: str, registry: str | None, dataset: DatasetInput) -> FoundReference | None: ...

    def told(self, run_id: str, path: Path) -> str | None: ...


@dataclass(frozen=True, slots=True)
class ReferenceParts:
    """What is needed of registry and jobs, as plain callables; ``search`` is asked where a source can't be read."""

    dataset: Callable[[str], DatasetInput]
    job_of_run: Callable[[str], Job | None]
    download: Callable[[str, Path], Path]
    search: Callable[[str, DatasetInput], FoundReference | None] = nothing_found


def reference_file(endpoint: Endpoint, cache: Path, parts: ReferenceParts) -> Path:
    """Return the file of the dataset logged with the endpoint's model. Raises NotFound, Refused."""
    hint = Hint(f"mlops-desk drift check {endpoint.name} --reference FILE", before="Name a file instead: ")
    run_id = endpoint.model.run_id
    if run_id is None:
        raise NotFound(f"Version {endpoint.model.version} of {plain(endpoint.model.name)} names no run.", hint)
    return logged_file(run_id, cache, parts, hint)


def logged_file(run_id: str, cache: Path, parts: ReferenceParts, hint: str) -> Path:
    """Return the file of the dataset that was logged with a run. Raises NotFound, Refused."""
    dataset = parts.dataset(run_id)
    try:
        return sourced_file(run_id, dataset, cache, parts, hint)
    except NotFound:
        found = parts.search(run_id, dataset)
        if found is None:
            raise
        return found.path


def sourced_file(run_id: str, dataset: DatasetInput, cache: Path, parts: ReferenceParts, hint: str) -> Path:
    """Return the file that a data set names as its source. Raises NotFound, Refused."""
    where = address_of(dataset)
    if where.startswith(REMOTE):
        return _fetched(where, cache / _place(where, dataset.digest), parts.download)
    job = parts.job_of_run(run_id)
    if job is None:
        text = f"The dataset of run {run_id} was at {plain(where)} for a job that this desk does not know."
        raise NotFound(text, hint)
    return on_host(where, job, hint)


def address_of(dataset: DatasetInput) -> str:
    """Return the path or URI in a dataset's source, which MLflow keeps as JSON of several shapes."""
    try:
        source = json.loads(dataset.source)
    except ValueError:
        return dataset.source.removeprefix("file://")
    if isinstance(source, dict):
        for key in ("uri", "url", "path"):
            if isinstance(source.get(key), str):
                return str(source[key]).removeprefix("file://")
    text = (
        f"The data set {plain(dataset.name)} was logged without the path of its data, so nobody knows where they lie."
    )
    raise NotFound(text, WITHOUT_PATH)


def on_host(where: str, job: Job, hint: str) -> Path:
    """Turn a path as the job's container saw it into the host's, never leaving the mount it lies in."""
    seen = PurePosixPath(where)
    for mount in sorted(job.spec.mounts, key=lambda mount: len(mount.target), reverse=True):
        target = PurePosixPath(mount.target)
        if not seen.is_relative_to(target):
            continue
        top = Path(mount.source).resolve()
        path = top.joinpath(*seen.relative_to(target).parts).resolve()
        if not path.is_relative_to(top):
            raise Refused(f"The dataset's path {plain(where)} leaves the mount {plain(mount.target)}.", hint)
        if not path.is_file():
            raise NotFound(f"The data that job {job.id} was trained on, {path}, is no longer there.", hint)
        return path
    raise NotFound(f"No mount of job {job.id} holds {plain(where)}, where its dataset was.", hint)


def _place(where: str, digest: str) -> str:
    """Name a folder of its own for what a run says of its data: both are anybody's words, and one may be ".."."""
    return hashlib.sha256(json.dumps([where, digest]).encode()).hexdigest()[:32]


def _fetched(uri: str, folder: Path, download: Callable[[str, Path], Path]) -> Path:
    """Return the one file of what is fetched once; what breaks off on the way is never taken for the whole."""
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="coming-", dir=folder.parent, ignore_cleanup_errors=True) as coming:
            download(uri, Path(coming))
            try:
                Path(coming).rename(folder)
            except OSError:
                if not folder.exists():  # else somebody was faster, and it is the same
                    raise
    files = [item for item in sorted(folder.rglob("*")) if item.is_file()]
    if len(files) != 1:
        raise NotFound(f"{plain(uri)} holds {len(files)} files; a reference is one Parquet or CSV file.")
    return files[0]
