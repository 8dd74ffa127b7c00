"""Drift asked for by hand: the newest requests of an endpoint beside what its model was trained on, and all reports.

A worker does the comparing. What is watched by itself, and rings, is a monitor's (``monitors``); whoever asks by hand
again and again gets the same rule (``windows``) over what was asked by hand.
"""

import os
import threading
import time
import uuid
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mlops_desk.drift.alarm_rule import monitor_alarms
from mlops_desk.drift.metrics import points_of
from mlops_desk.drift.records.profiles import ReferenceProfile
from mlops_desk.drift.records.report import DriftBrief, DriftOptions, DriftReport, brief_of
from mlops_desk.drift.report_repository import ReportShelf
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import Hint, Invalid, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.short_ids import LOOKED_FOR, the_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.list_page import ListPage
from mlops_desk.kit.storage.requests import LogWindow
from mlops_desk.kit.verbs.declaration import MOST_ON_A_PAGE, check_limit
from mlops_desk.machine.records.event import DriftReported
from mlops_desk.machine.records.history import RecordPoints, forget_points
from mlops_desk.serving.records.endpoint import Endpoint

WORKER = "mlops_desk.drift.worker"
WORKER_SECONDS = 120.0  # chosen: a window of a million rows on a busy machine
WAIT_SECONDS = 150.0  # longer than one comparison may take, so that the next one in line gets its turn
WINDOW_LIMIT = 1_000_000  # chosen: more rows make no measure surer, and each takes memory
_HISTORY = 50  # chosen: windows that overlap count once, and monitors' are passed over, so more than three are read


def _no_profiles(version: str, _uri: str | None) -> list_of[ReferenceProfile]:
    raise NotFound(f"No profile of the data of {plain(version)} is kept.")


@dataclass(frozen=True, slots=True)
class WatchedReference:
    """What an endpoint's monitor holds its windows against: ``path`` is that of a profile, ``options`` are its own.

    ``path`` is None where the monitor has none yet: then it is the data set logged with the model.
    """

    monitor: str
    path: Path | None
    options: DriftOptions


def _nobody_watches(_endpoint: Endpoint, _folder: Path) -> WatchedReference | None:
    return None


class DriftService:
    """Implements ``verbs.Drift``.

    ``endpoint`` finds an endpoint by name (raises NotFound); ``request_window`` writes the newest rows that an endpoint
    (by name) answered as a Parquet file of features; ``reference_file`` gives the dataset logged with the run of an
    endpoint's model; ``kinds`` gives a model's inputs by its signature, each with its kind where that is known;
    ``record`` keeps the scores in the history; ``profiles`` tells of the references of a version, by its name and
    registry; ``watched`` gives what an endpoint's monitor goes by, written into a folder. All of them but ``record``
    may raise DeskError and keep deadlines of their own.
    """

    def __init__(
        self,
        *,
        endpoint: Callable[[str], Endpoint],
        request_window: Callable[[str, int, Path], LogWindow],
        reference_file: Callable[[Endpoint], Path],
        shelf: ReportShelf,
        bus: Bus,
        kinds: Callable[[Endpoint], Mapping[str, str | None]] | None = None,
        record: RecordPoints = forget_points,
        profiles: Callable[[str, str | None], list_of[ReferenceProfile]] = _no_profiles,
        run: Callable[[str, Mapping[str, Any], float], Any] = run_worker,
        watched: Callable[[Endpoint, Path], WatchedReference | None] = _nobody_watches,
    ) -> None:
        self._watched = watched
        self._endpoint = endpoint
        self._request_window = request_window
        self._reference_file = reference_file
        self._kinds = kinds
        self._record = record
        self._shelf = shelf
        self._reports = shelf.records
        self._bus = bus
        self._profiles = profiles
        self._run = run
        self._comparing = threading.Lock()

    def check(self, endpoint: str, window: int = 1000, reference: str | None = None) -> DriftReport:
        """Compare now; with a ``reference`` of the caller's own the report is no window of the monitor."""
        if not 1 <= window <= WINDOW_LIMIT:
            raise Invalid(f"A window of {window:,} requests is not between 1 and {WINDOW_LIMIT:,}.")
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

    def profile(self, version: str, uri: str | None = None) -> list_of[ReferenceProfile]:
        """Tell of the profiles of a version's data. Raises NotFound, Unavailable."""
        return self._profiles(version, uri)

    def _compare(self, endpoint: Endpoint, rows: int, given: Path | None) -> DriftReport:
        inputs = self._kinds(endpoint) if self._kinds else {}
        kinds = {name: kind for name, kind in inputs.items() if kind is not None}
        with scratch("window") as folder:
            current = Path(folder) / "current.parquet"
            watched = self._watched(endpoint, Path(folder))
            options = DriftOptions(require_all_columns=False) if watched is None else watched.options
            options = replace(options, kinds=kinds, features=tuple(inputs))
            held = None if watched is None or given is not None else watched.path
            reference = given or held or self._reference_file(endpoint)
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
        if watched is not None and held is not None:
            report = replace(report, reference=f"reference of the monitor {watched.monitor}")
        return replace(
            report,
            id=uuid.uuid4().hex,
            endpoint=endpoint.name,
            model=f"{endpoint.model.name}/{endpoint.model.version}",
            created_at=time.time(),
            window_start=window.first_at,
            window_end=window.last_at,
            current=f"newest {window.rows:,} requests",
            alarm=None if given else False,
        )

    def _announce(self, report: DriftReport) -> DriftReport:
        """See whether what was asked by hand alarms with this report, store it, and tell."""
        known = self._reports.list(parent=report.endpoint, limit=_HISTORY)
        by_hand = [old for old in known if old.model == report.model and old.alarm is not None and old.monitor is None]
        if report.alarm is not None:
            report = replace(report, alarm=monitor_alarms([report, *by_hand]))
        self._shelf.put(report)
        for series, at, value in points_of(report) if report.alarm is not None else ():
            self._record(series, [(at, value)])
        self._bus.publish(DriftReported(report))
        return report


def _own_file(reference: str) -> Path:
    """Return the caller's file; the agent reads it with its own rights, so only for its own user."""
    path = Path(reference)
    if not path.is_absolute():
        raise Invalid(f"The reference {plain(reference)!r} is not an absolute path.")
    if current_caller().uid not in {0, os.getuid()}:
        text = "A file of one's own can be the reference only on an agent of one's own."
        raise Refused(text, "Use drift report with two files; it needs no agent.")
    return path
