"""Snapshots as they are kept: each file once, by its content, and a tree of hard links for each snapshot.

files/<2 digits>/<sha256>[.x]   a file's content, read only, and with ``.x`` to be run
trees/<sha256>/                 a snapshot as containers see it, of links to those files
snapshots/<sha256>.json         its paths, written when all of it is there; its time is that of its last use
diffs/<sha256>.patch            how a checkout differed from its commit

A snapshot's name is the hash of its paths, modes and contents, so the same code is kept once.
"""

import contextlib
import hashlib
import json
import os
import secrets
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlops_desk.jobs.provenance.source.checkout import pointed_to
from mlops_desk.jobs.provenance.source.snapshot_stream import (
    FactsEntry,
    FileEntry,
    Limits,
    LinkEntry,
    is_inside,
    leads_inside,
    read_entries,
)
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain

_CHUNK = 1 << 20  # chosen: more at once is not faster
_FOLDER_MODE, _FILE_MODE, _RUN_MODE = 0o755, 0o444, 0o555
"""Whoever the job runs as has to be able to read it; the folder above is closed to everybody else."""


@dataclass(frozen=True, slots=True)
class CodeSnapshot:
    """A snapshot that is kept, and what is known of the checkout that it came from.

    ``pointers`` are files of which it holds what Git LFS keeps in their place, and not what they are.
    """

    sha256: str
    files: int
    size_bytes: int
    facts: dict[str, Any]
    pointers: tuple[str, ...] = ()


