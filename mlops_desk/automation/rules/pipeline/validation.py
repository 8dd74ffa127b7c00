"""Whether new data are data of the same kind: what drift's look at their quality says, as checks. Pure.

That they have moved is why one retrains, so no distance is asked about. A check fails where the data are broken: a
column is gone, holds another kind of values or far more nothing, or where most values are such as the reference never
had, which is another unit or another code and not drift.
"""

from collections.abc import Iterator

from mlops_desk.automation.records.pipelines.evidence import DataCheck
from mlops_desk.drift.records.report import ColumnDrift, DriftReport
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.text import plain

LEAST_ROWS = 30  # as for a window of answers: of fewer rows nothing is learned
STRANGE_SHARE = 0.5
"""Chosen: data that have drifted have some values beyond the reference's; where most are, they are other data."""
_BROKEN = {"missing": "missing", "infinite": "missing", "wrong_type": "type"}
_STRANGE = {"out_of_range": "range", "unseen": "category"}
_WORDS = {
    "missing": "are missing", "infinite": "are infinite", "wrong_type": "are of another type",
    "out_of_range": "lie outside the reference's range", "unseen": "are categories that the reference does not have",
}  # fmt: skip


class NotComparable(NotFound):
    """New data can't be held against what the champion was trained on: a retraining goes on, and says why."""


def checks_of(report: DriftReport) -> tuple[DataCheck, ...]:
    """Return what was looked at, what failed first."""
    found = [*_of_table(report), *(check for column in report.columns for check in _of_column(column))]
    return tuple(sorted(found, key=lambda one: one.passed is not False))


def _of_table(report: DriftReport) -> Iterator[DataCheck]:
    rows = report.dataset.n_current
    yield DataCheck("rows", rows >= LEAST_ROWS, f"There are {rows:,} rows; {LEAST_ROWS} are needed.")
    for name in report.dataset.missing_columns:
        yield DataCheck("schema", passed=False, text=f"The column {plain(name, 80)} is gone.", column=name)
    if not report.dataset.missing_columns:
        n = report.dataset.n_columns
        yield DataCheck("schema", passed=True, text=f"All {n} columns of the reference are there.")
    for alarm in report.quality:
        if alarm.name == "type_changed":
            yield DataCheck("type", passed=False, text=plain(alarm.text, 300), column=alarm.column)


def _of_column(column: ColumnDrift) -> Iterator[DataCheck]:
    for signal, kind in (_BROKEN | _STRANGE).items():
        share = _share(column, signal)
        if share is None:
            continue
        if signal in _BROKEN:
            found = column.signals.get(signal)
            alerted, limit = found is not None and bool(found.alert) and (found.value or 0.0) > 0, None
        else:
            alerted, limit = share > STRANGE_SHARE, STRANGE_SHARE
        if alerted or share > 0:
            text = f"{share:.1%} of the values of {plain(column.name, 80)} {_WORDS[signal]}."
            yield DataCheck(kind, not alerted, text, column.name, share, limit)


def _share(column: ColumnDrift, signal: str) -> float | None:
    quality = column.quality.get("current")
    found: float | None = None if quality is None else getattr(quality, f"{signal}_ratio")
    return found
