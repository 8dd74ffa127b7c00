"""Writes down what the files of new versions of the desk's own registry are, so that a change of them can be told.

Its store is looked at only when it was written to, or when the time has come to try again what could not be read: an
agent at rest must not keep MLflow loaded.
"""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.doctor.sqlite_reader import quiet
from mlops_desk.registry.records.model import ModelVersion
from mlops_desk.registry.transfer.service import VersionTransfer

_log = logging.getLogger(__name__)

RECORD_SECONDS = 30.0  # chosen: how long after its registration a version may be changed unseen
_BYTES_A_SECOND = 64 << 20  # chosen: a tenth of what a disk gives, so that a training's own reading is not slowed
_PAUSES = (300.0, 1800.0, 7200.0, 21600.0, 86400.0)
"""Chosen: seconds before each further try of files that can't be read; a disk that is away for a day is waited for."""
_QUERY = "SELECT name, version, run_id, source, status, creation_time FROM model_versions"

Key = tuple[str, str, float | None]


class HashRecorder:
    """Hashes one version at a time, slowly; what can't be read is tried again after ``_PAUSES``, and then left."""

    def __init__(self, transfer: VersionTransfer, store: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._transfer = transfer
        self._store = store
        self._clock = clock
        self._looked_at: tuple[int, ...] | None = None
        self._done: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._again_at: dict[Key, float] = {}

    def turn(self) -> None:
        """Record the next version that is not; one whose files can't be read keeps no other from its turn."""
        state = self._state()
        if state is None or (state == self._looked_at and not self._is_due()):
            return
        try:
            version = self._next()
        except DeskError as error:
            _log.info("New versions could not be looked for: %s", plain(error.message))
            return
        if version is None:
            self._looked_at = state
            self._again_at = {key: at for key, at in self._again_at.items() if at > self._clock()}  # those are gone
            return
        try:
            problem = self._transfer.record(version, None, _BYTES_A_SECOND)
        except DeskError as error:
            problem = error.message
        self._note(_key(version), problem)

    def _note(self, key: Key, problem: str | None) -> None:
        """Note that a version is done, or when it is tried again."""
        self._again_at.pop(key, None)
        failures = self._failures.pop(key, 0)
        if problem is None or failures == len(_PAUSES):
            self._done.add(key)
        else:
            self._failures[key] = failures + 1
            self._again_at[key] = self._clock() + _PAUSES[failures]
        if problem is not None:
            _log.info("Files of %s/%s are not hashed: %s", plain(key[0]), plain(key[1]), plain(problem))

    def _is_due(self) -> bool:
        return any(at <= self._clock() for at in self._again_at.values())

    def _state(self) -> tuple[int, ...] | None:
        """Return what each write changes, in the store or in the log beside it (WAL); None where there is no store."""
        try:
            facts = [self._store.stat()]
        except FileNotFoundError:
            return None
        with suppress(FileNotFoundError):
            facts.append(self._store.with_name(f"{self._store.name}-wal").stat())
        return tuple(number for one in facts for number in (one.st_mtime_ns, one.st_size))

    def _next(self) -> ModelVersion | None:
        now = self._clock()
        with quiet(self._store) as store:
            for name, version, run, source, status, created in store.rows(_QUERY):
                at = None if created is None else created / 1000.0
                found = ModelVersion(str(name), str(version), run, source, str(status), created_at=at)
                key = _key(found)
                if found.status == "READY" and key not in self._done and self._again_at.get(key, now) <= now:
                    return found
        return None


def _key(version: ModelVersion) -> Key:
    return version.name, version.version, version.created_at
