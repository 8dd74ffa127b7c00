"""Walking through a source as its person, without following anything: links stay links, what is no file is refused."""

import os
import stat
from collections.abc import Iterator

from mlops_desk.base.errors import Refused
from mlops_desk.base.text import plain
from mlops_desk.jobs.staging.entries import FILE, FOLDER, LINK, SourceEntry

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEPEST = 200  # chosen: each level keeps a folder open, and a path may have 4096 bytes at most
_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the filesystem's own (stat(2))
_KINDS = {
    stat.S_IFSOCK: "a socket",
    stat.S_IFIFO: "a pipe",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


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
