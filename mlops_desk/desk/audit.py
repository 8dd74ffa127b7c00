"""The audit trail, which a full disk may hold up but not tear: what can't be written now is written with the next."""

import logging
from collections import deque
from threading import Lock

from mlops_desk.base.errors import DeskError
from mlops_desk.desk.settings import without_secrets
from mlops_desk.records.agent import AuditEntry
from mlops_desk.storage.state import StoredRecords

_log = logging.getLogger(__name__)
_WAITING = 10_000  # chosen: a few MB while the disk is full; what is older is then lost, and that is told


class AuditTrail:
    """Keeps audit entries, in order. What was done stays done, and its answer true, though it can't be noted yet."""

    def __init__(self, table: StoredRecords[AuditEntry]) -> None:
        self._table = table
        self._waiting: deque[AuditEntry] = deque(maxlen=_WAITING)
        self._lock = Lock()

    def put(self, entry: AuditEntry) -> None:
        """Keep an entry without its secrets, and those that wait; a disk that does not play along is logged."""
        with self._lock:
            self._waiting.append(without_secrets(entry))
            self._write()

    def flush(self) -> None:
        """Write what waits."""
        with self._lock:
            self._write()

    def _write(self) -> None:
        while self._waiting:
            try:
                self._table.put(self._waiting[0])
            except DeskError as error:
                _log.warning("%s entries of the audit trail wait for the disk: %s", len(self._waiting), error.message)
                return
            self._waiting.popleft()
