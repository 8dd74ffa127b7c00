"""A drift report from two tables: measure every column, adjust the p-values across them, then judge.

Where the tables come from is the reader's business (``data.tables``); one column at a time is in memory.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from mlops_desk.base.text import percent
from mlops_desk.drift.columns import CATEGORICAL, NUMERIC, CategoricalColumn, Column, NumericColumn
from mlops_desk.drift.measure import measures
from mlops_desk.drift.measure import verdict as v
from mlops_desk.drift.measure.bins import numeric_counts
from mlops_desk.drift.measure.histograms import categorical_histogram, numeric_histogram
from mlops_desk.drift.measure.quality import SIGNALS, quality_of, signals_of
from mlops_desk.drift.pair import Counts, pair_of
from mlops_desk.records.drift import (
    ColumnDrift,
    DatasetDrift,
    DriftOptions,
    DriftReport,
    Histogram,
    Measure,
    Quality,
    Verdict,
)

_DECIDING = {NUMERIC: "ks", CATEGORICAL: "chi2"}


@dataclass(frozen=True, slots=True)
class Tables:
    """Two tables to compare: how to read each column that is judged, and what the reader found besides.

    A column that is judged although the current data lack it reads as missing in every current row.
    """

    columns: Sequence[tuple[str, Callable[[], Column]]]
    n_reference: int
    n_current: int
    missing_columns: tuple[str, ...] = ()
    new_columns: tuple[str, ...] = ()
    skipped_columns: tuple[str, ...] = ()
    rejected_reference: int = 0
    rejected_current: int = 0
    notes: tuple[str, ...] = ()


def compare(tables: Tables, options: DriftOptions) -> DriftReport:
    """Measure and judge all columns; raises what the reader raises."""
    measured = [measure_column(name, read()) for name, read in tables.columns]
    judged = [
        _not_there(column) if column.name in tables.missing_columns else column for column in judge(measured, options)
    ]
    n_drifted = sum(column.verdict.is_alarm for column in judged)
    dataset = DatasetDrift(
        n_reference=tables.n_reference,
        n_current=tables.n_current,
        n_columns=len(judged),
        n_drifted=n_drifted,
        drifted_ratio=n_drifted / len(judged) if judged else None,
        missing_columns=tables.missing_columns,
        new_columns=tables.new_columns,
        skipped_columns=tables.skipped_columns,
        rejected_reference=tables.rejected_reference,
        rejected_current=tables.rejected_current,
        notes=tables.notes,
        quality_columns=tuple(c.name for c in judged if any(signal.alert for signal in c.signals.values())),
    )
    return DriftReport(v.dataset_verdict(column.verdict for column in judged), tuple(judged), dataset)


def _not_there(column: ColumnDrift) -> ColumnDrift:
    """Judge a column that the current data lack: its rows read as missing, and it is more than that."""
    verdict = Verdict.CRITICAL if column.quality["current"].n_rows else column.verdict
    return replace(column, verdict=verdict, text="The current data have no such column.")


def measure_column(name: str, column: Column) -> ColumnDrift:
    """Compute everything about one column that needs no look at the others; its verdict is still open."""
    if isinstance(column, NumericColumn):
        kind, (found, histogram) = NUMERIC, _numeric(column)
    else:
        kind, (found, histogram) = CATEGORICAL, _categorical(column)
    quality = quality_of(column)
    usable = column.reference.n_usable, column.current.n_usable
    signals = signals_of(quality)
    return ColumnDrift(name, kind, Verdict.OK, found, quality, *usable, histogram=histogram, signals=signals)


def judge(columns: Iterable[ColumnDrift], options: DriftOptions) -> list[ColumnDrift]:
    """Adjust the deciding p-values across all columns, and the signals' among themselves, then give verdicts."""
    listed = list(columns)
    adjusted = v.adjust([column.measures[_DECIDING[column.kind]].p_value for column in listed])
    signal_ps = [
        (at, name, signal.p_value) for at, column in enumerate(listed) for name, signal in column.signals.items()
    ]
    signals = {
        (at, name): p for (at, name, _), p in zip(signal_ps, v.adjust([p for _, _, p in signal_ps]), strict=True)
    }
    return [
        _judge(column, p, {name: signals[at, name] for name in column.signals}, options)
        for at, (column, p) in enumerate(zip(listed, adjusted, strict=True))
    ]


