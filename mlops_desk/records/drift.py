"""Drift reports: how far current data has moved from a reference, column by column."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Verdict(StrEnum):
    """How bad it is. ``CRITICAL`` (nothing usable arrived) wins over ``INSUFFICIENT_DATA``."""

    OK = "ok"
    WARNING = "warning"
    DRIFT = "drift"
    CRITICAL = "critical"
    INSUFFICIENT_DATA = "insufficient_data"


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
    """One column of a report. ``quality`` maps ``reference`` and ``current`` to what was found there."""

    name: str
    kind: str
    verdict: Verdict
    measures: Mapping[str, Measure]
    quality: Mapping[str, Quality]
    n_reference: int
    n_current: int
    text: str | None = None
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True)
class DatasetDrift:
    """The data set as a whole: rows read, columns compared, columns that only one side has."""

    n_reference: int
    n_current: int
    n_columns: int
    n_drifted: int
    drifted_ratio: float | None
    missing_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The answer to ``drift report`` and to one window of a monitored endpoint."""

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


@dataclass(frozen=True, slots=True)
class DriftOptions:
    """How columns are judged; the defaults are the ones DRIFT.md argues for."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    minimum_rows: int = 30
    false_discovery_rate: float = 0.05
