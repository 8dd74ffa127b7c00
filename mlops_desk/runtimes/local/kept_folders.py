"""Folders of a container whose content is kept: a job's outputs, one for each attempt, and its checkpoint for them all.

They lie in the job's own folder (its layout is told in ``folder.py``), belong to whoever the job runs as, and count
as what it may write to its own folders. A place that lies on a mount which the job may write to is kept there anyway,
so nothing is made for it.
"""

import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mlops_desk.base.errors import Refused, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.records.jobs.job import Attempt, Job, KeptFolder
from mlops_desk.records.jobs.spec import JobSpec, Mount

_CLOSED = tuple(map(PurePosixPath, ("/proc", "/sys", "/dev", "/mlops-desk")))


def check_kept(spec: JobSpec) -> None:
    """Refuse what can't be kept: no place of its own in the container, or one that can't be written to."""
    places = [PurePosixPath(target) for target in _targets(spec)]
    for place in places:
        if not place.is_absolute() or len(place.parts) < 2 or ".." in place.parts:
            text = f"{plain(str(place))} is no folder in a container that could be kept."
            raise Refused(text, "Use an absolute path such as /out.")
        if any(place.is_relative_to(closed) for closed in _CLOSED):
            raise Refused(f"Nothing is kept of {plain(str(place))} in a container.", "Use a path such as /out.")
        if _read_only(spec, place):
            text = f"{plain(str(place))} lies on what the job only reads, so nothing could be kept there."
            raise Refused(text, "Keep a folder that lies elsewhere, such as /out, or mount that one with mode: rw.")
    made = [place for place in places if not _on_mount(spec, place)]
    for number, place in enumerate(made):
        for other in (*made[:number], *made[number + 1 :], *_own_targets(spec)):
            if other.is_relative_to(place):
                text = f"{plain(str(other))} lies in {plain(str(place))}, which is kept by itself."
                raise Refused(text, "Give each of them (outputs, checkpoint, mounts) a folder beside the others.")


def kept_folders(root: Path, job: Job, number: int) -> tuple[KeptFolder, ...]:
    """Return what is to be kept of attempt ``number`` in the folder of jobs ``root``, and where; nothing is made."""
    spec, home = job.spec, root / job.id
    outputs = [KeptFolder(one, str(home / f"a{number}" / "outputs" / one.strip("/"))) for one in spec.outputs]
    checkpoint = () if spec.checkpoint is None else (KeptFolder(spec.checkpoint, str(home / "checkpoint"), True),)
    return tuple(one for one in (*outputs, *checkpoint) if not _on_mount(spec, PurePosixPath(one.target)))


def kept_mounts(attempt: Attempt) -> tuple[Mount, ...]:
    """Return the mounts of an attempt's kept folders."""
    return tuple(Mount(one.path, one.target, "rw") for one in attempt.kept)


def input_mounts(job: Job) -> tuple[Mount, ...]:
    """Return the mounts of what a job reads of earlier ones; links in them lead nowhere but in the container."""
    return tuple(Mount(one.path, one.target, "ro") for one in job.inputs)


def make_kept(attempt: Attempt, uid: int, gid: int) -> None:
    """Make the kept folders of an attempt for who it runs as; what is there already stays. Raises Unavailable.

    All that lies above them is the agent's own, so no job can have put a link there.
    """
    for one in attempt.kept:
        path = Path(one.path)
        try:
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.geteuid() == 0:
                os.chown(path, uid, gid, follow_symlinks=False)
        except OSError as error:
            text = f"The folder {path}, in which {plain(one.target)} is kept, can't be made: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and check its permissions.") from error


def environment(job: Job, attempt: Attempt) -> dict[str, str]:
    """Return what tells an attempt where its checkpoints lie, and that there was another one before it."""
    told = {} if job.spec.checkpoint is None else {"MLD_CHECKPOINT_DIR": job.spec.checkpoint}
    if any(one.number < attempt.number and one.started_at is not None for one in job.attempts):
        told["MLD_RESUME"] = "1"
    return told


def _targets(spec: JobSpec) -> Sequence[str]:
    return (*spec.outputs, *(() if spec.checkpoint is None else (spec.checkpoint,)))


def _own_targets(spec: JobSpec) -> Sequence[PurePosixPath]:
    """Return where the job has something mounted itself."""
    source = () if spec.source is None else (PurePosixPath(spec.source.target),)
    return (*(PurePosixPath(mount.target) for mount in spec.mounts), *source)


def _on_mount(spec: JobSpec, place: PurePosixPath) -> bool:
    return any(place.is_relative_to(target) for target in _own_targets(spec))


def _read_only(spec: JobSpec, place: PurePosixPath) -> bool:
    """Tell whether the innermost mount that a place lies on can't be written to."""
    mounts = {PurePosixPath(mount.target): mount.mode == "ro" for mount in spec.mounts}
    mounts.update({} if spec.source is None else {PurePosixPath(spec.source.target): True})
    above = [target for target in mounts if place.is_relative_to(target)]
    return mounts[max(above, key=lambda target: len(target.parts))] if above else False
