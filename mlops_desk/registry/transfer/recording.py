"""Writes down what the files of new versions of the desk's own registry are, so that a change of them can be told.

Its store is looked at only when it was written to: an agent at rest must not keep MLflow loaded.
"""

import logging
from contextlib import suppress
from pathlib import Path

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.records.model import ModelVersion
from mlops_desk.registry.doctor.quiet import quiet
from mlops_desk.registry.transfer.service import VersionTransfer

_log = logging.getLogger(__name__)

RECORD_SECONDS = 30.0  # chosen: how long after its registration a version may be changed unseen
_BYTES_A_SECOND = 64 << 20  # chosen: a tenth of what a disk gives, so that a training's own reading is not slowed
_QUERY = "SELECT name, version, run_id, source, status, creation_time FROM model_versions"


class HashRecorder:
    """Hashes one version at a time, slowly, none of them twice."""

    def __init__(self, transfer: VersionTransfer, store: Path) -> None:
        self._transfer = transfer
        self._store = store
        self._looked_at: tuple[int, ...] | None = None
        self._done: set[tuple[str, str, float | None]] = set()

    def turn(self) -> None:
        """Record the next version that is not; one whose files can't be read is left until the agent is restarted."""
        state = self._state()
        if state is None or state == self._looked_at:
            return
        try:
            version = self._next()
            if version is None:
                self._looked_at = state
                return
            self._done.add(_key(version))
            if not self._transfer.is_recorded(version, None):
                self._transfer.record(version, None, self._transfer.hashed(version, None, _BYTES_A_SECOND))
        except DeskError as error:
            _log.info("The files of a new version could not be hashed: %s", plain(error.message))

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
        with quiet(self._store) as store:
            for name, version, run, source, status, created in store.rows(_QUERY):
                at = None if created is None else created / 1000.0
                found = ModelVersion(str(name), str(version), run, source, str(status), created_at=at)
                if found.status == "READY" and _key(found) not in self._done:
                    return found
        return None


def _key(version: ModelVersion) -> tuple[str, str, float | None]:
    return version.name, version.version, version.created_at
