"""What lies on a job's read-only mounts, as its submitter sees it: asked of a worker, unknown where it says nothing."""

import logging
from collections.abc import Sequence
from typing import Any

from mlops_desk.jobs.records.provenance import DataIdentity
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.process import run_worker

_log = logging.getLogger(__name__)

_WORKER = "mlops_desk.jobs.provenance.data"
_WHOLE_BYTES = 1 << 30  # chosen: read within seconds; larger sets are sampled
_MARGIN_SECONDS = 5.0  # the worker tells what it has before it is ended


def data_identities(spec: JobSpec, uid: int, seconds: float, copies: Sequence[Mount] = ()) -> tuple[DataIdentity, ...]:
    """Return what is on each mount, as far as it is known within so many seconds. Never raises DeskError.

    ``copies`` say where the copies of staged mounts lie: they are what the job sees, and they are near.
    """
    mounts = [mount for mount in spec.mounts if mount.mode == "ro"]
    found = _looked_at(spec.name, [mount for mount in mounts if not mount.stage], uid, seconds)
    found.update(_looked_at(spec.name, copies, None, seconds))  # they lie with what is ours
    return tuple(DataIdentity(mount.target, mount.source, **(found.get(mount.target) or {})) for mount in mounts)


def _looked_at(name: str, mounts: Sequence[Mount], uid: int | None, seconds: float) -> dict[str, Any]:
    """Return what lies on mounts as somebody sees it (None: as the agent), by their targets."""
    if not mounts:
        return {}
    request = {
        "sources": [mount.source for mount in mounts],
        "whole_bytes": _WHOLE_BYTES,
        "seconds": seconds - _MARGIN_SECONDS,
    }
    try:
        told = run_worker(_WORKER, request, seconds, as_uid=uid)
    except DeskError as error:
        _log.info("What lies on the mounts of %s is not known: %s", name, error.message)
        return {}
    return {mount.target: one for mount, one in zip(mounts, told, strict=True)}
