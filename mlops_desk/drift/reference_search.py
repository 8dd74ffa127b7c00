"""What a data set was that has no source which can be read: looked for in the run, in its job's mounts, in other runs.

A job may log a profile of its data at ``PROFILE``; a file of its mounts is known again by MLflow's digest; and another
run may have logged the same data, under whatever name, with their source. Nothing found is told after a pause anew.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.drift.reference_dataset import FoundReference, ReferenceParts, sourced_file
from mlops_desk.drift.registry_profiles import PublishedProfiles, made_of, published_parts
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.registry.service import RegistryCore

_log = logging.getLogger(__name__)

PROFILE = "drift/reference.profile"
"""Where a training lays the profile of what it has learned from, by ``mlflow.log_artifact(FILE, "drift")``."""
DIGEST_WORKER = "mlops_desk.drift.data.pandas_digest"
WORKER_SECONDS = 120.0  # chosen: it stops by itself after half of it
AGAIN_SECONDS = 60.0  # chosen: files of a mount are read for it, and several ask at once
_MOST_RUNS = 200  # chosen: of the newest ones of the experiment; each is asked for its data sets


@dataclass(frozen=True, slots=True)
class _Looked:
    found: FoundReference | None
    until: float


class ReferenceSearch:
    """``folder`` is for what is fetched. ``run`` starts a worker, ``job_of_run`` finds the job that logged to a run.

    Both may raise DeskError.
    """

    def __init__(
        self,
        registry: RegistryCore,
        folder: Path,
        job_of_run: Callable[[str], Job | None],
        run: Callable[[str, Mapping[str, Any], float], Any],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry = registry
        self._folder = folder
        self._published = PublishedProfiles(published_parts(registry, lambda: False))
        self._job_of_run = job_of_run
        self._run = run
        self._clock = clock
        self._looked: dict[tuple[str, str | None, DatasetInput], _Looked] = {}
        self._told: dict[tuple[str, Path], str] = {}
        self._lock = threading.Lock()

    def told(self, run_id: str, path: Path) -> str | None:
        """Tell how a file was found for a run; None where it was not."""
        return self._told.get((run_id, path))

    def find(self, run_id: str, registry: str | None, dataset: DatasetInput) -> FoundReference | None:
        """Return what a run's data set was; None where nobody knows. Raises DeskError."""
        key = (run_id, registry, dataset)
        with self._lock:
            known = self._looked.get(key)
            if known is not None and self._clock() < known.until and (known.found is None or known.found.path.exists()):
                return known.found
            found = (
                self._profile(run_id, registry, dataset, lambda path: path == PROFILE)
                or self._mounted(run_id, dataset)
                or self._profile(run_id, registry, dataset, lambda path: made_of(path, [dataset]) is not None)
                or self._elsewhere(run_id, registry, dataset)
            )
            if found is not None:
                self._told[run_id, found.path] = found.told
            self._looked[key] = _Looked(found, self._clock() + AGAIN_SECONDS)
            return found

    def _profile(
        self, run_id: str, registry: str | None, dataset: DatasetInput, is_its: Callable[[str], bool]
    ) -> FoundReference | None:
        """Return the profile that lies with the run: one that was logged there, or that a desk has left.

        What a desk has left it has read from a file, whose rows tell more as long as it is there.
        """
        for one in self._published.of_run(run_id, registry):
            if one.profile is None or one.content is None or not is_its(one.path):
                continue
            target = self._folder / f"{hashlib.sha256(one.content).hexdigest()}.profile"
            try:
                self._folder.mkdir(parents=True, exist_ok=True)
                write_atomically(target, one.content, mode=0o600)
            except OSError as error:
                _log.warning("The profile of run %s can't be kept: %s", plain(run_id, 64), error.strerror)
                return None
            told = f"the profile {plain(one.path)} that is kept with its run"
            return FoundReference(target, told, self._seen(run_id, dataset))
        return None

    def _seen(self, run_id: str, dataset: DatasetInput) -> str | None:
        """Return where the job saw the data of a profile; None where nobody knows."""
        try:
            found = self._mounted(run_id, dataset)
        except DeskError as error:
            _log.info("Where the data of run %s lay is not looked for: %s", plain(run_id, 64), error.message)
            return None
        return None if found is None else found.seen

    def _mounted(self, run_id: str, dataset: DatasetInput) -> FoundReference | None:
        """Return the file of the job's mounts that has the data set's digest."""
        job = self._job_of_run(run_id)
        if job is None or not job.spec.mounts:
            return None
        for mount in job.spec.mounts:
            request = {"folders": [mount.source], "digest": dataset.digest, "schema": dataset.schema}
            path = self._run(DIGEST_WORKER, request, WORKER_SECONDS)["path"]
            top = Path(mount.source).resolve()
            if path is not None and Path(path).is_relative_to(top):
                seen = Path(mount.target) / Path(path).relative_to(top)
                told = f"{plain(str(seen), 300)} of job {job.id}, the file of its mounts that has the digest"
                return FoundReference(Path(path), told, str(seen))
        return None

    def _elsewhere(self, run_id: str, registry: str | None, dataset: DatasetInput) -> FoundReference | None:
        """Return the newest source that another run of the experiment names for the same digest."""
        reader = self._registry.registries.read(registry)
        experiment = reader.run(run_id).experiment_id
        name = next((one.name for one in reader.experiments() if one.experiment_id == experiment), None)
        if name is None:
            return None
        for run in reader.runs(name, limit=_MOST_RUNS):
            for other in reader.datasets(run.run_id):
                if other.digest != dataset.digest or other.source == dataset.source:
                    continue
                parts = ReferenceParts(
                    lambda _run, other=other: other,  # type: ignore[misc]  # bound while it is looked at
                    self._job_of_run,
                    lambda uri, target: self._registry.download_artifact(uri, "", target, registry),
                )
                try:
                    path = sourced_file(run.run_id, other, self._folder, parts, "")
                except (NotFound, Refused):
                    continue
                return FoundReference(
                    path, f"{plain(path.name)}, which run {plain(run.run_id, 64)} names for the digest"
                )
        return None
