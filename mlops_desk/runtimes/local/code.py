"""The code of a job inside its container: the snapshot that was taken at its submit, mounted read only."""

import re
from pathlib import Path

from mlops_desk.base.errors import Refused
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.jobs.spec import Mount

_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def code_mount(job: Job, sources: Path | None) -> Mount | None:
    """Return where a job's snapshot is mounted; None for a job without a source. Raises Refused where it is gone."""
    source = job.spec.source
    if source is None:
        return None
    sha256 = None if job.capsule is None else job.capsule.source_sha256
    if sources is None or sha256 is None or not _SHA256.fullmatch(sha256):
        raise Refused("The job has a source and no snapshot of it.", "Submit its job file again.")
    tree = sources / "trees" / sha256
    if not tree.is_dir():
        raise Refused("The snapshot of the job's code is gone.", "Submit its job file again.")
    return Mount(str(tree), source.target, "ro")
