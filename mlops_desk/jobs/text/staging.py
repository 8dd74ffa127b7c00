"""Copies of staged data, and what jobs keep on the disk, as tables."""

from collections.abc import Callable
from typing import Any

from mlops_desk.jobs.records.staging import ClearedCopies, GoesNext, JobDisk, StagedCopy, StagingCache
from mlops_desk.kit.base.errors import Hint
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import ago, facts, moment, size, table

_HEADS = ["COPY", "SOURCE", "USER", "FILES", "SIZE", "USED", "BY"]
_NAME = 60  # chosen: of a path as much as a table has room for
_MORE = Hint("mlops-desk jobs clear-cache --preview", after=" tells which of yours no job uses.")


def cache(item: StagingCache) -> str:
    """Return the cache as a line about its room, and its copies."""
    free = "" if item.free_bytes is None else f"; its disk has {size(item.free_bytes)} free"
    head = f"{plain(item.folder)}: {size(item.used_bytes)} of {size(item.budget_bytes)}"
    lines = [f"{head}{free}, of which {size(item.reserve_bytes)} stay."]
    if not item.copies:
        return "\n".join([*lines, "No data are copied: a job file asks for it by stage: true on a mount."])
    return "\n\n".join([*lines, table(_HEADS, [_row(one) for one in item.copies]), _MORE])


def _row(item: StagedCopy) -> list[str]:
    whole = "" if item.whole else " (not whole)"
    by = ", ".join(item.jobs) or "–"
    files, takes = f"{item.files:,}{whole}", size(item.size_bytes)
    return [item.id, plain(item.source), item.user, files, takes, ago(item.used_at), by]


def copy(item: StagedCopy) -> str:
    """Return one copy as facts."""
    told = {
        "copy": item.id,
        "of": item.source,
        "user": item.user,
        "holds": f"{item.files:,} files, {size(item.size_bytes)}",
        "takes": size(item.taken_bytes),
        "state": "whole, verified" if item.whole else "not whole: it is gone on with by the next job that asks for it",
        "manifest": item.sha256 or "–",
        "made": moment(item.made_at),
        "used": ago(item.used_at),
        "by": ", ".join(item.jobs) or "no job now",
    }
    return facts(told)


def cleared(item: ClearedCopies) -> str:
    """Return what went, or would go, and what stays as jobs use it."""
    verb = "would go" if item.preview else "went"
    lines = [f"{one.id}  {plain(one.source)}  {size(one.taken_bytes)}" for one in item.copies]
    count = "1 copy" if len(item.copies) == 1 else f"{len(item.copies)} copies"
    lines.append(f"{count} {verb}: {size(item.freed_bytes)}.")
    lines += [f"{plain(one.source)} stays: {', '.join(one.jobs)}" for one in item.kept]
    return "\n".join(lines)


def disk(item: JobDisk) -> str:
    """Return the budget with its parts, what goes first of each, and where the disk is too small for it."""
    rows = [
        [part.name, size(part.used_bytes), size(part.budget_bytes), _next(part.next), part.setting, plain(part.folder)]
        for part in item.parts
    ]
    head = f"Jobs keep {size(item.used_bytes)} of at most {size(item.budget_bytes)} (setting jobs.disk_mebibytes)."
    short = [
        f"The disk of {plain(one.folder)} lacks {size(one.lacks_bytes)} for what they may still take."
        for one in item.disks
        if one.lacks_bytes
    ]
    return "\n\n".join([head, table(["WHAT", "TAKES", "OF", "GOES FIRST", "SETTING", "WHERE"], rows), *short])


def _next(one: GoesNext | None) -> str:
    return "–" if one is None else f"{plain(one.name, _NAME)} ({ago(one.at)})"


FORMS: dict[type, Callable[[Any], str]] = {
    StagingCache: cache,
    StagedCopy: copy,
    ClearedCopies: cleared,
    JobDisk: disk,
}
