"""A report on a window as the monitor keeps it: each column's deciding score, and what moved. Pure.

Columns weigh by ``importance`` only in the order they are told in: a verdict is the same whatever they weigh.
"""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from mlops_desk.drift.profile.profile import DataProfile
from mlops_desk.drift.profile.profile_comparison import is_empty
from mlops_desk.drift.records.monitors import ColumnScore, JudgedWindow, Monitor
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport
from mlops_desk.drift.records.segments import Segment
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.kit.base.text import plain

_EFFECT = {
    "numeric": ("wasserstein_normed", "ks"),
    "time": ("wasserstein_normed", "ks"),
    "categorical": ("l_infinity", "chi2"),
    "boolean": ("l_infinity", "chi2"),
    "text": ("domain_auc", "domain_auc"),
    "identifier": ("domain_auc", "domain_auc"),
}
"""By a column's kind: the measure whose size decides, and the one whose p-value does."""
_NAME = 60  # chosen: names and values come from files
_LIMITS = {"wasserstein_normed": 0.1, "l_infinity": 0.1, "domain_auc": 0.65}
"""Where a measure begins to alarm (``measure.verdict``), for one that does not say it itself."""


def options_of(monitor: Monitor) -> DriftOptions:
    """Return how a monitor's windows are judged. What is not sent is named by the quality alarms, and not judged."""
    return DriftOptions(
        require_all_columns=False,
        columns=monitor.columns,
        ignored=tuple(monitor.suppressed),
        targets=monitor.targets,
        predictions=monitor.predictions,
        ids=monitor.ids,
        renamed=monitor.renamed,
        real_values=monitor.real_values,
    )


def never_sent(
    reference: DataProfile, windows: Sequence[DataProfile], recent: Iterable[JudgedWindow], inputs: Collection[str]
) -> tuple[str, ...]:
    """Return the columns that have had no value in any window, the new ones among them.

    Without a signature nobody knows which columns a model asks for: what is never sent is most likely what it has
    learned to tell, and that is no fault; a column that was sent once and is not any more is judged. Nothing is taken
    for unsent where ``inputs``, a model's by its signature, are known, nor where a window has no value at all.
    """
    judged = {name for window in recent for name in window.columns}
    empty = [{one.column.name for one in window.columns if is_empty(one)} for window in windows]
    compared = {one.column.name for one in reference.columns if one.sketch is not None}
    if inputs or not empty or any(names >= compared for names in empty):
        return ()
    return tuple(sorted(set.intersection(*empty) - judged))


def scores_of(
    report: DriftReport, middles: Mapping[str, tuple[float | None, float | None]]
) -> Mapping[str, ColumnScore]:
    """Return the score of each compared column; ``middles`` has the medians of columns of numbers, before and now."""
    return {
        column.name: _score(column, middles.get(column.name, (None, None)))
        for column in report.columns
        if column.verdict is not Verdict.NOT_COMPARED
    }


def _score(column: ColumnDrift, middles: tuple[float | None, float | None]) -> ColumnScore:
    quality = column.quality.get("current")
    missing = None if quality is None else quality.missing_ratio
    signal = _signal(column)
    if signal is not None:
        told = column.signals[signal]
        now = None if quality is None else _finite(getattr(quality, f"{signal}_ratio", None))
        before = None if now is None or told.value is None else now - told.value
        return ColumnScore(
            column.verdict, _finite(told.value), signal, told.threshold, told.p_adjusted, missing,
            before=before, now=now, label=signal, of_quality=True,
        )  # fmt: skip
    name, test = _deciding(column)
    measure, p_value = column.measures.get(name, Measure(None)), column.measures.get(test, Measure(None)).p_adjusted
    limit = measure.threshold if measure.threshold is not None else _LIMITS.get(name)
    label, before, now = _share(column) if middles == (None, None) else (None, *middles)
    return ColumnScore(
        column.verdict, _finite(measure.value), name, limit, p_value, missing, before=before, now=now, label=label
    )


