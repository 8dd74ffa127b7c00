"""The data of a run frozen: hashed file by file by a worker, the list kept beside the database, and looked at again.

Nothing is copied: what a job may be given lies where its person has put it. So the data are looked at again before they
are trained on and once more afterwards; a file whose size, times and inode are as they were is not read again. How long
the lists are kept is decided with all other data of the desk.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_desk.automation.records.pipelines.evidence import DataManifest
from mlops_desk.automation.records.pipelines.run import PipelineRun
from mlops_desk.automation.rules.pipeline.hashing import MODULE, digest_of, known_of
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import Unavailable

_SECONDS = 14_400.0  # chosen: 4 hours are 7 TB at 500 MB/s
_ROOM = ".work"

Run = Callable[[str, Mapping[str, Any], float, int | None], Any]
"""Runs a worker (module, request, seconds) as a user. Raises DeskError."""


@dataclass(frozen=True, slots=True)
class DataFreezing:
    """``folder`` is where the lists are kept, one for each run."""

    folder: Path
    run: Run

    def manifest(self, run: PipelineRun, job: Job) -> DataManifest:
        """Return what lies on the read-only mounts that the run's job will have; keep the list of what is frozen first.

        Raises DeskError.
        """
        sources = sources_of(run, job)
        known = self._known(run.id)
        request = {"sources": sources, "known": known}
        # As who made the rule: it is they who named the data, and who may not have the champion's owner read for them.
        reader = job.submitted_by if run.created_by is None else run.created_by
        found = self.run(MODULE, request, _SECONDS, reader)["files"]
        sha256 = digest_of(found)
        if run.manifest_sha256 is None or (not known and run.manifest_sha256 == sha256):
            self._keep(run.id, found)  # else they are looked at again, and what was frozen stays written
        size, by_target = sum(one[2] for one in found), {target: digest_of(found, target) for target in sources}
        return DataManifest(sha256, len(found), size, tuple(sorted(sources)), by_target)

    def _known(self, run_id: str) -> dict[str, list[Any]]:
        try:
            return known_of(json.loads((self.folder / f"{run_id}.json").read_bytes()))
        except (OSError, ValueError, IndexError, TypeError):
            return {}  # not frozen yet, or the list was damaged: all is read

    def _keep(self, run_id: str, found: list[Any]) -> None:
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self.folder / f"{run_id}.json", json.dumps(found).encode())
        except OSError as error:
            raise Unavailable(f"The list of the frozen data can't be written: {error}.") from error

    def sweep(self) -> None:
        """Take away what an agent that was killed in the midst of a step has left; called before any step goes on."""
        for place in self.folder.glob(f"*{_ROOM}"):
            shutil.rmtree(place, ignore_errors=True)

    def room(self, run_id: str) -> Path:
        """Return an empty folder for what a run's step lays out. Raises OSError."""
        place = self.folder / f"{run_id}{_ROOM}"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(mode=0o700, parents=True)
        return place


def sources_of(run: PipelineRun, job: Job) -> dict[str, str]:
    """Return where each read-only mount of the run's job lies: those that the rule replaces, and the others."""
    return {mount.target: run.data.get(mount.target, mount.source) for mount in job.spec.mounts if mount.mode == "ro"}
