"""What the wrapper noted in an attempt's folder beside the outcome: packages and usage.

The job could have made them up: they are shown as the job's own, and decide nothing.
"""

import re
from importlib import resources
from pathlib import Path

from mlops_desk.engines.engine import Engine, ImageFacts
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.provenance import ImageIdentity
from mlops_desk.jobs.runtimes.runtime import Makings
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import LINE_LIMIT, plain

LISTER = "packages.py"
LISTED = "packages.txt"
USED = "usage"
LEAST_MEMORY_BYTES = 512 << 20  # listing takes some 20 MiB; a job with less than this would miss them
_PACKAGES_BYTES = 1 << 20  # chosen: ten thousand packages
_USAGE_BYTES = 4096  # it has four short lines
_NUMBER = re.compile(r"[0-9]{1,20}", re.ASCII)
_PER_SECOND = {"usage_usec": 1e6, "cpuacct/cpuacct.usage": 1e9}
_PEAKS = ("memory.peak", "memory/memory.max_usage_in_bytes")


def lister(memory_bytes: int | None) -> bytes | None:
    """Return the program that lists packages inside; None for a container that has too little memory for it."""
    if memory_bytes is not None and memory_bytes < LEAST_MEMORY_BYTES:
        return None
    return resources.files("mlops_desk.jobs.runtimes.local.image_provenance").joinpath("list_packages.py").read_bytes()


def makings(engine: Engine, job: Job, out: Path) -> Makings:
    """Return what is known of a job's image, and what its newest attempt noted in ``out``. Raises Unavailable."""
    info = engine.info()
    # Where a container is not held to limits it has no count of its own: what it saw is the whole machine's.
    cpu_seconds, peak = parse_usage((_left(out / USED, _USAGE_BYTES) if info.holds_limits else None) or b"")
    listed = _left(out / LISTED, _PACKAGES_BYTES)
    return Makings(
        image=_image(engine, job),
        packages=None if listed is None else clean_packages(listed),
        versions={"engine": plain(f"{info.name} {info.version}"), "gpu_route": plain(info.gpu_route or "none")},
        cpu_seconds=cpu_seconds,
        memory_peak_bytes=peak,
    )


def _image(engine: Engine, job: Job) -> ImageIdentity | None:
    try:
        return identity_of(engine.image(job.image_id or job.spec.image))
    except NotFound:
        return None if job.image_id is None else ImageIdentity(id=job.image_id)


def identity_of(facts: ImageFacts) -> ImageIdentity:
    """Return an image's names."""
    platform = f"{facts.os or '?'}/{facts.architecture}" if facts.architecture else None
    return ImageIdentity(facts.id, next(iter(facts.repo_digests), None), facts.diff_ids, platform)


def clean_packages(data: bytes) -> str | None:
    """Return a list of packages as plain lines; None for what is none."""
    if not data or len(data) > _PACKAGES_BYTES:
        return None
    lines = data.decode("utf-8", "replace").splitlines()
    return "".join(f"{plain(line, LINE_LIMIT)}\n" for line in lines if line.strip()) or None


def parse_usage(data: bytes) -> tuple[float | None, int | None]:
    """Return processor seconds and the most memory in bytes, from the kernel's files of either sort of cgroup."""
    seconds: float | None = None
    peak: int | None = None
    for line in data.decode("ascii", "replace").splitlines():
        file, _, value = line.partition(" ")
        name = value.partition(" ")[0] if file == "cpu.stat" else file
        number = value.rpartition(" ")[2]
        if not _NUMBER.fullmatch(number):
            continue
        if name in _PER_SECOND and seconds is None:
            seconds = int(number) / _PER_SECOND[name]
        if file in _PEAKS and peak is None:
            peak = int(number)
    return seconds, peak


def _left(path: Path, limit_bytes: int) -> bytes | None:
    """Return what a plain file holds, a byte over the limit at most; the job may have put anything in its place."""
    try:
        opened = open_plain(path)
    except OSError:
        return None  # not there yet, or a link
    with opened as file:
        return file.read(limit_bytes + 1)
