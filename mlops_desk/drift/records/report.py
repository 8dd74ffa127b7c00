"""Drift reports: how far current data has moved from a reference, column by column.

What stands behind a comparison of whole rows: which rows and columns took part, and which give the sides away.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.drift.records.columns import ColumnRole, FrozenColumn
from mlops_desk.drift.records.importance import WeightedDrift
from mlops_desk.drift.records.segments import SegmentDrift
from mlops_desk.drift.records.verdict import Measure, Verdict


@dataclass(frozen=True, slots=True)
class TellingColumn:
    """A column by which the domain classifier tells the sides apart.

    ``loss`` is by how much its AUC (0-1) falls once the column's values are shuffled, on rows it had no part in
    learning; ``standard_error`` that of the mean over its folds.
    """

    name: str
    loss: float
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class JointDrift:
    """A comparison of whole rows. The measures are ``DriftReport.multivariate``'s ``mmd2`` and ``domain_auc``.

    ``verdict`` is theirs and moves no other. ``n_reference`` and ``n_current`` are the rows drawn of either side,
    ``columns`` took part, ``left_out`` says of each other why not. ``telling`` begins with the most telling column.
    ``bandwidth`` is the kernel's (in reference deviations), ``permutations`` how often either measure's rows were dealt
    anew, ``notes`` what could not be computed and what to do about it.
    """

    verdict: Verdict
    n_reference: int
    n_current: int
    columns: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    telling: tuple[TellingColumn, ...] = ()
    bandwidth: float | None = None
    permutations: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


__all__ = [
    "BROKEN",
    "ColumnDrift",
    "DatasetDrift",
    "DriftBrief",
    "DriftOptions",
    "DriftReport",
    "Histogram",
    "Measure",
    "Quality",
    "QualityAlarm",
    "Verdict",
    "brief_of",
]


BROKEN = frozenset({"missing", "infinite", "wrong_type"})
"""Changes of quality that say that the data are broken: learning them anew would not help."""


@dataclass(frozen=True, slots=True)
class Quality:
    """What is wrong with a column's values on one side, as shares of its rows (0-1); counts are rows.

    ``unseen_ratio`` is that of categories, or in a text of words, which the reference does not have. The
    five after it are those of times: the share after the moment of comparing, the first and the last (seconds since
    1970), and the largest and the median distance of two that follow each other (seconds).
    ``constant_ratio`` is the share of the usable rows that hold the current data's only value, None where those hold
    several.
    """

    n_rows: int
    missing_ratio: float | None
    infinite_ratio: float | None
    wrong_type_ratio: float | None
    out_of_range_ratio: float | None = None
    unseen_ratio: float | None = None
    future_ratio: float | None = None
    earliest: float | None = None
    latest: float | None = None
    largest_gap_seconds: float | None = None
    median_gap_seconds: float | None = None
    constant_ratio: float | None = None


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

    ``kind`` is one of ``ColumnKind``'s. ``n_reference`` and ``n_current`` count usable values. ``signals`` are the
    changes in quality (``missing``, ``infinite``, ``wrong_type``, ``out_of_range``, ``unseen``, ``future``): value is
    the change of the share, with its own test; they decide the verdict as the measures do. ``decided_by`` names the
    measures and signals that made the verdict what it is, and ``text`` says in words what stands out.
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
    role: ColumnRole = ColumnRole.FEATURE
    decided_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QualityAlarm:
    """Something about the table that somebody should look at, whatever the verdict; ``text`` says it in a sentence.

    ``name`` is one of ``duplicate_rows``, ``constant``, ``type_changed``, ``missing_column``, ``new_column`` and
    ``renamed_column``. ``reference`` and ``current`` are the shares (0-1) that it rests on, ``p_value`` is corrected
    for the number of columns, and ``other`` is the name that a renamed column has in the current data.
    """

    name: str
    text: str
    column: str | None = None
    reference: float | None = None
    current: float | None = None
    p_value: float | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetDrift:
    """The data set as a whole: rows read, columns compared, columns that only one side has.

    ``n_columns`` counts the compared ones. ``left_out`` names each column of the reference that is not compared, with
    the reason; ``skipped_columns`` are those of them whose values forbid it (arrays, objects, bytes, identifiers).
    ``empty_columns`` hold no value on either side, and don't decide. ``rejected_*`` count lines of a file of text that
    could not be read as rows, and ``notes`` name the first of them. ``quality_columns`` are those with an alarm about
    their quality, whatever their verdict.
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
    empty_columns: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """The answer to ``drift report`` and to one window of a monitored endpoint.

    ``alarm`` is the monitor's answer after this window (two of the last three alarm); None for a single report.
    ``monitor`` is the id of the one whose window it is, None where somebody asked by hand.
    ``frozen`` is what was decided of the reference's columns, to be handed over with its next comparison. ``quality``
    holds the alarms about the table as a whole. ``multivariate`` (``mmd2``, ``domain_auc``), ``joint`` with what stands
    behind it, ``segments`` and ``importance`` are there where they were asked for.
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
    frozen: tuple[FrozenColumn, ...] = ()
    quality: tuple[QualityAlarm, ...] = ()
    monitor: str | None = None
    multivariate: Mapping[str, Measure] = field(default_factory=dict)
    joint: JointDrift | None = None
    segments: SegmentDrift | None = None
    importance: WeightedDrift | None = None


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

    ``kinds`` maps a column to a ``ColumnKind`` or to ``WORDS`` (from a model's signature); others follow the
    reference. ``frozen``, from an earlier report on the same reference, wins over both. ``columns`` are the only ones
    that are compared (all where empty; an identifier only where it is named), ``ignored`` are not, ``targets`` and
    ``predictions`` may be lacking, ``ids`` are left out. ``renamed`` gives columns of the current data the reference's
    names. ``features`` are a model's inputs by its signature: what the reference has beside them is a target.
    ``day_first`` says of dates like 01/02/2024 what they are where a column's own values don't tell.
    ``unsent`` were never sent since a monitor began: they are named, and no fault as long as they have no value.
    Without ``require_all_columns`` a column that the current data lack is listed and not judged. ``real_values`` gives
    of a column the words, like NA and None, that are values of it and don't say that one is missing. ``redacted`` are
    columns that the desk's own rule takes out of the log: they are left out, in whatever case a name is written.
    """

    kinds: Mapping[str, str] = field(default_factory=dict)
    minimum_rows: int = 30
    false_discovery_rate: float = 0.05
    require_all_columns: bool = True
    frozen: tuple[FrozenColumn, ...] = ()
    columns: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    predictions: tuple[str, ...] = ()
    ids: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    renamed: Mapping[str, str] = field(default_factory=dict)
    day_first: bool | None = None
    unsent: tuple[str, ...] = ()
    real_values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    redacted: tuple[str, ...] = ()
