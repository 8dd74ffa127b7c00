"""Worker: read an exported job as the person who names it, and write what it holds to stdout (see ``packing``).

The file comes from anywhere. Its members are read by its own list, each up to the size and down to the hash that the
list says; nothing is unpacked to a place that a member names, and nothing of it is run. This process has little memory
and no rights beyond the person's; who reads what it writes trusts it no more than the file.

The form of an exported job: a zip archive whose head lists every other member by its size and hash.

mlops-desk.json   version, job, host, and ``files``: the members
job.yaml          the job file, for people; what is read back is the spec of the record
record.json       the job's record
source.json       paths, modes and hashes of its code, whose own hash is the snapshot's name
source/…          its code as files; what has no name in UTF-8 lies in ``source-by-hash/`` instead
outputs/…         what it left, where that was asked for
source.patch, packages.txt, metrics.json, log.txt
"""

import hashlib
import json
import os
import resource
import stat
import struct
import sys
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any

from mlops_desk.jobs.provenance.source.snapshot_stream import (
    FileEntry,
    Limits,
    LinkEntry,
    Seen,
    file_head,
    link_head,
    write_head,
)
from mlops_desk.kit.base.disk.files import NotPlainError, open_plain
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused
from mlops_desk.kit.base.process import end_with_parent
from mlops_desk.kit.base.text import plain, size_text

ENDING = ".mldcapsule"
VERSION = 2  # of this form of the file: raised when an older reader would misread it
HEAD = "mlops-desk.json"
FILE = "job.yaml"
RECORD = "record.json"
METRICS = "metrics.json"
PACKAGES = "packages.txt"
PATCH = "source.patch"
LIST = "source.json"
LOG = "log.txt"
CODE = "source/"
ODD = "source-by-hash/"
OUTPUTS = "outputs/"


def member_of(line: Mapping[str, Any]) -> str | None:
    """Return the member that holds a file or link of the code; None for a link that only the list tells of."""
    name = f"{CODE}{line['path']}"
    if is_text(name) and is_text(str(line.get("link", ""))):
        return name
    return None if "link" in line else f"{ODD}{line['sha256']}"


