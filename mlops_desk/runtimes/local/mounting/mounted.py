"""What an engine really mounted into a container, held against what was checked, before the job's command runs.

An engine is asked for a path, and follows it as root when the container starts. Whoever may write to a folder above
can put a link into that path after it was checked. So the kernel's own table of the container's mounts is compared:
each mount must show the very place that the checked path, which had no links, has on this machine.
"""

from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from mlops_desk.base.disk.mount_points import MountPoint, MountTable, RealPlace
from mlops_desk.base.errors import Refused
from mlops_desk.base.text import plain
from mlops_desk.engines.mounts import target_of
from mlops_desk.records.jobs.spec import Mount

_ROOT = PurePosixPath("/")


def check_mounted(mounts: Sequence[Mount], shown: Sequence[MountPoint] | None, table: MountTable) -> None:
    """Raise Refused when one of ``mounts`` (sources without links) is not what ``shown``, the container's table, has.

    The table is None when it can't be seen.

    Several mounts never count as the same one. A target that is a link in the image is mounted where the link
    leads, so such a mount has another name: it may be any that lies on the image itself and shows the right place.
    What only came along with a mount, as part of a folder that a job's user owns, is none.
    """
    if mounts and shown is None:
        text = "What the engine mounted in the container can't be seen, so it can't be compared with what was checked."
        raise Refused(text, "Run the agent where the engine runs, in the same space of process numbers.")
    shown = shown or ()
    uppermost = {mount.point: mount for mount in shown}
    roots = {mount.number for mount in shown if mount.point == _ROOT}
    on_the_image = [mount for mount in uppermost.values() if mount.parent in roots]
    named = {mount.target: uppermost.get(target_of(mount)) for mount in mounts}
    taken = {found.number for found in named.values() if found is not None}
    for mount in mounts:
        place = table.place(mount.source)
        found = named[mount.target] or _elsewhere(on_the_image, place, taken)
        if found is None or found.place != place:
            raise _another(mount, found)
        taken.add(found.number)


def _elsewhere(mounts: Iterable[MountPoint], place: RealPlace, taken: set[str]) -> MountPoint | None:
    return next((mount for mount in mounts if mount.place == place and mount.number not in taken), None)


def _another(mount: Mount, found: MountPoint | None) -> Refused:
    shows = "nothing" if found is None else f"{plain(str(found.place.path))} of filesystem {found.place.filesystem}"
    text = f"What the engine mounted on {plain(mount.target)} is not {plain(mount.source)}, which was checked: {shows}."
    hint = (
        "A folder above it was exchanged for a link just then: see who may write there. "
        "Submit the job again with a folder that nobody else can move."
    )
    return Refused(text, hint)
