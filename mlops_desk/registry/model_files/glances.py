"""The agent's side of glances: which versions nobody has looked into is asked of the mirror, and told to it then.

A version's files do not change: each is read once, by a child with a deadline, and only for a search that needs it or
a page that shows it. A mirror that was started anew is told what is known without another look.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.registry.artifacts.source import FilesSource, source_of
from mlops_desk.registry.mirror.protocol import MirrorClient
from mlops_desk.registry.mirror.search import OF_FILES, parse_query
from mlops_desk.registry.mlflow.file_locations import ArtifactPlace
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.registries import Registries

_log = logging.getLogger(__name__)

_WORKER = "mlops_desk.registry.model_files.glance_worker"
_AT_ONCE = 200  # chosen: a second on this machine; what a server far away has no time for is left for the next child
_SECONDS = 8.0  # chosen: of one child, for these; a share that hangs costs it, and no more
_SPARE_SECONDS = 5.0  # chosen: a child starts within it on a busy machine
_LEAST_SECONDS = 0.5  # chosen: in less, a child does not even start
_AGAIN_SECONDS = 600.0  # chosen: files that could not be read (still written, a share away) are tried again
_MOST_KEPT = 50_000  # chosen: 20 MB; the oldest go first
PATIENCE_SECONDS = 4.0
"""Chosen: a person who asked by a command waits so long."""
_QUIET_SECONDS = 60.0  # chosen: nobody waits for it
SHOWN = 200
"""So many of those that a page shows are looked into unasked: chosen, more than stand on a screen."""

Key = tuple[str | None, str, str, str | None]


class FileGlances:
    """Any thread may ask; of two that ask about one registry the second waits, and finds it done."""

    def __init__(self, registries: Callable[[], Registries], loop: Loop) -> None:
        self._registries = registries
        self._loop = loop
        self._kept: dict[Key, tuple[float, FileGlance]] = {}
        self._lock = threading.Lock()
        self._filling = threading.Lock()
        self._wanted: dict[str | None, tuple[str, int | None]] = {}
        self._is_busy = False

    def prepare(self, uri: str | None, query: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Look into files before a search that asks for what only they tell, beside any other. Raises Invalid.

        Where ``seconds`` do not suffice the search finds what is known by then, and the rest is looked into after it.
        """
        if not any(term.field in OF_FILES for term in parse_query(query)):
            self.begin(uri, query)
        elif seconds <= 0 or not self.fill(uri, query, seconds):
            self.begin(uri, query, None)

    def fill(self, uri: str | None, query: str, seconds: float, most: int | None = None) -> bool:
        """Look into the files of what a query may be about, until the time is up; tell whether nothing is left.

        ``most``: of so many at the most. Raises Invalid for a query; what can't be read is no error.
        """
        until = time.monotonic() + seconds
        if not self._filling.acquire(timeout=seconds):
            return False
        try:
            mirror, left = self._registries().mirror(uri), most
            while time.monotonic() < until:
                missing = mirror.without_files(query, min(_AT_ONCE, _AT_ONCE if left is None else left))
                if not missing:
                    return True
                if left is not None:
                    left -= len(missing)
                told = self._known(uri, missing) or self._looked(uri, mirror, missing, until - time.monotonic())
                if not told:
                    return False
                mirror.take_files(told)
            return False
        finally:
            self._filling.release()

    def begin(self, uri: str | None, query: str, most: int | None = SHOWN) -> None:
        """Look into what a query may be about, in a thread of its own: it is shown as soon as it is known."""
        with self._lock:
            self._wanted[uri] = query, most
            if self._is_busy:
                return
            self._is_busy = True
        self._loop.start("registry-glances", self._work)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._wanted or self._loop.ending.is_set():
                    self._wanted, self._is_busy = {}, False
                    return
                uri, (query, most) = self._wanted.popitem()
            try:
                self.fill(uri, query, _QUIET_SECONDS, most)
            except DeskError as error:
                _log.info("Files of versions could not be looked into: %s", error.message)

    # -- what is known -----------------------------------------------------------------------

    def _known(self, uri: str | None, missing: Sequence[ModelVersion]) -> list[FileGlance]:
        now = time.monotonic()
        with self._lock:
            found = [self._kept.get(_key(uri, one)) for one in missing]
        return [glance for at, glance in filter(None, found) if glance.flavors is not None or now - at < _AGAIN_SECONDS]

    def _keep(self, uri: str | None, glances: Sequence[FileGlance]) -> None:
        now = time.monotonic()
        with self._lock:
            for one in glances:
                self._kept[uri, one.name, one.version, one.source] = (now, one)
            for key in list(self._kept)[: max(0, len(self._kept) - _MOST_KEPT)]:
                del self._kept[key]

    # -- looking -----------------------------------------------------------------------------

    def _looked(
        self, uri: str | None, mirror: MirrorClient, missing: Sequence[ModelVersion], left: float
    ) -> list[FileGlance]:
        """Return what was found in the time that is left; nothing where there is too little of it."""
        if left < _LEAST_SECONDS:
            return []
        seconds = min(left, _SECONDS)
        seen = self._seen(mirror, missing)
        try:
            places = self._registries().placing(uri).places_of_versions([(one.name, one.version) for one in missing])
            sources = [[asdict(source) for source in self._sources(uri, some)] for some in places]
            asked = [[asdict(one), some] for one, some in zip(seen, sources, strict=True)]
            answer = run_worker(_WORKER, {"asked": asked, "seconds": seconds}, seconds + _SPARE_SECONDS)
            found = wire.from_builtins(answer, list[FileGlance])
        except DeskError as error:
            _log.info("The files of %d versions could not be looked into: %s", len(missing), error.message)
            found = seen
        self._keep(uri, found)
        return found

    def _seen(self, mirror: MirrorClient, missing: Sequence[ModelVersion]) -> list[FileGlance]:
        """Return what is known without a look at files: what their runs were given."""
        runs = list(dict.fromkeys(one.run_id for one in missing if one.run_id))
        try:
            given = mirror.datasets(runs) if runs else {}
        except DeskError as error:
            _log.info("What runs were given could not be read: %s", error.message)
            given = {}
        first = {run_id: f"{one[0].name} ({one[0].digest})" for run_id, one in given.items() if one}
        return [FileGlance(one.name, one.version, one.source, dataset=first.get(one.run_id or "")) for one in missing]

    def _sources(self, uri: str | None, places: Sequence[ArtifactPlace]) -> list[FilesSource]:
        registries, found = self._registries(), []
        source = registries.source(uri)
        for place in places:
            try:
                one = source_of(place, source, registries.server.ledger.artifacts)
            except Refused:
                continue  # files that may not be read from here are not known; whoever looks at the version is told
            found += [] if one is None else [one]
        return found


def _key(uri: str | None, version: ModelVersion) -> Key:
    return uri, version.name, version.version, version.source
