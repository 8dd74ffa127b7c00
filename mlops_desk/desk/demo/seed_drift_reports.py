"""The drift reports of the demonstration's last weeks: its data move away until the model is trained again."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from mlops_desk.desk.demo import seed_records
from mlops_desk.drift.alarm_rule import monitor_alarms
from mlops_desk.drift.metrics import points_of
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.scratch import scratch
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.machine.records.history import RecordPoints

_log = logging.getLogger(__name__)

_WORKER = "mlops_desk.desk.demo.drift_worker"
_WORKER_SECONDS = 300.0  # a quarter of a second a window, on a machine whose cores are all taken
_WEEK_DAYS = 7  # a model is trained once a week
_WINDOW_SECONDS = 3600.0  # chosen: a thousand requests are asked within it


@dataclass(frozen=True, slots=True)
class _Day:
    """A day's window: which version answered then, and how far the data had moved from what it was trained on."""

    at: float
    version: int
    moved: float


def days(until: float) -> list[_Day]:
    """Return a window for each day since the first version, oldest first."""
    found = (
        _Day(
            seed_records.trained_at(until, version) + day * seed_records.DAY,
            version,
            max(0.0, (day - 2) / (_WEEK_DAYS - 2)),
        )
        for version in range(1, seed_records.VERSIONS + 1)
        for day in range(1, _WEEK_DAYS)
    )
    return [day for day in found if day.at < until]


def write(
    reports: StoredRecords[DriftReport],
    endpoint: str,
    reference: Path,
    until: float,
    ending: Event,
    record: RecordPoints,
) -> None:
    """Compare the windows of each day, keep the reports and record their scores; a start broken off leaves none."""
    windows = days(until)
    try:
        with scratch("demo") as folder:
            request = {"reference": str(reference), "moved": [day.moved for day in windows], "folder": folder}
            answer = run_worker(_WORKER, request, _WORKER_SECONDS, ending=ending)
        found = [wire.from_builtins(one, DriftReport) for one in answer]
        told = _told(found, windows, endpoint)
        for report in told:
            for series, at, value in points_of(report):
                record(series, [(at, value)])
        reports.put_all(told)
    except DeskError as error:
        if not ending.is_set():
            _log.warning("The demo has no earlier drift reports: %s", error.message)


def _told(found: Sequence[DriftReport], windows: Sequence[_Day], endpoint: str) -> list[DriftReport]:
    """Name the reports as the monitor does, and have it judge each with those of the same version before it."""
    told: list[DriftReport] = []
    for report, day in zip(found, windows, strict=True):
        named = replace(
            report,
            id=seed_records.named(f"drift.{endpoint}.{day.version}.{day.moved:.3f}.{len(told)}"),
            endpoint=endpoint,
            model=f"churn/{day.version}",
            created_at=day.at,
            window_start=day.at - _WINDOW_SECONDS,
            window_end=day.at,
            current=f"newest {report.dataset.n_current:,} requests",
        )
        before = [one for one in reversed(told) if one.model == named.model]
        told.append(replace(named, alarm=monitor_alarms([named, *before])))
    return told
