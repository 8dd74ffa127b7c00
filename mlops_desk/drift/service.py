"""Drift of live endpoints: compare the newest requests with what the model was trained on, and say when it is time.

A worker does the comparing; reports are kept in the state database, bounded for each endpoint. A monitor
alarms by the rule in ``windows``; the alarm is announced once, when it begins.
"""

import logging
import os
import tempfile
import threading
import time
import uuid
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.base import wire
from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import DeskError, Hint, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.base.loop import Loop
from mlops_desk.base.process import run_worker
from mlops_desk.base.settings import SettingsStore
from mlops_desk.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.base.text import plain
from mlops_desk.drift.metrics import points_of
from mlops_desk.drift.notices import alarm_notice, failure_notice, quality_notice
from mlops_desk.drift.windows import monitor_alarms
from mlops_desk.records.drift import DriftBrief, DriftOptions, DriftReport, brief_of
from mlops_desk.records.event import DriftReported
from mlops_desk.records.history import RecordPoints, forget_points
from mlops_desk.records.list_page import ListPage
from mlops_desk.records.serving.endpoint import Endpoint, EndpointState
from mlops_desk.storage.requests import LogWindow
from mlops_desk.storage.state import StoredRecords
from mlops_desk.verbs.declaration import MOST_ON_A_PAGE, check_limit

_log = logging.getLogger(__name__)

WORKER = "mlops_desk.drift.worker"
WORKER_SECONDS = 120.0  # chosen: a window of a million rows on a busy machine
WAIT_SECONDS = 150.0  # longer than one comparison may take, so that the next one in line gets its turn
TICK_SECONDS = 5.0  # chosen: windows close once in minutes
WINDOW_LIMIT = 1_000_000  # chosen: more rows make no measure surer, and each takes memory
KEPT_COLUMNS = 10_000
"""Reports are kept for each endpoint until they hold this many columns together."""
KEPT_LEAST, KEPT_MOST = 3, 200  # chosen: the alarm needs three windows; 200 are more than one scrolls through
_HISTORY = 20  # chosen: windows that overlap count once, so more than three are read


