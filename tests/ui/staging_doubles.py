"""Copies of data, and the disk that jobs take, of the scripted agent."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from mlops_desk.jobs.records.staging import (
    ClearedCopies,
    DiskPart,
    DiskRoom,
    GoesNext,
    JobDisk,
    StagedCopy,
    StagingCache,
    StagingProgress,
)
from mlops_desk.kit.base.errors import NotFound, Refused

GIB = 1 << 30


def some_copies() -> list[StagedCopy]:
    """Return one that a job uses, one that nobody does, one under way and one that was begun."""
    now = time.time()
    progress = StagingProgress("/data", "/mnt/lab/videos", "copying", now, 1200, 90 * GIB, 4100, 240 * GIB, 4e8, 403.0)
    return [
        StagedCopy("1000/a/1", "/mnt/lab/imagenet/train", 1000, "ana", 1_281_167, 138 * GIB, 138 * GIB, True,
                   now - 90_000, now - 120, "c0ffee" * 10, ("9f3a1c07d2e4",)),
        StagedCopy("1000/b/1", "/mnt/lab/coco-2017", 1000, "ana", 123_403, 19 * GIB, 19 * GIB, True, now - 900_000,
                   now - 400_000, "beef" * 16),
        StagedCopy("1000/c/1", "/mnt/lab/videos", 1000, "ana", 4100, 240 * GIB, 240 * GIB, False, now - 300, now - 300,
                   waits=("b27d8e9f0112",), progress=progress),
        StagedCopy("1001/d/1", "/srv/share/bo/speech corpus", 1001, "bo", 88, 2 * GIB, 2 * GIB, False, now - 7200,
                   now - 7200),
    ]  # fmt: skip


def some_disk(copies: list[StagedCopy]) -> JobDisk:
    used = sum(one.taken_bytes for one in copies)
    root = "/home/ana/.local/share/mlops-desk"
    first = next((one for one in sorted(copies, key=lambda one: one.used_at) if not one.jobs), None)
    gone = None if first is None else GoesNext(first.source, first.used_at, first.taken_bytes, copy=first.id)
    parts = (
        DiskPart("logs", f"{root}/jobs", 3 * GIB, 4 * GIB, "jobs.log_mebibytes",
                 GoesNext("log of job 7c1d", time.time() - 800_000, 5 << 20, job_id="7c1d")),
        DiskPart("code", f"{root}/sources", 2 * GIB, 10 * GIB, "jobs.snapshots_mebibytes"),
        DiskPart("data", "/nvme/mlops-desk", used, 500 * GIB, "jobs.staging_mebibytes", gone),
    )  # fmt: skip
    room = DiskRoom("/nvme/mlops-desk", ("data",), 60 * GIB, 500 * GIB - used, 20 * GIB)
    return JobDisk(514 * GIB, used + 5 * GIB, parts, (room,) if copies else ())


class StagingVerbs:
    """A part of the scripted jobs: the verbs about copies."""

    _double: Any

    def cache(self) -> StagingCache:
        copies = tuple(self._double.copies_by_id.values())
        used = sum(one.taken_bytes for one in copies)
        return StagingCache("/nvme/mlops-desk", used, 500 * GIB, 60 * GIB, 20 * GIB, copies)

    def copy(self, copy: str) -> StagedCopy:
        if copy not in self._double.copies_by_id:
            raise NotFound(f"There is no copy {copy} in the cache.")
        return self._double.copies_by_id[copy]

    def remove_copy(self, copy: str) -> StagedCopy:
        one = self.copy(copy)
        if one.jobs:
            raise Refused(f"The copy {copy} is used by {', '.join(one.jobs)}.")
        return self._double.copies_by_id.pop(copy)

    def clear_cache(self, *, preview: bool = False) -> ClearedCopies:
        mine = [one for one in self._double.copies_by_id.values() if one.user == "ana"]
        gone = tuple(one for one in mine if not one.jobs and one.progress is None)
        for one in () if preview else gone:
            self._double.copies_by_id.pop(one.id)
        kept = tuple(one for one in mine if one.jobs)
        return ClearedCopies(gone, sum(one.taken_bytes for one in gone), kept, preview)

    def disk(self) -> JobDisk:
        return some_disk(list(self._double.copies_by_id.values()))


def used_by(one: StagedCopy, *jobs: str) -> StagedCopy:
    return replace(one, jobs=jobs)
