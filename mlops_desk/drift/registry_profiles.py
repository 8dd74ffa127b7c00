"""References' profiles among the files of the runs that model versions came from: any desk of the registry finds them.

One is named by the data set and the choices that it was made by, so that another data set is read anew. What lies there
is anybody's: it is read as data within limits, and what does not add up counts as not there and is written over.
A registry that takes no files, or not now, leaves a profile with the agent alone: asked again for a while, and told.
"""

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.drift.profile.file_format import VERSION, from_bytes, to_bytes
from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.records.report import DriftOptions
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound
from mlops_desk.kit.base.failures import TroubleLog
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.default_registry import OWN
from mlops_desk.registry.records.model import Artifact, DatasetInput
from mlops_desk.registry.service import RegistryCore

_log = logging.getLogger(__name__)

_WITH = "answers"  # what is in a profile beside its columns: another word where that becomes more
FOLDER = "drift"
"""Where they lie among a run's files."""
LIMIT_BYTES = 512 << 10  # chosen: some ninety columns of numbers; a registry is no store of data
AGAIN_SECONDS = 60.0  # chosen: a registry that was restarted is there again by then
_MOST_PENDING = 20  # chosen: ten megabytes in memory at most
_MOST_TRIES = 60  # chosen: an hour; whoever refuses as long refuses for good
_MOST_READ = 3  # chosen: each takes seconds, and a version has one or two
_DIGEST_CHARACTERS = 24  # chosen: MLflow's own digests have 8
_KEY_CHARACTERS = 16  # of SHA-256: 64 bits, among a handful
_ENDING = ".profile"
_PLAIN = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True, slots=True)
class PublishedParts:
    """What is needed of the registry, each with its run; ``None`` is the desk's own. All of them may raise DeskError.

    ``listed`` gives a folder of a run's files, ``download`` brings one into a folder, of so many bytes at most,
    ``log_file`` puts one there. ``wanted`` tells whether the settings let profiles be put there.
    """

    listed: Callable[[str, str, str | None], Sequence[Artifact]]
    download: Callable[[str, str, Path, str | None, int], Path]
    log_file: Callable[[str, Path, str, str | None], object]
    wanted: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class ProfilePlace:
    """Where the profile of a run's data set lies."""

    run_id: str
    registry: str | None
    name: str

    @property
    def path(self) -> str:
        return f"{FOLDER}/{self.name}"


@dataclass(frozen=True, slots=True)
class FoundProfile:
    """One of a run's: ``profile`` is None, and ``problem`` says why, where it can't be used."""

    path: str
    content: bytes | None = None
    profile: DataProfile | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class _Pending:
    content: bytes
    tries: int = 0


def place_of(run_id: str, registry: str | None, dataset: DatasetInput, options: DriftOptions) -> ProfilePlace:
    """Return where the profile of a data set lies that was made with these options."""
    chosen = wire.to_builtins(options)
    del chosen["redacted"]  # that is of a log
    if not options.real_values:
        del chosen["real_values"]  # profiles of before were named without
    made_by = [VERSION, _WITH, dataset.name, dataset.digest, dataset.source, chosen]
    key = hashlib.sha256(wire.dumps(_in_order(made_by)).encode("utf-8", "replace")).hexdigest()[:_KEY_CHARACTERS]
    return ProfilePlace(run_id, registry, f"{_beginning(dataset)}{key}{_ENDING}")


def _in_order(value: object) -> object:
    """Return JSON's types with the keys of objects sorted: two desks may have read a signature in another order."""
    if isinstance(value, Mapping):
        return {key: _in_order(value[key]) for key in sorted(value)}
    return [_in_order(one) for one in value] if isinstance(value, (list, tuple)) else value


def _beginning(dataset: DatasetInput) -> str:
    return f"reference-{_PLAIN.sub('_', dataset.digest)[:_DIGEST_CHARACTERS] or 'data'}-"


def made_of(path: str, datasets: Sequence[DatasetInput]) -> DatasetInput | None:
    """Return the data set that a profile says by its name that it was made of; None where the run has none such."""
    name = path.rpartition("/")[2]
    return next((one for one in datasets if _is_of(name, one)), None)


def _is_of(name: str, dataset: DatasetInput) -> bool:
    beginning = _beginning(dataset)
    return name.startswith(beginning) and len(name) == len(beginning) + _KEY_CHARACTERS + len(_ENDING)


def published_parts(core: RegistryCore, wanted: Callable[[], bool]) -> PublishedParts:
    """Return what is needed of the registries."""
    return PublishedParts(
        listed=lambda run_id, path, uri: core.shelf.listed_of_run(run_id, path, uri or OWN),
        download=lambda run_id, path, folder, uri, limit: core.registries.download(
            uri, "run", [run_id, path], folder, limit
        ),
        log_file=core.log_file,
        wanted=wanted,
    )


