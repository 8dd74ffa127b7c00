"""Copying all that was listed: in several threads, as a share answers one small file in a millisecond, in order.

A manifest is written as it goes, in the order of the listing: what stands in it was verified. Files that an earlier
copy of the same source holds unchanged are linked from there.
"""

import contextlib
import errno
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import replace
from queue import SimpleQueue
from typing import IO

from mlops_desk.jobs.staging.eviction import taken_bytes
from mlops_desk.jobs.staging.file_copy import (
    FILE,
    FOLDER,
    LINK,
    FileCopy,
    ManifestHash,
    Moved,
    SourceChanged,
    SourceEntry,
    beside,
    check_same,
    hash_file,
    line_of,
)
from mlops_desk.kit.base.disk.files import NotPlainError, plain_descriptor
from mlops_desk.kit.base.loop import Loop

READERS = 8  # chosen: small files on a share come one a millisecond to each of them; more only seek
_AHEAD = 32  # chosen: so many files may be under way at once; after a kill those are copied anew
_FOLDER_MODE = 0o755  # as those of files: whoever the job runs as has to get in
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_GONE = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ESTALE}
"""A path that was listed leads to no file any more; a share says of a file that was replaced that it is stale."""
SINGLE = "file"
"""What a source is called in its tree that is one file."""


