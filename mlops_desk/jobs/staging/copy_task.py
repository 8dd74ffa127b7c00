"""Making one copy: listed, given room, copied, listed again. What changed meanwhile is copied anew from there."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

from mlops_desk.jobs.records.staging import StagingProgress
from mlops_desk.jobs.staging.copies import Copies, CopyFacts
from mlops_desk.jobs.staging.worker import Given, run_copier
from mlops_desk.kit.base.process import boot_id

ROUNDS = 3  # chosen: who writes once is waited for; who goes on writing is told of
_SMOOTHED = 0.2  # chosen: of each half second's speed so much counts: the last seconds, and no jumps

Tell = Callable[[StagingProgress], None]
MakeRoom = Callable[[int, tuple[str, ...]], None]
"""Make room for so many bytes without taking these copies. Raises Postponed."""


class Changing(Exception):  # noqa: N818 - an outcome
    """The source was another one each time that it was copied; ``paths`` are some of what changed."""

    def __init__(self, paths: list[str]) -> None:
        super().__init__(", ".join(paths))
        self.paths = paths


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be copied, for whom. ``given_up`` tells that nobody waits for it any more."""

    uid: int
    source: str
    target: str
    given_up: Callable[[], bool]
    tell: Tell


@dataclass(frozen=True, slots=True)
class SourceListing:
    """What a source holds at a time (``at``), and a file with all of it. ``there_bytes`` an earlier copy has too."""

    name: str
    files: int
    size_bytes: int
    taken_bytes: int
    there_bytes: int
    single: bool
    file: IO[bytes]
    at: float


@dataclass(frozen=True, slots=True)
class SourceLook:
    """How a source stands: what there is, what of it would have to be copied, and what room that takes.

    ``base`` is the copy from which the rest would be taken; ``is_there``: a copy of all of it is.
    """

    files: int
    size_bytes: int
    copy_bytes: int
    needs_bytes: int
    base: str | None
    is_there: bool


class Making:
    """Makes copies in ``copies``, of which ``locked`` gives the lock."""

    def __init__(self, copies: Copies, locked: Callable[[], AbstractContextManager[Any]], make_room: MakeRoom) -> None:
        self._copies = copies
        self._locked = locked
        self._make_room = make_room

    def make(self, asked: Asked) -> str:
        """Return the id of a copy of the source as it is now, made if there is none.

        Raises Changing, Given, Postponed, and the DeskErrors of the worker.
        """
        base, changed = self._newest(asked), list[str]()
        with ExitStack() as stack:
            listed = stack.enter_context(self._listed(asked, base, "listing"))
            for _ in range(ROUNDS):
                copy = self._copies.id_of(asked.uid, asked.source, listed.name)
                if self._is_there(copy, listed.at):
                    return copy
                answer = self._copied(asked, copy, listed, None if base == copy else base)
                changed = [str(path) for path in answer["changed"]]
                again = stack.enter_context(self._listed(asked, copy, "checking"))
                if again.name == listed.name and not changed:
                    self._whole(copy, str(answer["sha256"]), again.at)
                    return copy
                listed, base = again, copy
        raise Changing(changed)

    def look(self, asked: Asked) -> "SourceLook":
        """Tell how a source stands, without copying or noting anything. Raises Given, the DeskErrors of the worker."""
        base = self._newest(asked)
        with self._listed(asked, base, "listing") as listed, self._locked():
            copy = self._copies.id_of(asked.uid, asked.source, listed.name)
            known = self._copies.get(copy)
            is_there = known is not None and known.whole and known.boot == boot_id()
            needs = 0 if known is not None else listed.taken_bytes - listed.there_bytes
            left = 0 if is_there else max(0, listed.size_bytes - listed.there_bytes)
        return SourceLook(listed.files, listed.size_bytes, left, needs, base, is_there=is_there)

    def _newest(self, asked: Asked) -> str | None:
        """Return the copy of the same source from which what is unchanged can be taken: a whole one, the newest."""
        with self._locked():
            found = self._copies.of(asked.uid, asked.source)
        return max(found, key=lambda copy: (found[copy].whole, found[copy].looked_at), default=None)

    def _is_there(self, copy: str, looked_at: float) -> bool:
        with self._locked():
            known = self._copies.get(copy)
            if known is None or not known.whole or known.boot != boot_id():
                return False
            self._copies.put(copy, replace(known, looked_at=looked_at))
        return True

    @contextmanager
    def _listed(self, asked: Asked, base: str | None, phase: str) -> Iterator[SourceListing]:
        """List the source into a file that is gone afterwards, and count what ``base`` has of it already."""
        at = time.time()
        self._copies.check()
        with ExitStack() as stack:
            file = stack.enter_context(TemporaryFile(dir=self._copies.root))

            def told(files: int, _bytes: int) -> None:
                asked.tell(StagingProgress(asked.target, asked.source, phase, time.time(), files))

            request: dict[str, Any] = {"act": "list", "source": asked.source, "listing": file.fileno()}
            manifest = None if base is None else self._copies.path(base) / "manifest"
            if manifest is not None and manifest.is_file():
                request["base_manifest"] = stack.enter_context(manifest.open("rb")).fileno()
            given = [int(request[name]) for name in ("listing", "base_manifest") if name in request]
            answer = run_copier(request, given, asked.uid, told, asked.given_up)
            yield SourceListing(
                str(answer["name"]), int(answer["files"]), int(answer["size_bytes"]), int(answer["taken_bytes"]),
                int(answer["there_bytes"]), bool(answer["single"]), file, at,
            )  # fmt: skip

    def _copied(self, asked: Asked, copy: str, listed: SourceListing, base: str | None) -> dict[str, Any]:
        with self._locked():
            known, old = self._copies.get(copy), None if base is None else self._copies.get(base)
        if known is None:
            self._make_room(listed.taken_bytes - listed.there_bytes, () if base is None else (base,))
        facts = self._begun(asked, copy, listed, base if old is not None else None)
        trusted = facts.boot == boot_id() and (old is None or old.boot == boot_id())
        before = None if old is None or base is None else self._copies.path(base)
        with _opened(self._copies.path(copy), before) as files:
            listed.file.seek(0)
            given = {**files, "listing": listed.file.fileno()}
            request = {"act": "copy", "source": asked.source, "trusted": trusted, **given}
            begun = time.monotonic()
            answer = run_copier(request, [*given.values()], asked.uid, _Progress(asked, listed), asked.given_up)
            seconds = time.monotonic() - begun
        linked = min(int(answer["linked_bytes"]), listed.taken_bytes)
        with self._locked():
            taken = listed.taken_bytes - linked
            count, copied = int(answer["copied_files"]), int(answer["copied_bytes"])
            measured = replace(facts, copied_files=count, copied_bytes=copied, copy_seconds=seconds)
            self._copies.put(copy, replace(measured, taken_bytes=taken, linked_bytes=linked, boot=boot_id()))
        return answer

    def _begun(self, asked: Asked, copy: str, listed: SourceListing, base: str | None) -> CopyFacts:
        """Write down that a copy is made: what it is going to take is taken from the budget from now on."""
        with self._locked():
            known = self._copies.get(copy)
            self._copies.make(copy)
            linked = 0 if base is None else listed.there_bytes
            facts = CopyFacts(
                asked.source, asked.uid, listed.files, listed.size_bytes, listed.taken_bytes - linked, listed.at,
                listed.at, listed.at, boot=boot_id() if known is None else known.boot, base=base, linked_bytes=linked,
                single=listed.single,
            )  # fmt: skip
            self._copies.put(copy, facts)
        return facts

    def _whole(self, copy: str, sha256: str, looked_at: float) -> None:
        path = self._copies.path(copy)
        for name in ("manifest.done", "parts"):
            (path / name).unlink(missing_ok=True)
        with self._locked():
            facts = self._copies.get(copy)
            if facts is None:
                raise Given
            self._copies.put(copy, replace(facts, whole=True, sha256=sha256, looked_at=looked_at))


