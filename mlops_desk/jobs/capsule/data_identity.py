"""What lies on a job's read-only mounts, as its submitter sees it: asked of a worker, unknown where it says nothing."""

import logging

from mlops_desk.base.errors import DeskError
from mlops_desk.base.process import run_worker
from mlops_desk.records.jobs.capsule import DataIdentity
from mlops_desk.records.jobs.spec import JobSpec

_log = logging.getLogger(__name__)

_WORKER = "mlops_desk.jobs.capsule.data"
_WHOLE_BYTES = 1 << 30  # chosen: read within seconds; larger sets are sampled
_MARGIN_SECONDS = 5.0  # the worker tells what it has before it is ended


def data_identities(spec: JobSpec, uid: int, seconds: float) -> tuple[DataIdentity, ...]:
    """Return what is on each mount, as far as it is known within so many seconds. Never raises DeskError."""
    mounts = [mount for mount in spec.mounts if mount.mode == "ro"]
    if not mounts:
        return ()
    request = {
        "sources": [mount.source for mount in mounts],
        "whole_bytes": _WHOLE_BYTES,
        "seconds": seconds - _MARGIN_SECONDS,
    }
    try:
        found = run_worker(_WORKER, request, seconds, as_uid=uid)
    except DeskError as error:
        _log.info("What lies on the mounts of %s is not known: %s", spec.name, error.message)
        found = [None] * len(mounts)
    return tuple(
        DataIdentity(mount.target, mount.source, **(told or {})) for mount, told in zip(mounts, found, strict=True)
    )
