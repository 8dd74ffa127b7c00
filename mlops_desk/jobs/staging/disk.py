"""The one disk budget of jobs: what each part takes, what goes first, and whether the disks have room for the rest."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from shlex import quote

from mlops_desk.jobs.provenance.submit_snapshot import Freezing
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.staging import DiskPart, DiskRoom, GoesNext, JobDisk
from mlops_desk.jobs.runtimes.disk_shares import LOGS, SNAPSHOTS, STAGING, WHOLE
from mlops_desk.jobs.runtimes.log_archive.budget import first_to_go, kept_bytes
from mlops_desk.jobs.staging.cache import StagingShelf, ranks_of
from mlops_desk.jobs.staging.eviction import over_budget
from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.errors import Hint, command_of
from mlops_desk.kit.base.text import size_text
from mlops_desk.kit.records.agent import Check

CHECK = "job disk"
DATA = "data"
_WORTH_BYTES = 1 << 30  # chosen: a budget of less keeps nothing worth it; the disk has to be cleared first


def logs_part(folder: Path, budget_bytes: int) -> DiskPart:
    """Return the part of the logs; each is called as its job."""
    logs = list(folder.glob("*/a*/log"))
    first = first_to_go(logs)
    found = None
    if first is not None:
        job_id = first.folder.parent.parent.name
        found = GoesNext(f"log of job {job_id}", first.ended_at, first.size_bytes, job_id=job_id)
    return DiskPart("logs", str(folder), kept_bytes(logs), budget_bytes, LOGS, found)


def code_part(folder: Path, freezing: Freezing, active: Sequence[Job], budget_bytes: int) -> DiskPart:
    """Return the part of snapshots of code."""
    first = freezing.first_to_go([job.capsule for job in active])
    found = None if first is None else GoesNext(f"snapshot {first[0][:12]}", first[1])
    return DiskPart("code", str(folder), freezing.store.size_bytes(), budget_bytes, SNAPSHOTS, found)


def data_part(shelf: StagingShelf, active: Sequence[Job]) -> DiskPart:
    """Return the part of copies of data; each is called as its source."""
    rules = shelf.rules()
    with shelf.locked():
        held, used = shelf.held(), shelf.used_bytes()
        going = over_budget(held, used, used - 1, ranks_of(active).of_copy) if used else ()
        found = None
        if going:
            facts = shelf.copies.all()[going[0]]
            frees = next(one.frees_bytes for one in held if one.id == going[0])
            found = GoesNext(facts.source, facts.used_at, frees, copy=going[0])
    return DiskPart(DATA, str(rules.folder), used, rules.budget_bytes, STAGING, found)


def disk_of(parts: Sequence[DiskPart], budget_bytes: int, reserve_bytes: int) -> JobDisk:
    """Return the whole of the parts, with how the disks stand on which they lie."""
    used = sum(part.used_bytes for part in parts)
    return JobDisk(budget_bytes, used, tuple(parts), tuple(_disks(parts, reserve_bytes)))


def _disks(parts: Iterable[DiskPart], reserve_bytes: int) -> Iterable[DiskRoom]:
    together: dict[int | str, list[DiskPart]] = {}
    for part in parts:
        together.setdefault(_device(Path(part.folder)), []).append(part)
    for same in together.values():
        names = tuple(part.name for part in same)
        allowed = sum(max(0, part.budget_bytes - part.used_bytes) for part in same)
        free = available_bytes(Path(same[-1].folder))
        yield DiskRoom(same[-1].folder, names, free, allowed, reserve_bytes if DATA in names else 0)


def _device(folder: Path) -> int | str:
    """Return the disk that a folder is on, or is going to be; where nobody tells, the folder counts as its own."""
    for place in (folder, *folder.parents):
        try:
            return place.stat().st_dev
        except FileNotFoundError:
            continue
        except OSError:
            break
    return str(folder)


def disk_check(disk: JobDisk) -> Check:
    """Tell what jobs keep of what they may, and whether there is room for the rest of it."""
    parts = ", ".join(f"{part.name} {size_text(part.used_bytes)}" for part in disk.parts)
    text = f"jobs keep {size_text(disk.used_bytes)} of at most {size_text(disk.budget_bytes)} ({parts})"
    short = next((one for one in disk.disks if one.lacks_bytes), None)
    if short is None:
        return Check(CHECK, "ok", text)
    stay = f", of which {size_text(short.reserve_bytes)} stay free" if short.reserve_bytes else ""
    has = f"the disk of {short.folder} has {size_text(short.free_bytes or 0)} free{stay}"
    fits = disk.budget_bytes - sum(one.lacks_bytes for one in disk.disks)
    less, look = Hint(f"mlops-desk settings set {WHOLE} {fits >> 20}"), Hint(f"df -h {quote(short.folder)}")
    fix = command_of(less if fits >= _WORTH_BYTES else look)
    return Check(CHECK, "warning", f"{text}; they may take {size_text(short.allowed_bytes)} more, and {has}", fix)