class PublishedProfiles:
    """Finds them and puts them there; may be used by several threads."""

    def __init__(self, parts: PublishedParts) -> None:
        self._parts = parts
        self._pending: dict[ProfilePlace, _Pending] = {}
        self._why: dict[ProfilePlace, str] = {}
        self._lock = threading.Lock()
        self._trouble = TroubleLog(_log, "The reference profile %s could not be put into its registry")

    def find(self, place: ProfilePlace) -> DataProfile | None:
        """Return a data set's profile as somebody's desk has left it; None where there is none that can be used."""
        try:
            known = {one.path: one for one in self._listed(place.run_id, place.registry)}
            if place.path not in known:
                return None
            found = self._read(place.run_id, place.registry, known[place.path])
        except DeskError as error:
            _log.info("No reference profile is taken from run %s: %s", plain(place.run_id, 64), error.message)
            return None
        if found.problem is not None:
            _log.warning("The data of run %s are read anew: %s", plain(place.run_id, 64), found.problem)
        return found.profile

    def keep(self, place: ProfilePlace, profile: DataProfile) -> None:
        """Remember to put a profile there (``settle``); one that is too large, or is not wanted there, never goes."""
        content = to_bytes(profile)
        if not self._parts.wanted():
            self._tell(place, "The setting drift.share_references is off.")
        elif len(content) > LIMIT_BYTES:
            self._tell(place, f"It has {len(content):,} bytes, and {LIMIT_BYTES >> 10} KiB at most go to a registry.")
        else:
            with self._lock:
                self._pending[place] = _Pending(content)
                while len(self._pending) > _MOST_PENDING:
                    del self._pending[next(iter(self._pending))]

    def settle(self) -> None:
        """Put there what waits for it; what is refused is tried again the next time."""
        with self._lock:
            waiting = list(self._pending.items())
        for place, pending in waiting:
            why = self._put(place, pending.content)
            self._tell(place, why)
            with self._lock:
                if self._pending.get(place) is not pending:
                    continue  # made anew meanwhile
                if why is None or pending.tries + 1 >= _MOST_TRIES:
                    del self._pending[place]
                else:
                    self._pending[place] = replace(pending, tries=pending.tries + 1)

    def why_not(self, place: ProfilePlace) -> str | None:
        """Return why a profile is not in its registry; None where it is, or nobody has tried."""
        return self._why.get(place)

    def of_run(self, run_id: str, registry: str | None) -> list[FoundProfile]:
        """Return the profiles among a run's files, the first three of them. Raises DeskError."""
        return [self._read(run_id, registry, one) for one in self._listed(run_id, registry)[:_MOST_READ]]

    def _listed(self, run_id: str, registry: str | None) -> list[Artifact]:
        try:
            found = self._parts.listed(run_id, FOLDER, registry)
        except NotFound:  # a folder is there once something is in it
            return []
        named = re.compile(rf"{FOLDER}/reference(-[A-Za-z0-9._-]+)?\.profile")
        return [one for one in found if not one.is_folder and named.fullmatch(one.path)]

    def _read(self, run_id: str, registry: str | None, one: Artifact) -> FoundProfile:
        """Read one as data. Raises DeskError where the registry can't be asked."""
        if one.size_bytes is not None and one.size_bytes > LIMIT_BYTES:
            return FoundProfile(one.path, problem=f"{one.path} is larger than {LIMIT_BYTES >> 10} KiB.")
        with scratch("reference") as folder:
            path = self._parts.download(run_id, one.path, Path(folder) / "fetched", registry, LIMIT_BYTES)
            try:
                content = path.read_bytes()
                return FoundProfile(one.path, content, from_bytes(content, one.path))
            except OSError as error:
                return FoundProfile(one.path, problem=f"{one.path} can't be read: {error.strerror}.")
            except Invalid as error:
                return FoundProfile(one.path, content, problem=error.message)

    def _put(self, place: ProfilePlace, content: bytes) -> str | None:
        """Put a profile there; return why it could not be."""
        try:
            with scratch("reference") as folder:
                file = Path(folder) / place.name
                file.write_bytes(content)
                self._parts.log_file(place.run_id, file, FOLDER, place.registry)
        except DeskError as error:
            return error.message
        except OSError as error:
            return f"There is no room for it on the way: {error.strerror}."
        return None

    def _tell(self, place: ProfilePlace, why: str | None) -> None:
        with self._lock:
            if why is None:
                self._why.pop(place, None)
                self._trouble.over(place.name)
                return
            self._why[place] = why
            self._trouble.failed(place.name, why)