class OpenFolders:
    """Opens the folders of paths below a folder that is open; the last one stays open. For one thread."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._path = ""
        self._open: int | None = None

    def of(self, path: str) -> tuple[int, str]:
        """Return the opened folder of a path, and its last word. Raises OSError; no link is followed on the way."""
        folder, _, name = path.rpartition("/")
        if not folder:
            return self._top, name or SINGLE
        if self._open is None or folder != self._path:
            self.close()
            here = os.dup(self._top)
            for word in folder.split("/"):
                try:
                    deeper = os.open(word, _FOLDER, dir_fd=here)
                finally:
                    os.close(here)
                here = deeper
            self._path, self._open = folder, here
        return self._open, name

    def close(self) -> None:
        if self._open is not None:
            os.close(self._open)
            self._open = None


class OpenSource:
    """What is copied: a folder, or one file, that is open."""

    def __init__(self, descriptor: int, *, single: bool) -> None:
        self._descriptor = descriptor
        self._single = single

    def opened(self, places: OpenFolders, path: str) -> int:
        """Open a file of it. Raises OSError."""
        if self._single:
            return os.dup(self._descriptor)
        folder, name = places.of(path)
        return plain_descriptor(name, folder=folder)


class TreeCopy:
    """``source`` and ``target`` are opened; ``base`` is the tree of an earlier copy (None: there is none).

    Without ``trusted`` what lies there already is hashed once more. ``moved`` hears of bytes that are done,
    ``finished`` of each file; ``changed`` are files that were written to, replaced or removed since they were listed,
    and are in no manifest.
    """

    def __init__(
        self,
        source: int,
        target: int,
        base: int | None,
        files: FileCopy,
        moved: Moved,
        finished: Callable[[], None],
        *,
        single: bool,
        trusted: bool,
    ) -> None:
        self._source = OpenSource(source, single=single)
        self._tops = (source, target, base)
        self._files = files
        self._trusted = trusted
        self.linked_bytes = self.copied_files = 0
        self.changed: list[str] = []
        self._moved = moved
        self._finished = finished
        self._lock = threading.Lock()

    def run(
        self,
        listing: Iterable[SourceEntry],
        done: Iterable[SourceEntry],
        earlier: Iterable[SourceEntry],
        manifest: IO[bytes],
    ) -> str:
        """Copy what is listed and write the manifest; return the manifest's hash.

        ``done`` is a manifest that was begun, ``earlier`` that of ``base``. Raises what copying raises.
        """
        hashed = ManifestHash()
        loop, work = Loop("staging"), SimpleQueue[_Piece | None]()
        for number in range(READERS):
            loop.start(f"reader-{number}", lambda: self._serve(work))
        try:
            for entry in self._in_order(beside(listing, done, earlier), work):
                if entry.kind == FILE and entry.digest is None:
                    self.changed.append(entry.path)
                    continue
                manifest.write(line_of(entry))
                hashed.add(entry)
                if entry.kind == FILE:
                    self._finished()
        finally:
            for _ in range(READERS):
                work.put(None)
        return hashed.sha256

    def _in_order(
        self, entries: Iterator[tuple[SourceEntry, list[SourceEntry | None]]], work: "SimpleQueue[_Piece | None]"
    ) -> Iterator[SourceEntry]:
        """Yield the entries as they were listed, each when it is done; folders are made before what is in them."""
        waiting: deque[SourceEntry | Future[SourceEntry]] = deque()
        for entry, (known, old) in entries:
            if entry.kind == FILE:
                piece = _Piece(entry, known, old)
                work.put(piece)
                waiting.append(piece.future)
            else:
                self._make(entry)
                waiting.append(entry)
            while len(waiting) > _AHEAD or (waiting and isinstance(waiting[0], SourceEntry)):
                yield _settled(waiting.popleft())
        while waiting:
            yield _settled(waiting.popleft())

    def _make(self, entry: SourceEntry) -> None:
        places = OpenFolders(self._tops[1])
        try:
            folder, name = places.of(entry.path)
            if entry.kind == FOLDER:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(name, _FOLDER_MODE, dir_fd=folder)
                os.chmod(name, _FOLDER_MODE, dir_fd=folder)  # whatever the umask is
            elif entry.kind == LINK:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
                os.symlink(entry.link, name, dir_fd=folder)
        finally:
            places.close()

    # -- in the readers ------------------------------------------------------------------------

    def _serve(self, work: "SimpleQueue[_Piece | None]") -> None:
        source, target = OpenFolders(self._tops[0]), OpenFolders(self._tops[1])
        base = None if self._tops[2] is None else OpenFolders(self._tops[2])
        while (piece := work.get()) is not None:
            try:
                piece.future.set_result(self._done(piece, source, target, base))
            except BaseException as error:  # noqa: BLE001 - handed to who waits for it in order
                piece.future.set_exception(error)

    def _done(self, piece: "_Piece", source: OpenFolders, target: OpenFolders, base: OpenFolders | None) -> SourceEntry:
        entry = piece.entry
        folder, name = target.of(entry.path)
        if piece.known is not None and piece.known.digest is not None and self._lies(folder, name, piece.known):
            self._moved(entry.size_bytes)
            return replace(entry, digest=piece.known.digest)
        old = piece.old
        if base is not None and old is not None and old.digest is not None and self._linked(old, base, folder, name):
            self._moved(entry.size_bytes)
            return replace(entry, digest=old.digest)
        try:
            copied = replace(entry, digest=self._copied(entry, source, folder, name))
        except SourceChanged:
            return entry
        with self._lock:
            self.copied_files += 1
        return copied

    def _copied(self, entry: SourceEntry, source: OpenFolders, folder: int, name: str) -> str:
        try:
            opened = self._source.opened(source, entry.path)
        except OSError as error:
            if isinstance(error, NotPlainError) or error.errno in _GONE:
                raise SourceChanged(entry.path) from error
            raise
        try:
            return self._files.copy(entry, opened, folder, name)
        finally:
            os.close(opened)

    def _lies(self, folder: int, name: str, known: SourceEntry) -> bool:
        """Tell whether a file of the cache is what it was verified to be; its hash is made anew if need be."""
        try:
            descriptor = plain_descriptor(name, folder=folder)
        except OSError:
            return False
        try:
            check_same(known, descriptor)
            return self._trusted or hash_file(descriptor, known.size_bytes) == known.digest
        except SourceChanged:
            return False
        finally:
            os.close(descriptor)

    def _linked(self, old: SourceEntry, base: OpenFolders, folder: int, name: str) -> bool:
        """Give a file of the earlier copy a name in this one too, if it lies there as it was verified."""
        try:
            from_folder, from_name = base.of(old.path)
            if not self._lies(from_folder, from_name, old):
                return False
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
            os.link(from_name, name, src_dir_fd=from_folder, dst_dir_fd=folder, follow_symlinks=False)
        except OSError:
            return False  # as many links as the filesystem takes: then it is copied
        with self._lock:
            self.linked_bytes += taken_bytes(old.size_bytes, old.allocated_bytes)
        return True


class _Piece:
    """One file that a reader is to copy."""

    def __init__(self, entry: SourceEntry, known: SourceEntry | None, old: SourceEntry | None) -> None:
        self.entry = entry
        self.known = known
        self.old = old
        self.future: Future[SourceEntry] = Future()


def _settled(one: SourceEntry | Future[SourceEntry]) -> SourceEntry:
    return one if isinstance(one, SourceEntry) else one.result()
