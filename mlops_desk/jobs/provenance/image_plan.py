"""Which image a job gets that is to be the same once more: the very one, or the one that its digest names."""

import re
from dataclasses import dataclass

from mlops_desk.jobs.provenance.provenance_drift import image_drift
from mlops_desk.jobs.records.provenance import ImageIdentity, Requirement, Standing
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.runtimes.runtime import Runtime
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.text import plain

_ID = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_DIGEST = re.compile(r"[a-z0-9][a-zA-Z0-9._:/-]{0,400}@sha256:[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ImagePlan:
    """``image_id``: what the job is pinned to; else it is got by ``reference``."""

    requirement: Requirement
    reference: str
    image_id: str | None = None


def image_plan(runtime: Runtime, spec: JobSpec, first: ImageIdentity, image_id: str | None) -> ImagePlan:
    """Return how the image stands here of which ``first`` and ``image_id`` tell; no word of them is trusted."""
    wanted = first.id or image_id or ""
    try:
        for name in (wanted if _ID.fullmatch(wanted) else None, _digest(first)):
            found = None if name is None else runtime.identity(name)
            if found is not None and (found.id == name or name == _digest(first)):
                return _pinned(spec, found, "The very image is here.")
        named = runtime.identity(spec.image)
    except DeskError as error:
        text = f"Whether the image is here is not known: {error.message}"
        return ImagePlan(Requirement("image", spec.image, Standing.UNKNOWN, text, error.hint), spec.image)
    if named is not None and first.diff_ids and named.diff_ids == first.diff_ids:
        return _pinned(spec, named, "An image with the same layers is here.")
    if (digest := _digest(first)) is not None:
        text = f"The image is not here; it is pulled by its digest, {plain(digest)}."
        return ImagePlan(Requirement("image", spec.image, Standing.FETCHED, text), digest)
    return ImagePlan(_by_name(spec, first, named), spec.image, None if named is None else named.id)


def _digest(first: ImageIdentity) -> str | None:
    return first.digest if first.digest is not None and _DIGEST.fullmatch(first.digest) else None


def _pinned(spec: JobSpec, found: ImageIdentity, text: str) -> ImagePlan:
    return ImagePlan(Requirement("image", spec.image, Standing.SAME, text), spec.image, found.id)


def _by_name(spec: JobSpec, first: ImageIdentity, named: ImageIdentity | None) -> Requirement:
    """Return what is said of an image that no registry has under a digest, as one that was built."""
    if named is None:
        again = "it is built anew" if spec.build is not None else "it is looked for by its name"
        text = f"The image is not here and its digest is not known, so {again}: whether it is the same is seen then."
        hint = Hint("docker save IMAGE | ssh HOST docker load", before="To have the very same: ")
        return Requirement("image", spec.image, Standing.UNKNOWN, text, hint)
    drift = next(image_drift(first, named), None)
    if drift is None:
        return Requirement("image", spec.image, Standing.SAME, "The image of this name is the same.")
    standing = Standing.DIFFERS if drift.known else Standing.UNKNOWN
    what = "is another one" if drift.known else "can't be compared with the first one"
    return Requirement("image", spec.image, standing, f"The image of this name here {what}.", None, drift)
