"""Parts of GPUs in a user's own files: a free slot for one more share, and the stand-ins for agents of before shares.

Such agents know one holder of a GPU and no instances. So whoever has a part of a GPU keeps a lease of the whole
beside it, of a process that nobody can look for and that to them therefore lives: they keep off until it is given back.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from mlops_desk.gpus.leases.files import SLOTS, Lease, file_name
from mlops_desk.gpus.leases.folders import UserFile
from mlops_desk.gpus.leases.host import Process

_NOBODY = Process(1, 0, 0)
"""No process: no namespace has the number 0, and what is in another namespace than one's own can't be looked for."""


def free_slot(
    gpu: str, own: Iterable[UserFile], kept: Iterable[str], is_over: Callable[[UserFile], bool]
) -> int | None:
    """Return a number for one more share of ours of a GPU; None when there are too many. ``kept`` are files in use."""
    taken = {*kept, *(each.path.name for each in own if each.content is not None and not is_over(each))}
    return next((slot for slot in range(SLOTS) if file_name(gpu, slot) not in taken), None)


def stand_in(part: Lease) -> Lease | None:
    """Return what stands in for a lease of a part of a GPU; None for that of a whole one."""
    if part.whole is None:
        return None
    return replace(
        part,
        gpu=part.whole,
        attempt="parts",
        label="jobs that share it",
        owner=_NOBODY,
        container=None,
        container_process=None,
        released_at=None,
        until=None,
        since=None,
        slot=None,
        share_bytes=None,
        parent=None,
        stand_in=True,
    )


def missing_stand_ins(held: Iterable[Lease], own: Iterable[UserFile], places: int) -> dict[str, Lease]:
    """Return the stand-ins that should be there for what we hold and are not in each place, by file name."""
    standing: dict[str, int] = {}
    for each in own:
        if isinstance(each.content, Lease) and each.content.stand_in and each.content.released_at is None:
            standing[each.path.name] = standing.get(each.path.name, 0) + 1
    wanted = {one.file_name: one for lease in held if (one := stand_in(lease)) is not None}
    return {name: lease for name, lease in wanted.items() if standing.get(name, 0) < places}


def idle_stand_ins(own: Iterable[UserFile], holds: Callable[[UserFile], bool], now: float) -> Mapping[str, Lease]:
    """Return, by file name, the stand-ins whose parts are all over, as given back at ``now``."""
    files = list(own)
    held = {each.content.whole for each in files if isinstance(each.content, Lease) and holds(each)}
    return {
        each.path.name: replace(each.content, released_at=now)
        for each in files
        if isinstance(each.content, Lease)
        and each.content.stand_in
        and each.content.released_at is None
        and each.content.gpu not in held
    }
