"""The disk of the data folder, a few MiB in memory, is filled to the last byte while jobs run and end on a real engine.

Each job's outcome is told while the disk is full, or the job says why it can't be; nothing is told wrongly. Once there
is room again every job has its true outcome and its whole log, the database is sound, nothing is left on the engine,
and the next job runs.
"""

import contextlib
import os
import random
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.jobs.records.job import Job, JobState
from tests.end2end.jobs_desk import Workshop
from tests.images import busybox_image

TRIES = 20

_SIZE_MEBIBYTES = 24
_LINES = 2000
_FULL_SECONDS = 20.0
_END_SECONDS = 90.0


def attempt(number: int, folder: Path, rng: random.Random) -> str | None:
    if os.geteuid() != 0:
        return "mounting a small disk needs root"
    data = folder / "data"
    data.mkdir(mode=0o700)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_SIZE_MEBIBYTES}m,mode=700", "tmpfs", data], check=True)
    try:
        return next(_broken(data, number, rng), None)
    finally:
        subprocess.run(["umount", "--lazy", data], check=True)


def _broken(data: Path, number: int, rng: random.Random) -> Iterator[str]:
    image, codes = busybox_image(), [rng.choice([0, 3, 7]) for _ in range(2)]
    desk = Workshop(data)
    try:
        jobs = [desk.submit(image, _command(code, rng)) for code in codes]
        jobs = [desk.wait(job.id, JobState.RUNNING) for job in jobs]
        filler = _fill(data, rng.choice([0, 0, 1, 8]))
        yield from _while_full(desk, jobs, codes)
        filler.unlink()
        yield from _with_room_again(desk, jobs, codes)
        again = desk.run(image, "command: ['true']")
        if again.state is not JobState.SUCCEEDED:
            yield f"the next job of try {number}: {again}"
    finally:
        for path in data.glob("filler*"):
            path.unlink()
        desk.end()
    with contextlib.closing(sqlite3.connect(data / "state.db")) as database:
        if (word := database.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            yield f"the database is damaged: {word}"


def _command(code: int, rng: random.Random) -> str:
    script = f"sleep {rng.uniform(2, 4):.1f}; seq {_LINES}; exit {code}"
    return f"command: [sh, -c, '{script}']"


def _fill(data: Path, spare_blocks: int) -> Path:
    """Fill the disk but for some blocks of 4 KiB."""
    filler = data / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    os.truncate(filler, max(0, filler.stat().st_size // 4096 - spare_blocks) * 4096)
    return filler


def _while_full(desk: Workshop, jobs: list[Job], codes: list[int]) -> Iterator[str]:
    """All end meanwhile, and each says how, or why that is not told yet."""
    deadline = time.monotonic() + _FULL_SECONDS
    while not all(_is_told(desk.jobs.show(job.id)) for job in jobs):
        if time.monotonic() > deadline:
            yield f"says nothing on a full disk: {[desk.jobs.show(job.id) for job in jobs]}"
        time.sleep(0.2)
    for job, code in zip(jobs, codes, strict=True):
        if (now := desk.jobs.show(job.id)).state.is_final:
            yield from _untrue(now, code)


def _is_told(job: Job) -> bool:
    return job.state.is_final or job.reason is not None


def _with_room_again(desk: Workshop, jobs: list[Job], codes: list[int]) -> Iterator[str]:
    deadline = time.monotonic() + _END_SECONDS
    while any(not desk.jobs.show(job.id).state.is_final for job in jobs):
        if time.monotonic() > deadline:
            yield f"never ended: {[desk.jobs.show(job.id) for job in jobs]}"
        time.sleep(0.2)
    for job, code in zip(jobs, codes, strict=True):
        yield from _untrue(desk.jobs.show(job.id), code)
    while left := [facts.name for facts in desk.engine.containers({"io.mlops-desk.instance": desk.folder.instance})]:
        if time.monotonic() > deadline:
            yield f"left on the engine: {left}"
        time.sleep(0.5)
    for job in jobs:
        if (lines := list(desk.jobs.logs(job.id))) != [str(line) for line in range(1, _LINES + 1)]:
            yield f"a log of {len(lines)} lines instead of {_LINES}: {job}"


def _untrue(job: Job, code: int) -> Iterator[str]:
    if job.exit_code != code or job.state is not (JobState.FAILED if code else JobState.SUCCEEDED):
        yield f"ended with {code}, told otherwise: {job}"
