"""Drift reports: how far current data has moved from a reference, column by column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. ``CRITICAL`` (nothing usable arrives any more) wins over ``INSUFFICIENT_DATA``."""

    OK = "ok"
    WARNING = "warning"
    DRIFT = "drift"
    CRITICAL = "critical"
    INSUFFICIENT_DATA = "insufficient_data"

    @property
    def is_alarm(self) -> bool:
        """A single window alarms when its data have drifted or nothing usable arrived."""
        return self in {Verdict.DRIFT, Verdict.CRITICAL}


@dataclass(frozen=True, slots=True)
class Measure:
    """One statistic. Undefined parts are None; ``alert`` says that this measure alone would alarm."""

    value: float | None
    p_value: float | None = None
    p_adjusted: float | None = None
    threshold: float | None = None
    alert: bool | None = None


@dataclass(frozen=True, slots=True)
class Quality:
    """What is wrong with a column's values on one side, as shares of its rows (0-1); counts are rows."""

    n_rows: int
    missing_ratio: float | None
    infinite_ratio: float | None
    wrong_type_ratio: float | None
    out_of_range_ratio: float | None = None
    unseen_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Histogram:
    """Shares of both sides in the same bins. ``edges`` for numbers (len = bins + 1), ``labels`` for categories."""

    reference: tuple[float, ...]
    current: tuple[float, ...]
    edges: tuple[float, ...] = ()
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ColumnDrift:
    """One column of a report. ``quality`` maps ``reference`` and ``current`` to what was found there.

    ``n_reference`` and ``n_current`` count usable values. ``signals`` are the changes in quality (``missing``,
    ``infinite``, ``wrong_type``, ``out_of_range``, ``unseen``): value is the change of the share, with its own test;
    they never decide the verdict, and ``text`` says in words what stands out.
    """

    name: str
    kind: str
    verdict: Verdict
    measures: Mapping[str, Measure]
    quality: Mapping[str, Quality]
    n_reference: int
    n_current: int
    text: str | None = None
    histogram: Histogram | None = None
    signals: Mapping[str, Measure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DatasetDrift:
    """The data set as a whole: rows read, columns compared, columns that only one side has.

    ``skipped_columns`` hold what is neither number nor category (times, lists, bytes); ``rejected_*`` count
    lines of a CSV file that could not be read as rows, and ``notes`` name the first of them. ``quality_columns``
    are those with an alarm about their quality, whatever their verdict.
    """

    n_reference: int
    n_current: int
    n_columns: int
    n_drifted: int
    drifted_ratio: float | None
    missing_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    skipped_columns: tuple[str, ...] = ()
    rejected_reference: int = 0
    rejected_current: int = 0
    notes: tuple[str, ...] = ()
    quality_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The answer to ``drift report`` and to one window of a monitored endpoint.

    ``alarm`` is the monitor's answer after this window (two of the last three alarm); None for a single report.
    """

    verdict: Verdict
    columns: tuple[ColumnDrift, ...]
    dataset: DatasetDrift
    endpoint: str | None = None
    model: str | None = None
    created_at: float | None = None
    window_start: float | None = None
    window_end: float | None = None
    reference: str | None = None
    current: str | None = None
    id: str | None = None
    alarm: bool | None = None


@dataclass(frozen=True, slots=True)
class DriftBrief:
    """What a list shows of a report; ``drift show`` has its columns, with their measures and histograms."""

    id: str
    verdict: Verdict
    n_columns: int
    n_drifted: int
    n_reference: int
    n_current: int
    endpoint: str | None = None
    model: str | None = None
    created_at: float | None = None
    window_start: float | None = None
    window_end: float | None = None
    alarm: bool | None = None


def brief_of(report: DriftReport) -> DriftBrief:
    """Return what a list shows of a report that is kept."""
    return DriftBrief(
        id=report.id or "",
        verdict=report.verdict,
        n_columns=report.dataset.n_columns,
        n_drifted=report.dataset.n_drifted,
        n_reference=report.dataset.n_reference,
        n_current=report.dataset.n_current,
        endpoint=report.endpoint,
        model=report.model,
        created_at=report.created_at,
        window_start=report.window_start,
        window_end=report.window_end,
        alarm=report.alarm,
    )


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """How columns are judged; the defaults are the ones DRIFT.md argues for.

    ``kinds`` maps a column to ``numeric``, ``categorical`` or ``date`` (from a model's signature); others follow the
    reference's type. Without ``require_all_columns`` a column that the current data lack (a training target)
    is listed and not judged.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    minimum_rows: int = 30
    false_discovery_rate: float = 0.05
    require_all_columns: bool = True
