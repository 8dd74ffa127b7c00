"""What is said of the disk that jobs take, and of copies of data: bars, columns, and what is lost with a copy."""

from mlops_desk.base.text import plain
from mlops_desk.records.jobs.staging import DiskPart, DiskRoom, JobDisk, StagedCopy
from mlops_desk.ui.tables.model import Cell, Column
from mlops_desk.ui.widgets.meters import Meter
from mlops_desk.ui.words import numbers

ABOUT = "Data that a job file stages (stage: true on a mount) are copied here first. A copy is its person's alone."
NO_COPIES = "No data are copied. A job file asks for it by stage: true on a mount; its copy is then shown here."
_NAMES = {"logs": "Logs of jobs", "code": "Snapshots of code", "data": "Copies of data"}
_HIGH = 0.9  # chosen: where a filesystem is told to be nearly full
_NAMED = 3  # chosen: what one still reads in a cell


def meters(disk: JobDisk) -> list[Meter]:
    """Return a bar for each part of the budget, and one for the whole."""
    rows = [_meter(_NAMES.get(one.name, one.name), one.used_bytes, one.budget_bytes, one.folder) for one in disk.parts]
    return [*rows, _meter("Together", disk.used_bytes, disk.budget_bytes, "")]


def _meter(name: str, used: int, most: int, tip: str) -> Meter:
    share = used / most if most > 0 else None
    tone = "warning" if share is not None and share > _HIGH else "accent"
    return Meter(name, None if share is None else min(1.0, share), numbers.size_of(used, most), tone, plain(tip))


def goes_first(disk: JobDisk) -> str:
    """Say what has to go first where a part is used up, and which settings decide."""
    found = [_first(one) for one in disk.parts if one.next is not None]
    first = f"Where a part is used up goes first: {'; '.join(found)}." if found else "Nothing of it could go now."
    return f"{first} The settings jobs.log_mebibytes, snapshots_mebibytes, staging_mebibytes and disk_mebibytes decide."


def _first(part: DiskPart) -> str:
    one = part.next
    if one is None:
        return ""
    size = "" if one.size_bytes is None else f", {numbers.size(one.size_bytes)}"
    return f"{plain(one.name, 80)} ({numbers.ago(one.at)}{size})"


def short_of_room(disk: JobDisk) -> str:
    """Say which disk can't hold what jobs may still take; nothing where all can."""
    found = [f"{numbers.WARNING} {_lacks(one)}" for one in disk.disks if one.lacks_bytes]
    return "\n".join(found)


def _lacks(one: DiskRoom) -> str:
    has = f"The disk of {plain(one.folder, 120)} has {numbers.size(one.free_bytes)} free"
    stay = f" while {numbers.size(one.reserve_bytes)} are to stay free" if one.reserve_bytes else ""
    return f"{has}, and jobs may take {numbers.size(one.allowed_bytes)} more there{stay}."


def why_it_stays(one: StagedCopy) -> str:
    """Say why a copy can't be removed now, in a few words; nothing where it can."""
    if one.jobs:
        return f"{_list(one.jobs)} {'uses' if len(one.jobs) == 1 else 'use'} it"
    if one.progress is not None:
        return "it is being copied"
    return ""


def loss(one: StagedCopy) -> str:
    """Return what is lost with a copy, and what is not."""
    files, freed = numbers.count(one.files, "file"), numbers.size(one.taken_bytes)
    gone = f"The copy of {plain(one.source, 200)} is deleted ({files}), which frees {freed}."
    stays = "The data themselves stay where they are: the next job that stages them copies them once more, all of them."
    waits = "waits" if len(one.waits) == 1 else "wait"
    return " ".join([gone, stays, *([f"{_list(one.waits)} {waits} for these data."] if one.waits else [])])


def _list(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(f"job {plain(name, 40)}" for name in names[:_NAMED]) + more


def _state(one: StagedCopy) -> Cell:
    now = one.progress
    if now is not None and now.phase == "copying" and now.total_bytes:
        left = "" if now.left_seconds is None else f", {numbers.duration(now.left_seconds)} left"
        share = now.size_bytes / now.total_bytes
        return Cell(f"◐ {numbers.percent(share)}{left}", share, tip=numbers.size_of(now.size_bytes, now.total_bytes))
    if now is not None:
        return Cell(f"◐ {now.phase}", 0.0, tip=f"{now.files:,} files so far")
    if one.whole:
        return Cell(f"{numbers.OK} whole", 2.0, tip=f"Every file was verified. Manifest {one.sha256 or 'not known'}")
    return Cell(f"{numbers.WARNING} begun", 1.0, tip="Not whole: the next job that stages these data goes on with it")


def _jobs(one: StagedCopy) -> Cell:
    said = [_list(one.jobs)] if one.jobs else []
    said += [f"{_list(one.waits)} (waits)"] if one.waits else []
    return Cell(", ".join(said) or numbers.NOTHING, len(one.jobs) + len(one.waits))


def _size(one: StagedCopy) -> Cell:
    return Cell(numbers.size(one.size_bytes), one.size_bytes, tip=f"Removing it frees {numbers.size(one.taken_bytes)}")


COLUMNS: tuple[Column[StagedCopy], ...] = (
    Column("source", "Copied from", lambda one: Cell(one.source, tip=one.id), stretch=True, whole=True),
    Column("state", "State", _state),
    Column("user", "Owner", lambda one: Cell(one.user)),
    Column("files", "Files", lambda one: Cell(f"{one.files:,}", one.files), right=True),
    Column("size", "Size", _size, right=True),
    Column("used", "Used", lambda one: Cell(numbers.ago(one.used_at), one.used_at, tip=numbers.absolute(one.used_at))),
    Column("jobs", "Jobs that need it", _jobs),
)
