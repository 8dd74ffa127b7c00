"""A child that looks at files once: ``python -m mlops_desk.registry.artifacts.worker``.

Whatever a file holds, it costs this process and nothing else: memory is limited here, time by whoever started it.
Nothing is imported from where the files lie, and nothing is unpickled.

The files in one folder of others, as if it were the root of all: what a version of a model is, for one.

Files below a folder of this machine. Every name on the way is opened by itself, and no link is ever followed.

A pipe or a device is not even opened: what opening one sets off nobody knows. What was opened stays what it is,
whatever becomes of its name meanwhile.
"""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import open_plain
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.process import limit_memory, serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.artifacts.files import Files, OpenFile, in_order, parts_of
from mlops_desk.registry.artifacts.source import FilesSource
from mlops_desk.registry.records.model import Artifact

_SEEN = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Names what is there without opening it."""
_LONG_PATH = 400  # chosen: a path in a message
_MOST_ENTRIES = 10_000  # chosen: of a folder with more a part is listed


class FolderFiles:
    """Files below ``root``, which itself may lie behind links: a person, or the desk, has put it where it is."""

    def __init__(self, root: str) -> None:
        self._root = root

    def list(self, path: str) -> list[Artifact]:
        with self._folder(path) as folder:
            listed = [_listed("/".join((*parts_of(path), name)), facts) for name, facts in _entries(path, folder)]
        return in_order([one for one in listed if one is not None])

    @contextmanager
    def open(self, path: str, limit_bytes: int) -> Iterator[OpenFile]:  # noqa: ARG002 - nothing has to be brought
        parts = parts_of(path)
        if not parts:
            raise _no_file(path)
        with self._folder("/".join(parts[:-1])) as folder, _telling(path):
            seen = os.open(parts[-1], _SEEN, dir_fd=folder)
        try:
            _check_plain(path, os.fstat(seen))
            with _telling(path):
                opened = open_plain(f"/proc/self/fd/{seen}", links=True)
        finally:
            os.close(seen)
        with opened as stream:
            number = stream.fileno()
            yield OpenFile(stream, f"/proc/self/fd/{number}", os.fstat(number).st_size)

    def walk(self, path: str, most: int) -> Iterator[Artifact]:
        waiting, seen = ["/".join(parts_of(path))], 0
        while waiting:
            below = waiting.pop()
            with self._folder(below) as folder:
                entries = list(_entries(below, folder))
            for name, facts in entries:
                seen += 1
                if seen > most:
                    return
                listed = _listed(f"{below}/{name}" if below else name, facts)
                if listed is None:
                    continue
                if not listed.is_folder:
                    yield listed
                elif _can_be_named(listed.path):
                    waiting.append(listed.path)
                else:
                    yield Artifact(listed.path)  # what is in it nobody can ask for: its size is not known

    def _opened_root(self) -> int:
        try:
            return os.open(self._root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError) as error:
            text = f"The folder {plain(self._root, _LONG_PATH)}, in which these files are said to lie, is not there."
            raise NotFound(text, "Was it moved or removed, or is its disk not mounted?") from error
        except OSError as error:
            text = f"The folder {plain(self._root, _LONG_PATH)} can't be opened: {error.strerror}."
            raise Unavailable(text, "May this user open it?") from error

    @contextmanager
    def _folder(self, path: str) -> Iterator[int]:
        """Open a folder, name by name."""
        current = self._opened_root()
        try:
            for part in parts_of(path):
                with _telling(path):
                    following = os.open(part, _SEEN, dir_fd=current)
                os.close(current)
                current = following
                _check_folder(path, os.fstat(current))
            yield current
        finally:
            os.close(current)


def _entries(path: str, folder: int) -> Iterator[tuple[str, os.stat_result]]:
    """Yield the names in a folder with what they are; what vanishes meanwhile is left out."""
    with _telling(path):
        reading = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=folder)
    try:
        with os.scandir(reading) as entries:
            for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False):
                try:
                    yield _readable(entry.name), entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
    finally:
        os.close(reading)


def _readable(name: str) -> str:
    """Return a name with bytes that are no UTF-8 written out: it is listed, and can't be asked for by its path."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _can_be_named(path: str) -> bool:
    try:
        return bool(parts_of(path))
    except Invalid:
        return False


