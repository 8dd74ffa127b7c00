"""The shelf of drift reports in the state database, bounded for each endpoint."""

import threading

from mlops_desk.drift.records.report import DriftReport
from mlops_desk.kit.storage.records import StoredRecords

KEPT_COLUMNS = 10_000
"""Reports are kept for each endpoint until they hold this many columns together."""
KEPT_LEAST, KEPT_MOST = 3, 200  # chosen: the alarm needs three windows; 200 are more than one scrolls through


class ReportShelf:
    """Keeps reports, and forgets the oldest of an endpoint beyond its bounds. Safe to use from several threads."""

    def __init__(self, reports: StoredRecords[DriftReport]) -> None:
        self.records = reports
        self._lock = threading.Lock()
        self._stored: dict[str, int] = {}

    def put(self, report: DriftReport) -> None:
        """Keep a report. Raises Unavailable."""
        self.records.put(report)
        with self._lock:
            self._prune(report.endpoint or "", len(report.columns))

    def _prune(self, name: str, n_columns: int) -> None:
        if name not in self._stored:
            self._stored[name] = len(self.records.list(parent=name, limit=2 * KEPT_MOST))
        else:
            self._stored[name] += 1
        kept = min(KEPT_MOST, max(KEPT_LEAST, KEPT_COLUMNS // max(1, n_columns)))
        surplus = self._stored[name] - kept
        for old in self.records.list(parent=name, newest_first=False, limit=surplus) if surplus > 0 else []:
            self.records.remove(old.id or "")
            self._stored[name] -= 1
