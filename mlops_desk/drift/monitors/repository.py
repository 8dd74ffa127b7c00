"""The monitors' records: what is watched, and the newest windows of each as they were judged; bounded."""

import threading
import uuid
from collections.abc import Sequence

from mlops_desk.drift.monitors.ports import SketchHead
from mlops_desk.drift.records.monitors import JudgedWindow, Monitor
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords

KEPT_SCORES = 100_000
"""Windows of each monitor are kept until they hold so many columns: some 20 MB of JSON, 2,000 windows of 50 columns."""
KEPT_LEAST, KEPT_MOST = 20, 5000  # chosen: enough for a strip; half a year of hours
RECENT = 50  # chosen: what a strip and any rule (of at most 20) look at
_TRIM_EVERY = 16  # chosen: a look at all windows of a monitor costs some milliseconds


class MonitorBook:
    """Holds all monitors in memory, and of each the newest windows. Safe to use from several threads."""

    def __init__(self, monitors: StoredRecords[Monitor], windows: StoredRecords[JudgedWindow]) -> None:
        self._records = monitors
        self._windows = windows
        self._lock = threading.RLock()
        self._monitors = {monitor.id: monitor for monitor in monitors.list()}
        self._recent: dict[str, list[JudgedWindow]] = {}

    def all(self) -> list[Monitor]:
        """Return all monitors by name."""
        return [one for one in self.known() if not one.is_refused]

    def known(self) -> list[Monitor]:
        """Return all monitors, those too that were removed and are not to be proposed again."""
        with self._lock:
            return sorted(self._monitors.values(), key=lambda one: one.name)

    def get(self, monitor_id: str) -> Monitor | None:
        with self._lock:
            return self._monitors.get(monitor_id)

    def named(self, name: str) -> Monitor | None:
        return next((one for one in self.all() if one.name == name), None)

    def find(self, name: str) -> Monitor:
        """Return a monitor by its name, or by the beginning of its id. Raises NotFound, Invalid."""
        known = self.named(name)
        if known is not None:
            return known
        hint = Hint("mlops-desk drift monitors list", after=" shows them all.")
        found = [one for one in self.all() if name and one.id.startswith(name)]
        if not found:
            raise NotFound(f"There is no drift monitor {plain(name)}.", hint)
        return the_one(name, found, noun="drift monitor", hint=hint, key=lambda one: one.id)

    def put(self, monitor: Monitor) -> None:
        """Keep a monitor. Raises Unavailable."""
        self._records.put(monitor)
        with self._lock:
            self._monitors[monitor.id] = monitor

    def remove(self, monitor: Monitor) -> None:
        """Forget a monitor with its windows. Raises Unavailable."""
        self._records.remove(monitor.id)
        with self._lock:
            self._monitors.pop(monitor.id, None)
        self.forget_windows(monitor.id)

    def recent(self, monitor_id: str) -> Sequence[JudgedWindow]:
        """Return a monitor's newest windows, oldest first."""
        with self._lock:
            known = self._recent.get(monitor_id)
            if known is None:
                known = self._windows.list(parent=monitor_id, limit=RECENT)[::-1]
                self._recent[monitor_id] = known
            return [*known]

    def add(self, window: JudgedWindow) -> None:
        """Keep a window, and no more than the bounds say. Raises Unavailable."""
        self._windows.put(window)
        with self._lock:
            if window.monitor in self._recent:
                self._recent[window.monitor] = [*self._recent[window.monitor], window][-RECENT:]
        if window.number % _TRIM_EVERY == 0:
            self._trim(window)

    def _trim(self, newest: JudgedWindow) -> None:
        kept = min(KEPT_MOST, max(KEPT_LEAST, KEPT_SCORES // max(1, _n_scores(newest))))
        for old in self._windows.list(parent=newest.monitor, newest_first=False, limit=_TRIM_EVERY * 2):
            if newest.number - old.number >= kept:
                self._windows.remove(old.id)

    def forget_windows(self, monitor_id: str) -> None:
        """Forget all windows of a monitor: they were held against something else."""
        for old in self._windows.list(parent=monitor_id):
            self._windows.remove(old.id)
        with self._lock:
            self._recent.pop(monitor_id, None)

    def history(self, monitor_id: str, since: float | None, until: float | None, limit: int) -> list[JudgedWindow]:
        """Return the newest windows of a span (Unix time), oldest first."""
        if since is None and until is None:
            return self._windows.list(parent=monitor_id, limit=limit)[::-1]
        found = [
            one
            for one in self._windows.list(parent=monitor_id)
            if (since is None or one.window_end >= since) and (until is None or one.window_start <= until)
        ]
        return found[:limit][::-1]

    def oldest_number(self, monitor_id: str) -> int | None:
        """Return the number of a monitor's oldest window that is kept. Raises Unavailable."""
        oldest = next(iter(self._windows.list(parent=monitor_id, newest_first=False, limit=1)), None)
        return None if oldest is None else oldest.number

    def before(self, window: JudgedWindow) -> JudgedWindow | None:
        """Return the window before one, of the same monitor."""
        earlier = (one for one in self._windows.list(parent=window.monitor) if one.number < window.number)
        return next(earlier, None)

    def window(self, window_id: str) -> JudgedWindow:
        """Return a window by its id, or by the beginning of it. Raises NotFound, Invalid."""
        if not window_id:
            raise Invalid("The window's id is empty.", Hint("mlops-desk drift history MONITOR --json"))
        hint = Hint("mlops-desk drift history MONITOR", after=" lists a monitor's windows.")
        found = self._windows.find(window_id, LOOKED_FOR)
        return the_one(window_id, found, noun="drift window", hint=hint, key=lambda one: one.id)


def _n_scores(window: JudgedWindow) -> int:
    """Count the columns that a window holds, those of its segments among them."""
    segments = window.segments.segments if window.segments is not None else ()
    return len(window.columns) + sum(len(one.columns) for one in segments)


def new_id() -> str:
    return uuid.uuid4().hex


def window_id(monitor: Monitor, head: SketchHead) -> str:
    """Return the id of a window: the same whenever it is judged, so that no crash in between doubles it."""
    told = f"{monitor.id} {head.id} {head.start!r} {head.end!r} {head.n_rows} {head.reference_id}"
    return uuid.uuid5(uuid.NAMESPACE_OID, told).hex