def _listed(path: str, facts: os.stat_result) -> Artifact | None:
    """Return what is shown of an entry: links, pipes and devices are not."""
    if stat.S_ISDIR(facts.st_mode):
        return Artifact(path, is_folder=True)
    return Artifact(path, size_bytes=facts.st_size) if stat.S_ISREG(facts.st_mode) else None


def _check_plain(path: str, facts: os.stat_result) -> None:
    _check_no_link(path, facts)
    if stat.S_ISDIR(facts.st_mode):
        raise _no_file(path)
    if not stat.S_ISREG(facts.st_mode):
        raise Refused(f"{plain(path)!r} is no plain file (a pipe, a socket or a device); it was not opened.")


def _check_folder(path: str, facts: os.stat_result) -> None:
    _check_no_link(path, facts)
    if not stat.S_ISDIR(facts.st_mode):
        raise NotFound(f"{plain(path)!r} does not lie in a folder: a file stands in its way.")


def _check_no_link(path: str, facts: os.stat_result) -> None:
    if stat.S_ISLNK(facts.st_mode):
        raise Refused(f"{plain(path)!r} is, or lies behind, a link; links are not followed.")


def _no_file(path: str) -> NotFound:
    return NotFound(f"{plain(path)!r} is a folder, and no file.", "Name one of the files in it.")


@contextmanager
def _telling(path: str) -> Iterator[None]:
    """Tell what the system refuses as people are told it."""
    shown = repr(plain(path)) if path else "The folder"
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"{shown} is not there (any more).", "Look at the list of the files anew.") from error
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise NotFound(f"{shown} is no name that a file can have.") from error
        raise Unavailable(f"{shown} can't be read: {error.strerror}.", "May this user read it?") from error


class FilesBelow:
    """The files of ``files`` in its folder ``base``; an empty one is the root itself."""

    def __init__(self, files: Files, base: str) -> None:
        self._files = files
        self._base = parts_of(base)

    def list(self, path: str) -> list[Artifact]:
        return [self._seen(one) for one in self._files.list(self._path(path))]

    def open(self, path: str, limit_bytes: int) -> AbstractContextManager[OpenFile]:
        return self._files.open(self._path(path), limit_bytes)

    def walk(self, path: str, most: int) -> Iterator[Artifact]:
        return (self._seen(one) for one in self._files.walk(self._path(path), most))

    def _path(self, path: str) -> str:
        return "/".join((*self._base, *parts_of(path)))

    def _seen(self, listed: Artifact) -> Artifact:
        return replace(listed, path="/".join(listed.path.split("/")[len(self._base) :]))


MEMORY_LIMIT_BYTES = 1 << 30  # chosen: what is read of a file, its picture decoded, and DuckDB's own half of it


def work(request: dict[str, Any]) -> Any:
    """List a folder, or look at a file."""
    limit_memory(MEMORY_LIMIT_BYTES)
    files = files_of(wire.from_builtins(request["source"], FilesSource))
    if request["task"] == "list":
        return wire.to_builtins(files.list(request["path"]))
    from mlops_desk.registry.artifacts.view import view  # noqa: PLC0415 - a list is there sooner without it

    return wire.to_builtins(view(files, request["path"]))


def files_of(source: FilesSource) -> Files:
    """Return the files of a place."""
    if source.url is None:
        return FilesBelow(FolderFiles(source.root), source.base)
    from mlops_desk.registry.artifacts.proxy import ProxyFiles  # noqa: PLC0415 - loads the HTTP client

    return FilesBelow(ProxyFiles(source), source.base)


if __name__ == "__main__":
    serve_one(work)