class SnapshotStore:
    """``root`` is a folder of its own. Safe to use from several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()
        self._used: Counter[str] = Counter()

    def tree(self, sha256: str) -> Path:
        """Return where containers find a snapshot."""
        return self._root / "trees" / sha256

    def has(self, sha256: str) -> bool:
        return self._list(sha256).exists() and self.tree(sha256).is_dir()

    @contextmanager
    def in_use(self, sha256: str | None) -> Iterator[None]:
        """Keep a snapshot from being cleared away until its job is known; it was used now. Raises NotFound."""
        if sha256 is None:
            yield
            return
        with self._lock:
            self._used[sha256] += 1
        try:
            if not self.has(sha256):
                text = "The snapshot of the code is not kept any more: there was no room for it."
                raise NotFound(text, "Submit a job file with the source as it is now; more is kept by the setting "
                               "jobs.snapshots_mebibytes.")  # fmt: skip
            os.utime(self._list(sha256))
            yield
        finally:
            with self._lock:
                self._used[sha256] -= 1

    def keep(self, stream: IO[bytes], limits: Limits) -> CodeSnapshot:
        """Keep what a worker has written. Raises Refused, Unavailable, and the errors that the worker told."""
        try:
            return self._keep(stream, limits)
        except OSError as error:
            text = f"The snapshot of the code can't be kept in {self._root}: {error.strerror}."
            raise Unavailable(text, "Free some space on the disk and submit the job again.") from error

    def _keep(self, stream: IO[bytes], limits: Limits) -> CodeSnapshot:
        with self._lock:  # nothing is cleared away while its files come together
            try:
                snapshot = self._take_apart(stream, limits)
            except BaseException:
                self._forget_files()  # of a snapshot that is none, nothing stays
                raise
            self._used[snapshot.sha256] += 1  # given back by ``let_go``
            return snapshot

    def _take_apart(self, stream: IO[bytes], limits: Limits) -> CodeSnapshot:
        facts: dict[str, Any] = {}
        lines: list[dict[str, Any]] = []
        pointers: list[str] = []
        for entry in read_entries(stream, limits):
            if isinstance(entry, FactsEntry):
                facts = dict(entry.facts)
            elif isinstance(entry, LinkEntry):
                lines.append({"path": entry.path, "link": entry.target})
            else:
                sha, is_pointer = self._take_in(stream, entry)
                pointers += [entry.path] if is_pointer else []
                lines.append({"path": entry.path, "sha256": sha, "size": entry.size_bytes, "run": entry.executable})
        lines.sort(key=lambda line: str(line["path"]))
        document = json.dumps(lines).encode()
        sha256 = hashlib.sha256(document).hexdigest()
        if not self.has(sha256):
            self._plant(sha256, lines)
            self._folder("snapshots")
            write_atomically(self._list(sha256), document)
        facts["diff_sha256"] = self._keep_diff(str(facts.pop("diff", "") or ""))
        size = sum(line.get("size", 0) for line in lines)
        return CodeSnapshot(sha256, len(lines), size, facts, tuple(sorted(pointers)))

    def part(self, sha256: str, folder: str) -> str:
        """Keep one folder of a snapshot as a snapshot of its own, and return its name; ``.`` is the snapshot itself.

        Links that lead out of the folder are left out. Raises NotFound, Unavailable.
        """
        if folder == ".":
            return sha256
        head = f"{folder}/"
        found = []
        for line in self.lines(sha256):
            path = str(line["path"])
            if path.startswith(head):
                inner = path.removeprefix(head)
                if "link" not in line or leads_inside(inner, line["link"]):
                    found.append({**line, "path": inner})
        if not found:
            raise NotFound(f"There is no folder {plain(folder)} in the code.", "Name one that git knows.")
        document = json.dumps(found).encode()
        name = hashlib.sha256(document).hexdigest()
        with self._lock:
            try:
                if not self.has(name):
                    self._plant(name, found)
                    write_atomically(self._list(name), document)
            except OSError as error:
                raise Unavailable(f"A part of the code can't be kept: {error.strerror}.") from error
        return name

    def let_go(self, sha256: str) -> None:
        """Say that a snapshot just kept needs no protection any more: its job is known, or never will be."""
        with self._lock:
            self._used[sha256] -= 1

    def _take_in(self, stream: IO[bytes], entry: FileEntry) -> tuple[str, bool]:
        """Write a file's content under its hash, unless it is there; return the hash, and whether it is a pointer."""
        digest, left = hashlib.sha256(), entry.size_bytes
        first = b""
        new = self._folder("files") / f".new-{secrets.token_hex(8)}"
        try:
            with new.open("xb") as file:
                while left:
                    data = stream.read(min(_CHUNK, left))
                    if not data:
                        raise Unavailable("The snapshot of the code ended before it was whole.", "Submit it again.")
                    digest.update(data)
                    first = first or data
                    file.write(data)
                    left -= len(data)
            new.chmod(_RUN_MODE if entry.executable else _FILE_MODE)
            place = self._file(digest.hexdigest(), run=entry.executable)
            if not _is_whole(place, entry.size_bytes):
                place.parent.mkdir(mode=0o700, exist_ok=True)
                new.replace(place)
        finally:
            new.unlink(missing_ok=True)
        return digest.hexdigest(), pointed_to(first) is not None

    def _plant(self, sha256: str, lines: list[dict[str, Any]]) -> None:
        """Make the tree of a snapshot beside its place, and put it there."""
        new = self._folder("trees") / f".new-{secrets.token_hex(8)}"
        try:
            new.mkdir(mode=_FOLDER_MODE)
            new.chmod(_FOLDER_MODE)
            for line in lines:
                place = new / line["path"]
                _make_folders(new, place.parent)
                if "link" in line:
                    place.symlink_to(line["link"])
                else:
                    _link(self._file(line["sha256"], run=line["run"]), place)
            shutil.rmtree(self.tree(sha256), ignore_errors=True)  # half of one, of an agent that was killed
            new.replace(self.tree(sha256))
        finally:
            shutil.rmtree(new, ignore_errors=True)

    def make_places(self, sha256: str, paths: Iterable[str]) -> None:
        """Make the folders in a snapshot's tree that something is mounted on. Raises Invalid, Unavailable."""
        for path in paths:
            place = self.tree(sha256)
            parts = path.split("/")
            for number, part in enumerate(parts, 1):
                place /= part
                there = place.is_symlink() or (place.exists() and not place.is_dir())
                if not is_inside(path) or place.is_symlink() or (there and number < len(parts)):
                    text = f"Nothing can be mounted on {plain(path)} of the source: {plain(part)} is no folder there."
                    raise Invalid(text, "Mount it at another target.")
                if there:
                    break  # a file, for a file to be mounted on
                try:
                    place.mkdir(mode=_FOLDER_MODE, exist_ok=True)
                    place.chmod(_FOLDER_MODE)
                except OSError as error:
                    raise Unavailable(f"{place} can't be made: {error.strerror}.") from error

    def check(self, sha256: str) -> None:
        """See that all of a snapshot's files are there in their sizes. Raises NotFound, Refused."""
        for path, size in self.sizes(sha256):
            if not _is_whole(self.tree(sha256) / path, size):
                text = f"The snapshot of the code is damaged: {plain(path)} is not whole."
                raise Refused(text, "Submit the job again, with the source as it is now.")

    def mend(self, active: Callable[[], Iterable[str]]) -> list[str]:
        """Look at all snapshots, as after a crash, and return those that are not whole.

        Of those that nobody uses nothing is kept, so that the same code can be submitted again. Each is looked at by
        itself: it may take minutes, and nobody has to wait for it.
        """
        damaged = []
        for path in self._oldest_first():
            try:
                self.check(path.stem)
            except DeskError:
                damaged.append(path.stem)
                with self._lock:
                    if path.stem not in set(active()) and self._used[path.stem] <= 0:
                        path.unlink(missing_ok=True)
                        shutil.rmtree(self.tree(path.stem), ignore_errors=True)
                        self._forget_files()
        return damaged

    def sizes(self, sha256: str) -> list[tuple[str, int]]:
        """Return the files of a snapshot with their sizes. Raises NotFound."""
        return [(line["path"], line["size"]) for line in self.lines(sha256) if "size" in line]

    def lines(self, sha256: str) -> list[dict[str, Any]]:
        """Return what a snapshot holds: of each ``path`` the ``link``, or ``sha256``, ``size`` and ``run``."""
        try:
            found: list[dict[str, Any]] = json.loads(self._list(sha256).read_bytes())
        except (OSError, ValueError) as error:
            raise NotFound("The snapshot of the code is not kept any more.", "Submit the job again.") from error
        return found

    def diff(self, sha256: str) -> bytes | None:
        """Return how a checkout differed; None where it is not kept."""
        try:
            return (self._root / "diffs" / f"{sha256}.patch").read_bytes()
        except OSError:
            return None

    def _keep_diff(self, text: str) -> str | None:
        if not text:
            return None
        data = text.encode("utf-8", "replace")
        name = hashlib.sha256(data).hexdigest()
        try:
            write_atomically(self._folder("diffs") / f"{name}.patch", data)
        except OSError as error:
            raise Unavailable(f"The diff of the code can't be kept: {error.strerror}.") from error
        return name

    # -- housekeeping --------------------------------------------------------------------------

    def tidy(self, active: Callable[[], Iterable[str]], budget_bytes: int) -> int:
        """Clear away snapshots beyond a budget, those first that were used longest ago; return how many went.

        Never one of ``active``, nor one that a submit has just taken.
        """
        with self._lock:
            kept = {*active(), *(sha for sha, users in self._used.items() if users > 0)}
            gone = 0
            for path in self._oldest_first():
                if self.size_bytes() <= budget_bytes:
                    break
                if path.stem not in kept:
                    path.unlink(missing_ok=True)
                    shutil.rmtree(self.tree(path.stem), ignore_errors=True)
                    self._forget_files()
                    gone += 1
            return gone

    def first_to_go(self, active: Iterable[str]) -> tuple[str, float] | None:
        """Return the snapshot that goes first when there is no room for all, and when it was used last."""
        with self._lock:
            kept = {*active, *(sha for sha, users in self._used.items() if users > 0)}
            for path in self._oldest_first():
                with contextlib.suppress(OSError):  # gone meanwhile
                    if path.stem not in kept:
                        return path.stem, path.stat().st_mtime
        return None

    def _oldest_first(self) -> list[Path]:
        found = []
        for path in (self._root / "snapshots").glob("*.json"):
            with contextlib.suppress(OSError):  # gone meanwhile
                found.append((path.stat().st_mtime, path))
        return [path for _, path in sorted(found)]

    def size_bytes(self) -> int:
        """Return what the contents of all snapshots take together."""
        return sum(path.lstat().st_size for path in (self._root / "files").glob("*/*"))

    def _forget_files(self) -> None:
        """Remove the contents that no tree links to any more."""
        for path in (self._root / "files").glob("*/*"):
            if path.lstat().st_nlink == 1:
                path.unlink(missing_ok=True)

    # -- places --------------------------------------------------------------------------------

    def _list(self, sha256: str) -> Path:
        return self._root / "snapshots" / f"{sha256}.json"

    def _file(self, sha256: str, *, run: bool) -> Path:
        return self._root / "files" / sha256[:2] / (f"{sha256}.x" if run else sha256)

    def _folder(self, name: str) -> Path:
        folder = self._root / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder


def _is_whole(path: Path, size: int) -> bool:
    try:
        return path.lstat().st_size == size
    except OSError:
        return False


def _make_folders(top: Path, folder: Path) -> None:
    """Make the folders of a new tree, readable whatever the umask is."""
    missing = []
    while folder != top and not folder.exists():
        missing.append(folder)
        folder = folder.parent
    for one in reversed(missing):
        one.mkdir()
        one.chmod(_FOLDER_MODE)


def _link(source: Path, place: Path) -> None:
    """Give a content a place in a tree: by a hard link, or as a copy where it has as many as a filesystem takes."""
    try:
        place.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, place)
        shutil.copymode(source, place)