def _signal(column: ColumnDrift) -> str | None:
    """Return the change of quality that made the verdict, where no measure of the values did."""
    if not column.verdict.is_alarm or not column.decided_by:
        return None
    of_values = [name for name in column.decided_by if name not in column.signals]
    signals = [name for name in column.decided_by if name in column.signals]
    return None if of_values or not signals else max(signals, key=lambda name: abs(column.signals[name].value or 0.0))


def _deciding(column: ColumnDrift) -> tuple[str, str]:
    name, test = _EFFECT.get(column.kind, ("l_infinity", "chi2"))
    measure = column.measures.get(name)
    if name == "wasserstein_normed" and (measure is None or measure.value is None) and "l_infinity" in column.measures:
        return "l_infinity", test  # a reference that stands still has no deviation to measure by
    return name, test


def _share(column: ColumnDrift) -> tuple[str | None, float | None, float | None]:
    """Return the value whose share changed most, with both shares."""
    found = column.histogram
    if found is None or not found.labels:
        return None, None, None
    rows = zip(found.labels, found.reference, found.current, strict=True)
    return max(rows, key=lambda row: abs(row[2] - row[1]), default=(None, None, None))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def ranked(window: JudgedWindow, importance: Mapping[str, float]) -> list[tuple[str, ColumnScore]]:
    """Return the columns that alarm: the worst first, and of equals the one that weighs and has moved most."""

    def place(item: tuple[str, ColumnScore]) -> tuple[bool, float, str]:
        name, score = item
        beyond = abs(score.score or 0.0) / score.limit if score.limit else abs(score.score or 0.0)
        return score.verdict is not Verdict.CRITICAL, -beyond * importance.get(name, 1.0), name

    return sorted(_alarming(window.columns.items()), key=place)


def _alarming(columns: Iterable[tuple[str, ColumnScore]]) -> Iterable[tuple[str, ColumnScore]]:
    return ((name, score) for name, score in columns if score.verdict.is_alarm)


def is_broken(columns: Mapping[str, ColumnScore]) -> bool:
    """Tell whether all that alarms is the quality of values: the data are broken, and have not moved."""
    found = [score for _, score in _alarming(columns.items())]
    return bool(found) and all(score.of_quality or score.verdict is Verdict.CRITICAL for score in found)


def is_broken_window(window: JudgedWindow) -> bool:
    """Tell it of a window with its segments: some alarm, and all of them of the quality of values alone."""
    segments = window.segments.segments if window.segments is not None else ()
    inside = [one for segment in segments for one in segment.columns if one.verdict.is_alarm]
    of_segments = all(one.of_quality or one.verdict is Verdict.CRITICAL for one in inside)
    whole = is_broken(window.columns)
    return of_segments and (whole or (bool(inside) and not any(_alarming(window.columns.items()))))


def judged_anew(
    window: JudgedWindow, report: DriftReport, middles: Mapping[str, tuple[float | None, float | None]]
) -> JudgedWindow:
    """Return a window as a report has it; how the monitor stood after it stays."""
    known = {one.key: one for one in window.segments.segments} if window.segments is not None else {}
    segments = report.segments and replace(
        report.segments,
        segments=tuple(
            one
            if (was := known.get(one.key)) is None
            else replace(one, alarm=was.alarm, turned_at=was.turned_at, since=was.since)
            for one in report.segments.segments
        ),
    )
    return replace(
        window,
        verdict=report.verdict,
        columns=scores_of(report, middles),
        drifted_ratio=report.dataset.drifted_ratio,
        quality=(*(alarm.text for alarm in report.quality), *unknown_values(report)),
        segments=segments,
    )


def unknown_values(report: DriftReport) -> tuple[str, ...]:
    """Say which values of the segment column the reference does not have: nothing can be held against them."""
    found = report.segments
    unknown = [one for one in found.segments if one.is_unknown] if found is not None else []
    return tuple(
        f"{one.n_current:,} of {report.dataset.n_current:,} rows have a value of {plain(found.column, _NAME)} that the "
        f"reference does not have{_listed(one)}: they are compared as part of the whole only."
        for one in unknown
        if found is not None
    )


def _listed(one: Segment) -> str:
    more = f" and {one.n_values - len(one.names):,} more" if one.n_values > len(one.names) else ""
    return f" ({', '.join(plain(name, _NAME) for name in one.names)}{more})" if one.names else ""
