"""A job as one file: what it was asked, what it was made of, its code, its packages, its log and its metrics.

The file is a zip archive. It is packed where the agent may write, and then written by a worker as whoever asks for it,
who gets no file in a place where they may not write, and loses none that is there.
"""

import hashlib
import json
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from mlops_desk.base import wire
from mlops_desk.base.errors import DeskError, Refused, TimedOut, Unavailable, heard
from mlops_desk.base.people.person import person
from mlops_desk.base.process import end_group, python_command, start_child
from mlops_desk.base.text import plain
from mlops_desk.jobs.capsule.source.store import SnapshotStore
from mlops_desk.jobs.file.spec import format_spec
from mlops_desk.records.jobs.capsule import Exported
from mlops_desk.records.jobs.job import Job

ENDING = ".mldcapsule"
VERSION = 1  # of this form of the file: raised when an older reader would misread it
_WRITER = "mlops_desk.jobs.capsule.export_writer"
_WRITE_SECONDS = 45.0  # below what a verb may take in all; a share that hangs is not waited for
_LOG_BYTES = 256 << 20  # chosen: more than the log that is kept of any attempt
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Zip's earliest time, for every member: the same job makes the same file."""


def pack(
    to: IO[bytes],
    job: Job,
    store: SnapshotStore,
    packages: str | None,
    log: Iterable[str],
    metrics: Mapping[str, float],
) -> None:
    """Write the archive of a job. Raises NotFound where its code is not kept any more, and OSError."""
    capsule = job.capsule
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        _text(archive, "mlops-desk.json", json.dumps({"version": VERSION, "job": job.id}))
        _text(archive, "job.yaml", format_spec(job.spec))
        _text(archive, "record.json", wire.dumps(job, indent=2))
        _text(archive, "metrics.json", json.dumps(dict(metrics), indent=2, default=str))
        if packages is not None:
            _text(archive, "packages.txt", packages)
        if capsule is not None and capsule.git.diff_sha256 is not None:
            diff = store.diff(capsule.git.diff_sha256)
            if diff is not None:
                archive.writestr(_member("source.patch"), diff)
        if capsule is not None and capsule.source_sha256 is not None:
            _code(archive, store, capsule.source_sha256)
        _log_lines(archive, log)


def _code(archive: zipfile.ZipFile, store: SnapshotStore, sha256: str) -> None:
    for line in store.lines(sha256):
        name = f"source/{line['path']}".encode("utf-8", "replace").decode()
        if "link" in line:
            member = _member(name, stat.S_IFLNK | 0o777)
            archive.writestr(member, str(line["link"]).encode("utf-8", "replace"))
        else:
            member = _member(name, stat.S_IFREG | (0o755 if line["run"] else 0o644))
            archive.writestr(member, (store.tree(sha256) / line["path"]).read_bytes())


def _log_lines(archive: zipfile.ZipFile, log: Iterable[str]) -> None:
    left = _LOG_BYTES
    with archive.open(_member("log.txt"), "w", force_zip64=True) as file:
        for line in log:
            data = f"{line}\n".encode("utf-8", "replace")
            left -= len(data)
            if left < 0:
                file.write(b"--- the rest was left out: the log is longer than an export takes ---\n")
                return
            file.write(data)


def _text(archive: zipfile.ZipFile, name: str, text: str) -> None:
    archive.writestr(_member(name), text.encode("utf-8", "replace"))


def _member(name: str, mode: int = stat.S_IFREG | 0o644) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED
    member.external_attr = mode << 16
    return member


class Exporting:
    """``root`` is a folder of the agent's in which archives are packed."""

    def __init__(self, root: Path, store: SnapshotStore) -> None:
        self._root = root
        self._store = store

    def export(
        self, job: Job, to: str, uid: int, packages: str | None, log: Iterable[str], metrics: Mapping[str, float]
    ) -> Exported:
        """Write a job's archive as the user ``uid`` to a new file. Raises DeskErrors."""
        if not to.startswith("/"):
            raise Refused(f"The place {plain(to)!r} is not absolute.", "Name a file with its whole path.")
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root) as packed:
                pack(packed, job, self._store, packages, log, metrics)
                packed.seek(0)
                digest = hashlib.file_digest(packed, "sha256").hexdigest()
                size = packed.tell()
                packed.seek(0)
                _write(packed, to, uid)
        except OSError as error:
            raise Unavailable(f"The export can't be packed: {error.strerror}.", "Free some space.") from error
        return Exported(job.id, to, size, digest)


def _write(packed: IO[bytes], to: str, uid: int) -> None:
    """Let a worker write what was packed, as the user. Raises DeskErrors."""
    process = start_child(python_command(_WRITER, to), stdin=packed, stderr=subprocess.DEVNULL, as_person=person(uid))
    try:
        output, _ = process.communicate(timeout=_WRITE_SECONDS)
    except subprocess.TimeoutExpired as error:
        end_group(process)
        raise TimedOut(f"{plain(to)} was not written within {_WRITE_SECONDS:g} s.", "Name another place.") from error
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise Unavailable(f"{plain(to)} was not written: the writer ended with code {process.returncode}.") from error
    if "error" in answer:
        told: DeskError = heard(answer)
        raise told