def is_text(name: str) -> bool:
    """Tell whether a name can be written in UTF-8: file names need not be text."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


_MEMORY_BYTES = 1 << 30  # chosen: a list of a million members takes half of it
_HEAD_BYTES = 32 << 20  # chosen: twice what 150,000 members take
_RECORD_BYTES = 4 << 20  # chosen: of a job with hundreds of attempts
_PACKAGES_BYTES = 2 << 20  # what is kept of a list inside is 1 MiB
_PATCH_BYTES = 8 << 20  # what is kept of one is 1 Mi characters
_MOST_MEMBERS = 160_000  # as many files of code (50,000) and outputs (100,000) as any export has, and some more
_CHUNK = 1 << 20  # chosen: more at once is not faster
_HEX = frozenset("0123456789abcdef")
_AGAIN = "Export the job again, and compare the hash that is told then."
_BROKEN = (
    zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError,
    ValueError, KeyError, TypeError, AttributeError, OverflowError, MemoryError, RecursionError,
)  # fmt: skip
"""What the library says of files that are none, or are made to hurt it."""


@contextmanager
def _whole(path: str) -> Iterator[None]:
    """Say what is wrong with a file in a sentence."""
    try:
        yield
    except DeskError:
        raise
    except _BROKEN as error:
        text = f"{plain(path)} is no export of a job, or is damaged: {plain(str(error)) or type(error).__name__}."
        raise Refused(text, _AGAIN) from error
    except OSError as error:
        raise NotFound(f"{plain(path)} can't be read: {error.strerror}.", "Check its path.") from error


class Archive:
    """An exported job whose members are as its list says. Raises Refused for one that is not."""

    def __init__(self, path: str, file: IO[bytes]) -> None:
        self._path = path
        self._zip = zipfile.ZipFile(file)
        self._members = self._named()
        head = json.loads(self._bytes(HEAD, _HEAD_BYTES, None))
        version = head["version"]
        if version != VERSION:
            stated = plain(str(version), 20)
            text = f"{plain(path)} is of version {stated} of exports, and this reads {VERSION}."
            raise Refused(
                text, "Export the job again with the MLOps Desk of its machine brought to this one's version."
            )
        self.head: Mapping[str, Any] = head
        self._listed = _checked_list(head["files"])
        odd = self._listed.keys() ^ (self._members.keys() - {HEAD})
        if odd:
            raise self._refused(f"its list of files and its files are not the same ({plain(min(odd))})")

    def _refused(self, why: str) -> Refused:
        return Refused(f"{plain(self._path)} is not taken: {why}.", _AGAIN)

    def _named(self) -> dict[str, zipfile.ZipInfo]:
        infos = self._zip.infolist()
        if len(infos) > _MOST_MEMBERS:
            raise self._refused(f"it has {len(infos):,} members, and an export {_MOST_MEMBERS:,} at most")
        members = {info.filename: info for info in infos}
        if len(members) != len(infos):
            raise self._refused("it has two files of one name")
        for info in infos:
            kind = stat.S_IFMT(info.external_attr >> 16)
            if info.flag_bits & 0x1:
                raise self._refused(f"{plain(info.filename)} is encrypted")
            if kind not in {0, stat.S_IFREG, stat.S_IFLNK}:
                raise self._refused(f"{plain(info.filename)} is no file")
            if info.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
                raise self._refused(f"{plain(info.filename)} is packed in a way that exports are not")
        return members

    def check(self, read: Collection[str]) -> None:
        """Hold all members but those in ``read`` against the list: none that was altered is taken. Raises Refused."""
        for name, listed in self._listed.items():
            if name not in read:
                for _ in self._pieces(name, listed[1], listed):
                    pass

    def has(self, name: str) -> bool:
        return name in self._listed

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Return a member, which has to be what the list says of it."""
        if name not in self._listed:
            raise self._refused(f"it lacks {plain(name)}")
        return self._bytes(name, limit_bytes, self._listed[name])

    def _bytes(self, name: str, limit_bytes: int, listed: tuple[str, int] | None) -> bytes:
        return b"".join(self._pieces(name, limit_bytes, listed))

    def pieces(self, name: str, size: int) -> Iterator[bytes]:
        """Yield a member of code piece by piece; it has to be of that size and what the list says."""
        if name not in self._listed:
            raise self._refused(f"it lacks {plain(name)}")
        yield from self._pieces(name, size, self._listed[name])

    def _pieces(self, name: str, limit_bytes: int, listed: tuple[str, int] | None) -> Iterator[bytes]:
        info = self._members.get(name)
        if info is None:
            raise self._refused(f"it lacks {plain(name)}")
        if info.file_size > limit_bytes:
            raise self._refused(f"{plain(name)} is larger than {size_text(limit_bytes)}")
        digest, size = hashlib.sha256(), 0
        with self._zip.open(info) as file:
            while data := file.read(_CHUNK):
                digest.update(data)
                size += len(data)
                if size > limit_bytes:
                    raise self._refused(f"{plain(name)} is larger than it says")
                yield data
        if listed is not None and (digest.hexdigest(), size) != listed:
            raise self._refused(f"{plain(name)} is not what its list says: the hash is another one")


def _checked_list(files: Any) -> dict[str, tuple[str, int]]:
    found = {}
    for name, told in files.items():
        sha, size = told["sha256"], told["size"]
        if not _is_hash(sha) or not isinstance(size, int) or isinstance(size, bool) or size < 0:
            raise ValueError(name)
        found[str(name)] = (sha, size)
    return found


def _is_hash(value: Any) -> bool:
    return isinstance(value, str) and len(value) == 64 and set(value) <= _HEX


@contextmanager
def opened(path: str) -> Iterator[Archive]:
    """Give the archive at ``path``. Raises NotFound, Refused."""
    with _whole(path):
        try:
            opened_file = open_plain(path, links=True)
        except NotPlainError as error:
            raise Refused(f"{plain(path)} is no file.", "Name the file that jobs export wrote.") from error
        with opened_file as file:
            yield Archive(path, file)


def facts(archive: Archive) -> dict[str, Any]:
    """Return what is told of the job, of which nothing is checked but that it is JSON."""
    record = json.loads(archive.read(RECORD, _RECORD_BYTES))
    told = {name: record.get(name) for name in ("id", "user", "submitted_at", "state", "image_id", "spec", "capsule")}
    texts = {}
    for name, member, limit in (
        ("packages", PACKAGES, _PACKAGES_BYTES),
        ("diff", PATCH, _PATCH_BYTES),
    ):
        texts[name] = archive.read(member, limit).decode("utf-8", "replace") if archive.has(member) else None
    host = archive.head.get("host")
    return {"record": told, "host": host if isinstance(host, str) else "", **texts}


