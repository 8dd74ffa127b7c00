"""A job as one file: what it was asked, what it was made of, its code, its packages, its log and its metrics.

The file is a zip archive (``archive/form.py``). It is packed where the agent may write, and then written by a worker as
whoever asks for it, who gets no file in a place where they may not write, and loses none that is there.
"""

import hashlib
import json
import platform
import stat
import subprocess
import tempfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mlops_desk.jobs.file.spec import format_spec
from mlops_desk.jobs.provenance.archive import reader
from mlops_desk.jobs.provenance.archive.outputs import OutputFile
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.records.job import Job
from mlops_desk.jobs.records.provenance import Exported
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Refused, TimedOut, Unavailable, heard
from mlops_desk.kit.base.people.person import person
from mlops_desk.kit.base.process import end_group, python_command, start_child
from mlops_desk.kit.base.text import plain

_WRITER = "mlops_desk.jobs.provenance.export_writer"
_WRITE_SECONDS = 45.0  # below what a verb may take in all; a share that hangs is not waited for
_WRITE_BYTES_PER_SECOND = 20 << 20  # chosen: a slow share; a large file is given as long as that takes
_LOG_BYTES = 256 << 20  # chosen: more than the log that is kept of any attempt
_CHUNK = 1 << 20  # chosen: more at once is not faster
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""Zip's earliest time, for every member: the same job makes the same file."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What goes into the file beside the record and the code; ``outputs`` are read while they are written."""

    packages: str | None = None
    log: Iterable[str] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    outputs: Iterable[OutputFile] = ()


class _Packer:
    """Writes members and keeps account of them, for the head."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self.files: dict[str, dict[str, Any]] = {}

    def put(self, name: str, chunks: Iterable[bytes], mode: int = stat.S_IFREG | 0o644, *, packed: bool = True) -> None:
        digest, size = hashlib.sha256(), 0
        with self._archive.open(_member(name, mode, packed=packed), "w", force_zip64=True) as file:
            for data in chunks:
                digest.update(data)
                size += len(data)
                file.write(data)
        self.files[name] = {"sha256": digest.hexdigest(), "size": size}

    def text(self, name: str, text: str) -> None:
        self.put(name, [text.encode("utf-8", "replace")])


def pack(to: IO[bytes], job: Job, store: SnapshotStore, contents: Contents) -> None:
    """Write the archive of a job. Raises NotFound where its code is not kept any more, and OSError."""
    capsule = job.capsule
    with zipfile.ZipFile(to, "w", zipfile.ZIP_DEFLATED) as archive:
        packer = _Packer(archive)
        packer.text(reader.FILE, format_spec(job.spec))
        packer.text(reader.RECORD, wire.dumps(job, indent=2))
        packer.text(reader.METRICS, json.dumps(dict(contents.metrics), indent=2, default=str))
        if contents.packages is not None:
            packer.text(reader.PACKAGES, contents.packages)
        if capsule is not None and capsule.git.diff_sha256 is not None:
            diff = store.diff(capsule.git.diff_sha256)
            if diff is not None:
                packer.put(reader.PATCH, [diff])
        if capsule is not None and capsule.source_sha256 is not None:
            _code(packer, store, capsule.source_sha256)
        for output in contents.outputs:
            name = f"{reader.OUTPUTS}{output.name}"
            packer.put(name, output.chunks, stat.S_IFREG | (0o755 if output.executable else 0o644), packed=False)
        packer.put(reader.LOG, _log_lines(contents.log))
        head = {"version": reader.VERSION, "job": job.id, "host": platform.node(), "files": packer.files}
        archive.writestr(_member(reader.HEAD), json.dumps(head))


def _code(packer: _Packer, store: SnapshotStore, sha256: str) -> None:
    lines = store.lines(sha256)
    packer.text(reader.LIST, json.dumps(lines))
    for line in lines:
        name = reader.member_of(line)
        if name is None or name in packer.files:
            continue  # told by the list alone; or by its content, which lies there already
        if "link" in line:
            packer.put(name, [str(line["link"]).encode()], stat.S_IFLNK | 0o777)
        else:
            mode = stat.S_IFREG | (0o755 if line["run"] else 0o644)
            packer.put(name, _pieces(store.tree(sha256) / line["path"]), mode)


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while data := file.read(_CHUNK):
            yield data


def _log_lines(log: Iterable[str]) -> Iterator[bytes]:
    left = _LOG_BYTES
    for line in log:
        data = f"{line}\n".encode("utf-8", "replace")
        left -= len(data)
        if left < 0:
            yield b"--- the rest was left out: the log is longer than an export takes ---\n"
            return
        yield data


def _member(name: str, mode: int = stat.S_IFREG | 0o644, *, packed: bool = True) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name, _EPOCH)
    member.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    member.external_attr = mode << 16
    return member


class Exporting:
    """``root`` is a folder of the agent's in which archives are packed."""

    def __init__(self, root: Path, store: SnapshotStore) -> None:
        self._root = root
        self._store = store

    def export(self, job: Job, to: str, uid: int, contents: Contents) -> Exported:
        """Write a job's archive as the user ``uid`` to a new file. Raises DeskErrors."""
        if not to.startswith("/"):
            raise Refused(f"The place {plain(to)!r} is not absolute.", "Name a file with its whole path.")
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self._root) as packed:
                pack(packed, job, self._store, contents)
                size = packed.seek(0, 2)
                packed.seek(0)
                digest = hashlib.file_digest(packed, "sha256").hexdigest()
                packed.seek(0)
                _write(packed, to, uid, _WRITE_SECONDS + size / _WRITE_BYTES_PER_SECOND)
        except OSError as error:
            raise Unavailable(f"The export can't be packed: {error.strerror}.", "Free some space.") from error
        return Exported(job.id, to, size, digest)


def _write(packed: IO[bytes], to: str, uid: int, seconds: float) -> None:
    """Let a worker write what was packed, as the user. Raises DeskErrors."""
    process = start_child(python_command(_WRITER, to), stdin=packed, stderr=subprocess.DEVNULL, as_person=person(uid))
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired as error:
        end_group(process)
        raise TimedOut(f"{plain(to)} was not written within {seconds:.0f} s.", "Name another place.") from error
    try:
        answer = json.loads(output)
    except ValueError as error:
        raise Unavailable(f"{plain(to)} was not written: the writer ended with code {process.returncode}.") from error
    if "error" in answer:
        told: DeskError = heard(answer)
        raise told
