"""What makes two trainings the same but for their data: the code, the image, the parameters and the seed. Pure."""

import hashlib
import json

from mlops_desk.base import wire
from mlops_desk.records.jobs.capsule import Capsule
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.pipelines.synthetic import Augmentation

_NO_MATTER = frozenset({
    "mounts", "name", "priority", "preemptible", "begin_at", "after", "after_success", "retries", "warning",
    "grace_seconds", "time_limit_seconds", "mlflow", "ports",
    "network",
})  # fmt: skip
"""What of a job's spec changes nothing of what is learned: where and when it runs. Data are in the manifest."""


def recipe_of(job: Job, augment: Augmentation | None = None) -> str:
    """Return the SHA-256 of a job's recipe, and of how rows are made for it besides.

    Where its mounts lie is no part of it, what lies on them is in the data.
    """
    capsule = job.capsule or Capsule()
    spec = {name: value for name, value in wire.to_builtins(job.spec).items() if name not in _NO_MATTER}
    targets = sorted(mount.target for mount in job.spec.mounts)
    made_of: list[object] = [
        spec, targets, job.image_id, capsule.image.digest, capsule.source_sha256, capsule.build_sha256,
        capsule.git.commit, capsule.seed, dict(capsule.params),
    ]  # fmt: skip
    if augment is not None:
        made_of.append(augment)
    text = json.dumps(wire.to_builtins(made_of), sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