class DriftService:
    """Implements ``verbs.Drift``.

    ``endpoint`` finds an endpoint by name (raises NotFound) and ``endpoints`` lists them with their load;
    ``request_window`` writes the newest rows that an endpoint (by name) answered as a Parquet file of features;
    ``reference_file`` gives the dataset logged with the run of an endpoint's model; ``kinds`` gives a model's inputs by
    its signature, each with its kind where that is known; ``record`` keeps the scores of a monitor's windows in the
    history. All of them but the last may raise DeskError and keep deadlines of their own.
    """

    def __init__(
        self,
        *,
        endpoint: Callable[[str], Endpoint],
        endpoints: Callable[[], list_of[Endpoint]],
        request_window: Callable[[str, int, Path], LogWindow],
        reference_file: Callable[[Endpoint], Path],
        reports: StoredRecords[DriftReport],
        bus: Bus,
        loop: Loop,
        settings: SettingsStore,
        kinds: Callable[[Endpoint], Mapping[str, str | None]] | None = None,
        record: RecordPoints = forget_points,
        run: Callable[[str, Mapping[str, Any], float], Any] = run_worker,
    ) -> None:
        self._endpoint = endpoint
        self._endpoints = endpoints
        self._request_window = request_window
        self._reference_file = reference_file
        self._kinds = kinds
        self._record = record
        self._reports = reports
        self._bus = bus
        self._loop = loop
        self._settings = settings
        self._run = run
        self._comparing = threading.Lock()
        self._seen: dict[str, int] = {}
        self._tried_at: dict[str, float] = {}
        self._failures: dict[str, str] = {}
        self._stored: dict[str, int] = {}

    def start(self) -> None:
        """Begin to check live endpoints as the settings say."""
        self._loop.repeat("drift-checks", TICK_SECONDS, self.check_due)

    def stop(self) -> None:
        """End with the loop; a check that runs is left to its deadline."""

    def check(self, endpoint: str, window: int = 1000, reference: str | None = None) -> DriftReport:
        """Compare now; with a ``reference`` of the caller's own the report is no window of the monitor."""
        if not 1 <= window <= WINDOW_LIMIT:
            raise Invalid(f"A window of {window} requests is not between 1 and {WINDOW_LIMIT}.")
        known = self._endpoint(endpoint)
        given = None if reference is None else _own_file(reference)
        if not self._comparing.acquire(timeout=WAIT_SECONDS):
            raise TimedOut("Another comparison is still running.", "Try again in a moment.")
        try:
            return self._announce(self._compare(known, window, given))
        finally:
            self._comparing.release()

    def list(self, endpoint: str | None = None, limit: int = 50) -> list_of[DriftReport]:
        """List reports, newest first."""
        return self._reports.list(parent=endpoint, limit=check_limit(limit))

    def page(self, endpoint: str | None = None, limit: int = 100, cursor: str | None = None) -> ListPage[DriftBrief]:
        """List a page of reports in brief, newest first."""
        page = self._reports.page(check_limit(limit, MOST_ON_A_PAGE), cursor, parent=endpoint)
        return ListPage(tuple(map(brief_of, page.items)), page.next)

    def show(self, report_id: str) -> DriftReport:
        """Show one report by its id, or by the beginning of it."""
        found = self._reports.find(report_id, LOOKED_FOR)
        hint = Hint("mlops-desk drift list", after=" shows them all.")
        return the_one(report_id, found, noun="drift report", hint=hint, key=lambda report: report.id or "")

    def check_due(self) -> None:
        """Check every live endpoint whose time has come and that was asked something since."""
        seconds = self._settings.number("drift.check_seconds")
        if not seconds:
            return
        for endpoint in self._endpoints():
            if self._loop.ending.is_set():
                return
            if endpoint.state is EndpointState.LIVE and self._is_due(endpoint, seconds):
                self._tried_at[endpoint.name] = time.time()
                self._check_on_schedule(endpoint)

    def _is_due(self, endpoint: Endpoint, seconds: float) -> bool:
        total = endpoint.load.requests_total if endpoint.load else None
        if total == 0 or (total is not None and total == self._seen.get(endpoint.name)):
            return False
        last = self._tried_at.get(endpoint.name) or self._newest_at(endpoint.name)
        return not 0 <= time.time() - last < seconds

    def _newest_at(self, name: str) -> float:
        return next((report.created_at or 0.0 for report in self._reports.list(parent=name, limit=1)), 0.0)

    def _check_on_schedule(self, endpoint: Endpoint) -> None:
        name = endpoint.name
        try:
            self.check(name, int(self._settings.number("drift.window_rows")))
        except DeskError as error:
            _log.warning("The drift check of %s failed: %s", name, error.message)
            if self._failures.get(name) != error.message:
                self._failures[name] = error.message
                self._bus.publish(failure_notice(name, error))
            return
        self._failures.pop(name, None)
        if endpoint.load:
            self._seen[name] = endpoint.load.requests_total

    def _compare(self, endpoint: Endpoint, rows: int, given: Path | None) -> DriftReport:
        inputs = self._kinds(endpoint) if self._kinds else {}
        kinds = {name: kind for name, kind in inputs.items() if kind is not None}
        options = DriftOptions(kinds=kinds, require_all_columns=False, features=tuple(inputs))
        with tempfile.TemporaryDirectory(prefix="mlops-desk-window-") as folder:
            current = Path(folder) / "current.parquet"
            reference = given or self._reference_file(endpoint)
            window = self._request_window(endpoint.name, rows, current)
            if not window.rows:
                text = (
                    f"The endpoint {plain(endpoint.name)} has answered no request yet, so there is nothing to compare."
                )
                raise Unavailable(text, f"Send it requests: {endpoint.url}" if endpoint.url else None)
            request = {
                "reference": str(reference),
                "current": str(current),
                "options": wire.to_builtins(options),
                "folder": folder,
            }
            report = wire.from_builtins(self._run(WORKER, request, WORKER_SECONDS), DriftReport)
        return replace(
            report,
            id=uuid.uuid4().hex,
            endpoint=endpoint.name,
            model=f"{endpoint.model.name}/{endpoint.model.version}",
            created_at=time.time(),
            window_start=window.first_at,
            window_end=window.last_at,
            current=f"newest {window.rows} requests",
            alarm=None if given else False,
        )

    def _announce(self, report: DriftReport) -> DriftReport:
        """See whether the monitor alarms with this report, store it, and tell."""
        name = report.endpoint or ""
        known = self._reports.list(parent=name, limit=_HISTORY)
        history = [old for old in known if old.model == report.model and old.alarm is not None]
        if report.alarm is not None:
            report = replace(report, alarm=monitor_alarms([report, *history]))
        self._reports.put(report)
        for series, at, value in points_of(report) if report.alarm is not None else ():
            self._record(series, [(at, value)])
        self._prune(name, len(report.columns))
        self._bus.publish(DriftReported(report))
        before = history[0] if history else None
        if report.alarm and not (before and before.alarm):
            self._bus.publish(alarm_notice(report))
        elif report.alarm is False and (notice := quality_notice(report, before)):
            self._bus.publish(notice)
        return report

    def _prune(self, name: str, n_columns: int) -> None:
        """Forget the oldest reports of an endpoint beyond what is kept."""
        if name not in self._stored:
            self._stored[name] = len(self._reports.list(parent=name, limit=2 * KEPT_MOST))
        else:
            self._stored[name] += 1
        kept = min(KEPT_MOST, max(KEPT_LEAST, KEPT_COLUMNS // max(1, n_columns)))
        surplus = self._stored[name] - kept
        for old in self._reports.list(parent=name, newest_first=False, limit=surplus) if surplus > 0 else []:
            self._reports.remove(old.id or "")
            self._stored[name] -= 1


def _own_file(reference: str) -> Path:
    """Return the caller's file; the agent reads it with its own rights, so only for its own user."""
    path = Path(reference)
    if not path.is_absolute():
        raise Invalid(f"The reference {plain(reference)!r} is not an absolute path.")
    if current_caller().uid not in {0, os.getuid()}:
        text = "A file of one's own can be the reference only on an agent of one's own."
        raise Refused(text, "Use drift report with two files; it needs no agent.")
    return path