def _judge(
    column: ColumnDrift, p_adjusted: float | None, signals: dict[str, float | None], options: DriftOptions
) -> ColumnDrift:
    level = options.false_discovery_rate
    deciding = _DECIDING[column.kind]
    found = {**column.measures, deciding: replace(column.measures[deciding], p_adjusted=p_adjusted)}
    found = v.with_alerts(found, level)
    rows = column.quality["current"].n_rows
    usable = column.n_reference, column.n_current
    verdict = v.column_verdict(column.kind, found, rows, usable, options.minimum_rows, level)
    changed = {name: _alerted(column.signals[name], p, level) for name, p in signals.items()}
    judged = replace(column, measures=found, verdict=verdict, signals=changed)
    return replace(judged, text=_text(judged, options))


def _alerted(signal: Measure, p_adjusted: float | None, level: float) -> Measure:
    large = abs(signal.value or 0.0) >= (signal.threshold or 0.0)
    return replace(signal, p_adjusted=p_adjusted, alert=large and p_adjusted is not None and p_adjusted < level)


def _text(column: ColumnDrift, options: DriftOptions) -> str | None:
    """Say what stands out and no number in the row of measures tells."""
    said = []
    if column.verdict is Verdict.CRITICAL:
        n_rows = column.quality["current"].n_rows
        return f"None of the {n_rows} current rows holds a usable value: {_what_instead(column.quality['current'])}."
    if not column.n_reference and not column.n_current:
        return "Neither side has a usable value: there is nothing to compare."
    if column.verdict is Verdict.INSUFFICIENT_DATA:
        usable = f"{column.n_reference} in the reference, {column.n_current} in the current data"
        said.append(f"Too few usable values ({usable}; {options.minimum_rows} are needed on each side).")
    for name, signal in column.signals.items():
        if signal.alert:
            after = getattr(column.quality["current"], f"{name}_ratio")
            before = percent(after - (signal.value or 0.0), 1)
            said.append(f"{SIGNALS[name].capitalize()}: {before} before, {percent(after, 1)} now.")
    return " ".join(said) or None


def _what_instead(quality: Quality) -> str:
    """Say what the rows hold that none can be used: all are blank, of the wrong type, infinite, or some of each."""
    ratios = {
        "blank": quality.missing_ratio,
        "of the wrong type": quality.wrong_type_ratio,
        "infinite": quality.infinite_ratio,
    }
    held = {name: ratio for name, ratio in ratios.items() if ratio}
    if len(held) == 1:
        return f"all are {next(iter(held))}"
    return ", ".join(f"{percent(ratio, 1)} are {name}" for name, ratio in held.items())


_NUMERIC_NAMES = ("wasserstein_normed", "ks", "psi", "js", "hellinger", "energy")


def _numeric(column: NumericColumn) -> tuple[dict[str, Measure], Histogram | None]:
    pair = pair_of(column.reference.finite, column.current.finite)
    distance, p_value = measures.ks(pair)
    found = {
        "wasserstein_normed": Measure(measures.wasserstein_normed(pair), threshold=v.DRIFT_WASSERSTEIN),
        "ks": Measure(distance, p_value, threshold=v.WARN_KS),
        "energy": Measure(measures.energy(pair)),
    }
    if not pair.is_complete:
        return found | {name: Measure(None) for name in _NUMERIC_NAMES if name not in found}, None
    counts = numeric_counts(pair.reference, pair.current)
    found |= _share_measures(*counts)
    if pair.reference_is_constant:
        found["l_infinity"] = Measure(measures.l_infinity(*counts), threshold=v.DRIFT_CATEGORICAL)
    return found, numeric_histogram(pair)


def _categorical(column: CategoricalColumn) -> tuple[dict[str, Measure], Histogram | None]:
    counts = column.reference.counts, column.current.counts
    statistic, p_value = measures.chi2(*counts)
    found = {
        "chi2": Measure(statistic, p_value),
        "l_infinity": Measure(measures.l_infinity(*counts), threshold=v.DRIFT_CATEGORICAL),
        "cramers_v": Measure(measures.cramers_v(*counts), threshold=v.WARN_CATEGORICAL),
    } | _share_measures(*counts)
    return found, categorical_histogram(*counts, column.labels)


def _share_measures(reference: Counts, current: Counts) -> dict[str, Measure]:
    critical = measures.psi_critical(reference, current)
    return {
        "psi": Measure(
            measures.psi(reference, current), threshold=None if critical is None else max(v.WARN_PSI, critical)
        ),
        "js": Measure(measures.js(reference, current), threshold=v.WARN_JS),
        "hellinger": Measure(measures.hellinger(reference, current), threshold=v.WARN_HELLINGER),
    }
