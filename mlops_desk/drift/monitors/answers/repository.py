"""The scored windows: a record for each judged window whose answers were looked at, as long as that is kept."""

import threading
from collections.abc import Sequence

from mlops_desk.drift.records.answers import ScoredWindow
from mlops_desk.kit.storage.records import StoredRecords


class AnswersBook:
    """Keeps the newest scored window of each monitor in memory, the others on disk. Safe from several threads."""

    def __init__(self, records: StoredRecords[ScoredWindow]) -> None:
        self._records = records
        self._lock = threading.Lock()
        self._newest: dict[str, ScoredWindow | None] = {}

    def all(self, monitor_id: str, limit: int | None = None) -> list[ScoredWindow]:
        """Return a monitor's scored windows (the newest so many), oldest first. Raises Unavailable."""
        return self._records.list(parent=monitor_id, limit=limit)[::-1]

    def newest(self, monitor_id: str) -> ScoredWindow | None:
        """Return the newest scored window of a monitor. Raises Unavailable."""
        with self._lock:
            if monitor_id not in self._newest:
                self._newest[monitor_id] = next(iter(self._records.list(parent=monitor_id, limit=1)), None)
            return self._newest[monitor_id]

    def put_all(self, windows: Sequence[ScoredWindow]) -> None:
        """Keep windows as they stand now, all of them or none. Raises Unavailable."""
        if not windows:
            return
        self._records.put_all(windows)
        with self._lock:
            for window in windows:
                known = self._newest.get(window.monitor)
                if known is None or known.number <= window.number:
                    self._newest[window.monitor] = window

    def forget(self, windows: Sequence[ScoredWindow]) -> None:
        """Forget windows whose judged ones are no longer kept. Raises Unavailable."""
        for window in windows:
            self._records.remove(window.id)

    def forget_monitor(self, monitor_id: str) -> None:
        """Forget all windows of a monitor. Raises Unavailable."""
        self.forget(self._records.list(parent=monitor_id))
        with self._lock:
            self._newest.pop(monitor_id, None)
