"""Worker: list a source, or copy it, as its person; told in lines of JSON how far it is.

The agent opens the folders of the cache and hands them over, as they lie where the person can't go. It ends the worker
when nothing moves any more: a share that hangs keeps the readers, never the agent.

Walking through a source as its person, without following anything: links stay links, what is no file is refused.
"""

import contextlib
import errno
import json
import os
import stat
import sys
import threading
from collections.abc import Iterable, Iterator
from typing import IO, Any

from mlops_desk.jobs.staging.eviction import taken_bytes
from mlops_desk.jobs.staging.file_copy import (
    FILE,
    FOLDER,
    LINK,
    FileCopy,
    ListingHash,
    SourceEntry,
    beside,
    line_of,
    read_lines,
)
from mlops_desk.jobs.staging.tree_copy import TreeCopy
from mlops_desk.kit.base.errors import DeskError, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import end_with_parent
from mlops_desk.kit.base.text import plain

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200  # chosen: each level keeps a folder open, and a path may have 4096 bytes at most
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's own (stat(2))
_KINDS = {stat.S_IFSOCK: "a socket", stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device"}


def open_source(source: str) -> int:
    """Open a source, a file or a folder, that is no link. Raises OSError."""
    return os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def walk(descriptor: int) -> Iterator[SourceEntry]:
    """Yield what lies in an opened source: of each folder its files by name, then its folders.

    Raises OSError, Refused.
    """
    facts = os.fstat(descriptor)
    if stat.S_ISDIR(facts.st_mode):
        yield from _folder(descriptor, "", 0)
    else:
        yield _entry("", facts, "")


def _folder(descriptor: int, prefix: str, depth: int) -> Iterator[SourceEntry]:
    if depth > _DEEPEST:
        raise Refused(f"{plain(prefix)} is nested too deep to be copied ({_DEEPEST} folders).", "Mount it unstaged.")
    with os.scandir(descriptor) as listing:
        names = sorted(one.name for one in listing)
    folders: list[str] = []
    for name in names:
        facts = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        if stat.S_ISDIR(facts.st_mode):
            folders.append(name)
        elif stat.S_ISLNK(facts.st_mode):
            yield _entry(prefix + name, facts, os.readlink(name, dir_fd=descriptor))
        else:
            yield _entry(prefix + name, facts, "")
    for name in folders:
        yield SourceEntry(prefix + name, FOLDER)
        inner = os.open(name, _FOLDER, dir_fd=descriptor)
        try:
            yield from _folder(inner, f"{prefix}{name}/", depth + 1)
        finally:
            os.close(inner)


def _entry(path: str, facts: os.stat_result, link: str) -> SourceEntry:
    """Return what is no folder as an entry; of a link its time means nothing."""
    if stat.S_ISLNK(facts.st_mode):
        return SourceEntry(path, LINK, link=link)
    if not stat.S_ISREG(facts.st_mode):
        kind = _KINDS.get(stat.S_IFMT(facts.st_mode), "no file")
        raise Refused(f"{plain(path) or 'The source'} is {kind}, which can't be copied.", "Take it away, or mount the "
                      "folder unstaged.")  # fmt: skip
    run = bool(facts.st_mode & stat.S_IXUSR)
    return SourceEntry(path, FILE, facts.st_size, facts.st_mtime_ns, facts.st_blocks * _BLOCK_BYTES, run)


_TOLD_SECONDS = 0.5  # chosen: as often as a person looks
_NAMED = 3  # chosen: as many as stand in one line
FULL = "full"
"""The code of an error that says that the cache's disk took no more."""


class Telling:
    """Counts what is done, and tells it twice a second, from a thread of its own."""

    def __init__(self, to: IO[str]) -> None:
        self._to = to
        self._lock = threading.Lock()
        self.files = self.bytes = 0
        self.copied_bytes = 0

    def moved(self, count: int) -> None:
        with self._lock:
            self.bytes += count

    def copied(self, count: int) -> None:
        """Count bytes that were read from the source."""
        with self._lock:
            self.bytes += count
            self.copied_bytes += count

    def finished(self) -> None:
        self.files += 1

    def tell(self) -> None:
        self.say({"files": self.files, "bytes": self.bytes})

    def say(self, document: dict[str, Any]) -> None:
        with self._lock:
            self._to.write(json.dumps(document) + "\n")
            self._to.flush()


def list_source(request: dict[str, Any], telling: Telling) -> dict[str, Any]:
    """Write the listing to the descriptor ``listing``, and return what there is, with the name that it has so.

    ``base_manifest`` is of an earlier copy: what it has unchanged is counted as there.
    """
    source = str(request["source"])
    descriptor = _open(source)
    name, files, size, taken, there = ListingHash(source), 0, 0, 0, 0
    base = int(request["base_manifest"]) if "base_manifest" in request else os.open(os.devnull, os.O_RDONLY)
    with os.fdopen(int(request["listing"]), "wb") as listing, os.fdopen(base, "rb") as earlier:
        for entry, (known,) in beside(walk(descriptor), read_lines(earlier)):
            listing.write(line_of(entry))
            name.add(entry)
            telling.finished()
            if entry.kind == FILE:
                files, size = files + 1, size + entry.size_bytes
                room = taken_bytes(entry.size_bytes, entry.allocated_bytes)
                taken, there = taken + room, there + (room if known is not None else 0)
    found = {"name": name.name, "files": files, "size_bytes": size, "taken_bytes": taken, "there_bytes": there}
    return {**found, "single": not stat.S_ISDIR(os.fstat(descriptor).st_mode)}


def copy_source(request: dict[str, Any], telling: Telling) -> dict[str, Any]:
    """Copy what was listed, and return what came of it.

    All descriptors are of the agent's: ``listing``, ``tree``, ``manifest`` (``done`` is how it was when this began),
    ``parts``, and of an earlier copy ``base`` (its tree) and ``base_manifest``.
    """
    descriptor = _open(str(request["source"]))
    single = not stat.S_ISDIR(os.fstat(descriptor).st_mode)
    with contextlib.ExitStack() as stack:
        read = {name: stack.enter_context(os.fdopen(int(request[name]), "rb")) for name in _READ if name in request}
        parts = stack.enter_context(os.fdopen(int(request["parts"]), "r+b"))
        manifest = stack.enter_context(os.fdopen(int(request["manifest"]), "wb", buffering=0))
        known = dict(_parts(parts))
        parts.write(b"\n")  # behind a line that is not whole
        lock = threading.Lock()

        def keep_part(path: str, number: int, digest: str) -> None:
            with lock:
                parts.write(json.dumps([path, number, digest]).encode() + b"\n")
                parts.flush()

        files = FileCopy(telling.moved, telling.copied, keep_part, known)
        trusted, base = bool(request["trusted"]), request.get("base")
        copying = TreeCopy(
            descriptor, int(request["tree"]), base, files, telling.moved, telling.finished,
            single=single, trusted=trusted,
        )  # fmt: skip
        earlier: Iterable[SourceEntry] = read_lines(read["base_manifest"]) if "base_manifest" in read else ()
        sha256 = copying.run(read_lines(read["listing"]), read_lines(read["done"]), earlier, manifest)
    copied = {"copied_files": copying.copied_files, "copied_bytes": telling.copied_bytes}
    return {"sha256": sha256, "linked_bytes": copying.linked_bytes, "changed": copying.changed[:_NAMED], **copied}


_READ = ("listing", "done", "base_manifest")


def _parts(file: IO[bytes]) -> Iterator[tuple[tuple[str, int], str]]:
    for line in file:
        try:
            path, number, digest = json.loads(line)
        except ValueError:
            continue  # the last one of a writer that was killed
        yield (str(path), int(number)), str(digest)


def _open(source: str) -> int:
    try:
        return open_source(source)
    except FileNotFoundError as error:
        raise NotFound(f"The mount source {plain(source)} is not there.", "Is its share mounted?") from error


def told_of(error: OSError, source: str) -> dict[str, Any]:
    """Return what an error of a file means: may not, can't now, or no room; its file's name is in it."""
    name = plain(os.fsdecode(error.filename)) if isinstance(error.filename, (str, bytes)) else ""
    what = f"{name} in {plain(source)}" if name and name != source else plain(source)
    why = error.strerror or str(error)
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return {**Unavailable(f"The disk of the staging cache is full: {why}.").told(), "code": FULL}
    if error.errno in {errno.EACCES, errno.EPERM}:
        return Refused(f"You may not read {what}: {why}.", "Ask its owner, or mount another.").told()
    if error.errno == errno.ELOOP:
        return Refused(f"{what} has become a link since the job was submitted.", "Submit the job again.").told()
    return Unavailable(f"{what} can't be read now: {why}.", "Is its share there? It is tried again.").told()


def main() -> None:
    end_with_parent()
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as to:
        os.dup2(2, 1)
        request, telling, loop = json.load(sys.stdin), Telling(to), Loop("copier")
        loop.repeat("telling", _TOLD_SECONDS, telling.tell)
        work = list_source if request["act"] == "list" else copy_source
        try:
            answer: dict[str, Any] = {"ok": work(request, telling)}
        except DeskError as error:
            answer = error.told()
        except OSError as error:
            answer = told_of(error, str(request["source"]))
        telling.tell()
        telling.say(answer)
        os._exit(0)  # readers that hang in a share can't be waited for


if __name__ == "__main__":
    main()