def code(archive: Archive, sha256: str | None, limits: Limits) -> list[tuple[FileEntry | LinkEntry, str, str]]:
    """Return the files and links of the code, each with its member and hash. Raises Refused.

    The hash of its list is the snapshot's name, so that code which is not the record's is known as such.
    """
    if sha256 is None:
        return []
    data = archive.read(LIST, _HEAD_BYTES)
    seen = Seen()
    found: list[tuple[FileEntry | LinkEntry, str, str]] = []
    canonical: list[dict[str, Any]] = []
    for line in json.loads(data):
        entry = seen.checked(_as_head(line))
        if isinstance(entry, LinkEntry):
            canonical.append({"path": entry.path, "link": entry.target})
        elif not _is_hash(line["sha256"]):
            raise ValueError(entry.path)
        else:
            size, run = entry.size_bytes, entry.executable
            canonical.append({"path": entry.path, "sha256": line["sha256"], "size": size, "run": run})
        found.append((entry, member_of(line) or "", str(line.get("sha256", ""))))
    if json.dumps(canonical).encode() != data or hashlib.sha256(data).hexdigest() != sha256:
        raise Refused("The code in the file is not the code that its record names.", _AGAIN)
    size = sum(entry.size_bytes for entry, _, _ in found if isinstance(entry, FileEntry))
    if size > limits.size_bytes or len(found) > limits.files:
        text = f"The code in the file has {len(found):,} files of {size_text(size)} in all; a snapshot holds at most "
        settings = Hint("mlops-desk settings set jobs.source_mebibytes MIB", before="Allow more: ")
        raise Refused(f"{text}{limits.files:,} of {size_text(limits.size_bytes)}.", settings)
    return found


def _as_head(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return a line of the list as the head of an entry, which is checked as any other."""
    told = {"path": line["path"], **({"target": line["link"]} if "link" in line else {"size": line["size"]})}
    return {"kind": "link" if "link" in line else "file", **told, "executable": line.get("run")}


def copy(archive: Archive, entries: list[tuple[FileEntry | LinkEntry, str, str]], to: IO[bytes] | None) -> None:
    """Read all of the code, and write it where it is wanted; what is not as it should be raises Refused."""
    for entry, member, sha256 in entries:
        if isinstance(entry, LinkEntry):
            if member and b"".join(archive.pieces(member, len(entry.target.encode()))) != entry.target.encode():
                raise Refused(f"The link {plain(entry.path)} is not the one that the list of the code has.", _AGAIN)
            if to is not None:
                write_head(to, link_head(entry))
            continue
        if to is not None:
            write_head(to, file_head(entry))
        digest, size = hashlib.sha256(), 0
        for data in archive.pieces(member, entry.size_bytes):
            digest.update(data)
            size += len(data)
            if to is not None:
                to.write(data)
        if (size, digest.hexdigest()) != (entry.size_bytes, sha256):
            raise Refused(f"{plain(entry.path)} is not what the list of the code says.", _AGAIN)


def write_archive(request: Mapping[str, Any], to: IO[bytes]) -> None:
    """Write what an archive holds: facts, and with ``with_code`` the code, which is read and checked in any case."""
    path = str(request["path"])
    limits = Limits(int(request["limit_bytes"]), int(request["limit_files"]))
    with opened(path) as archive:
        told = facts(archive)
        capsule = told["record"]["capsule"]
        sha256 = capsule.get("source_sha256") if isinstance(capsule, dict) else None
        entries = code(archive, sha256, limits)
        told["code_files"] = len(entries)
        told["code_bytes"] = sum(entry.size_bytes for entry, _, _ in entries if isinstance(entry, FileEntry))
        archive.check({member for _, member, _ in entries})
        copy(archive, entries, None)  # all of it is read first: an error in the midst of a file would be taken for it
        write_head(to, {"kind": "facts", "facts": told})
        if request["with_code"]:
            copy(archive, entries, to)
        write_head(to, {"kind": "end"})


def main() -> None:
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    with os.fdopen(os.dup(1), "wb") as to:
        os.dup2(2, 1)  # what anything prints goes to stderr, never into what is read
        try:
            write_archive(json.load(sys.stdin), to)
        except DeskError as error:
            write_head(to, {"kind": "error", **error.told()})


if __name__ == "__main__":
    main()
