"""In what two jobs differ: documents laid flat and compared. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.provenance import Capsule, Difference
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.wire import to_builtins

_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


def differences(a: Mapping[str, Any], b: Mapping[str, Any], under: str = "") -> tuple[Difference, ...]:
    """Return where two documents (tables, lists, texts, numbers) differ, by path; what is empty is not there."""
    mine, theirs = dict(_leaves(a, under)), dict(_leaves(b, under))
    paths = (*mine, *(path for path in theirs if path not in mine))
    return tuple(
        Difference(path, mine.get(path), theirs.get(path)) for path in paths if mine.get(path) != theirs.get(path)
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, _below(path, str(key)))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif value is not None:
        yield path, _shown(value)


def _below(path: str, key: str) -> str:
    """Return the path of a key; one that is no plain word stands in brackets, so that no two look alike."""
    if not _PLAIN_KEY.fullmatch(key):
        return f'{path}["{key}"]'
    return f"{path}.{key}" if path else key


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else repr(value)


def spec_document(spec: JobSpec) -> dict[str, Any]:
    """Return what a job was asked to be, its mounts by their targets, whose order means nothing."""
    document: dict[str, Any] = to_builtins(spec)
    document["mounts"] = {mount.pop("target"): mount for mount in document["mounts"]}
    return document


def capsule_document(capsule: Capsule | None) -> dict[str, Any]:
    """Return what a job was made of, its data by where it was mounted; what is in the spec too is left to that."""
    if capsule is None:
        return {}
    document: dict[str, Any] = to_builtins(capsule)
    document["data"] = {item.pop("target"): item for item in document["data"]}
    for told_elsewhere in ("params", "seed"):
        document.pop(told_elsewhere)
    return document


def job_document(job: Job, metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return all of a job that can be compared; ``metrics`` are its run's newest values."""
    reason = None if job.reason is None or not job.state.is_final else job.reason.class_
    lasted = None if job.started_at is None or job.ended_at is None else round(job.ended_at - job.started_at, 3)
    outcome = {
        "state": job.state.value,
        "exit_code": job.exit_code,
        "reason": reason,
        "attempts": len(job.attempts),
        "seconds": lasted,
    }
    usage = None if job.usage is None else to_builtins(job.usage)
    return {
        "spec": spec_document(job.spec),
        "image_id": job.image_id,
        "capsule": capsule_document(job.capsule),
        "outcome": outcome,
        "usage": usage,
        "metrics": dict(metrics),
    }