@contextmanager
def _opened(path: Path, base: Path | None) -> Iterator[dict[str, int]]:
    """Open what the worker needs of a copy and of the one before it, by the names that it knows it by."""
    _keep_longer(path / "manifest", path / "manifest.done")
    made = {"manifest": os.O_WRONLY | os.O_CREAT | os.O_TRUNC, "manifest.done": os.O_RDONLY | os.O_CREAT,
            "parts": os.O_RDWR | os.O_CREAT}  # fmt: skip
    found: dict[str, int] = {}
    try:
        found["tree"] = os.open(path / "tree", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        for name, flags in made.items():
            found[name] = os.open(path / name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        found["done"] = found.pop("manifest.done")
        if base is not None and (base / "manifest").is_file():
            found["base"] = os.open(base / "tree", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            found["base_manifest"] = os.open(base / "manifest", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        yield found
    finally:
        for descriptor in found.values():
            os.close(descriptor)


def _keep_longer(manifest: Path, done: Path) -> None:
    """Keep how far an earlier try came: a later one, killed before it came as far, has written less of the same."""
    if manifest.exists() and (not done.exists() or done.stat().st_size < manifest.stat().st_size):
        manifest.replace(done)


class _Progress:
    """Tells how far a copy is, how fast it goes, and how long it still takes at that."""

    def __init__(self, asked: Asked, listed: SourceListing) -> None:
        self._asked = asked
        self._listed = listed
        self._at = time.monotonic()
        self._bytes = 0
        self._speed: float | None = None

    def __call__(self, files: int, size_bytes: int) -> None:
        now, total = time.monotonic(), self._listed.size_bytes
        passed = now - self._at
        if passed > 0 and self._bytes:  # at first it is counted what lies there already
            speed = (size_bytes - self._bytes) / passed
            self._speed = speed if self._speed is None else _SMOOTHED * speed + (1 - _SMOOTHED) * self._speed
        self._at, self._bytes = now, size_bytes
        left = None if not self._speed else max(0.0, (total - size_bytes) / self._speed)
        self._asked.tell(
            StagingProgress(
                self._asked.target, self._asked.source, "copying", time.time(), files, min(size_bytes, total),
                self._listed.files, total, self._speed, left,
            )
        )  # fmt: skip
