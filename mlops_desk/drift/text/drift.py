"""A drift report as text: the verdict, what was compared, and each column with what decided and why."""

import shlex
from collections.abc import Mapping

from mlops_desk.drift.records.report import ColumnDrift, DatasetDrift, DriftReport, QualityAlarm
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.drift.text.dataset_drift import beside
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.text.cells import number, table

_NAMED = 10  # chosen: two lines of a terminal; --json has all
_NAME = 60  # chosen: names of columns come from files
_NOTE = 400  # chosen: five lines of a terminal
_TEST = {
    "numeric": "ks",
    "time": "ks",
    "categorical": "chi2",
    "boolean": "chi2",
    "text": "domain_auc",
    "identifier": "domain_auc",
}
_SHORT = {
    "wasserstein_normed": "wasserstein",
    "l_infinity": "l-infinity",
    "cramers_v": "cramer's v",
    "ks": "ks",
    "domain_auc": "auc",
}


def report(report: DriftReport) -> str:
    """Return one report."""
    data = report.dataset
    lines = [
        f"Verdict: {report.verdict.replace('_', ' ')}. {data.n_drifted} of {data.n_columns} columns drifted.",
        f"Rows: {data.n_reference:,} in the reference, {data.n_current:,} in the current data.",
        *_about(data),
        *_alarms(report),
    ]
    if report.columns:
        heads = ["COLUMN", "KIND", "VERDICT", "EFFECT", "P ADJUSTED", "USABLE", "WHY"]
        compared = [column for column in report.columns if column.verdict is not Verdict.NOT_COMPARED]
        lines.append(table(heads, [_row(column) for column in compared]))
    return "\n".join([*lines, *beside(report)])


def _about(data: DatasetDrift) -> list[str]:
    told = [
        ("Quality has changed", data.quality_columns),
        ("Missing in the current data", data.missing_columns),
        ("New in the current data", data.new_columns),
        ("Without any value on either side", data.empty_columns),
    ]
    lines = [f"{what}: {_listed(names)}." for what, names in told if names]
    for reason in list(dict.fromkeys(data.left_out.values()))[:_NAMED]:
        names = tuple(name for name, why in data.left_out.items() if why == reason)
        lines.append(f"Left out: {_listed(names)}. {plain(reason, _NOTE)}")
    return lines + [plain(note, _NOTE) for note in data.notes]


def _alarms(report: DriftReport) -> list[str]:
    """Say what is wrong with the table; columns of one side only are named above, those that look alike here."""
    told = [alarm for alarm in report.quality if alarm.name not in {"missing_column", "new_column"}]
    lines = [f"Quality: {plain(alarm.text, _NOTE)}{_rename(alarm)}" for alarm in told[:_NAMED]]
    return lines + ([f"And {len(told) - _NAMED} more alarms of quality."] if len(told) > _NAMED else [])


def _rename(alarm: QualityAlarm) -> str:
    if alarm.name != "renamed_column" or alarm.other is None or alarm.column is None:
        return ""
    return f" If they are one: --rename {shlex.quote(f'{plain(alarm.other, _NAME)}={plain(alarm.column, _NAME)}')}"


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(plain(name, _NAME) for name in names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown


def _row(column: ColumnDrift) -> list[str]:
    test = column.measures.get(_TEST.get(column.kind, ""))
    return [
        column.name,
        column.kind,
        column.verdict.replace("_", " "),
        _effect(column),
        "–" if test is None else number(test.p_adjusted),
        f"{column.n_reference:,} / {column.n_current:,}",
        column.text or "",
    ]


def _effect(column: ColumnDrift) -> str:
    """Name the measures whose size decides, with their values."""
    found = column.measures
    if column.kind in {"text", "identifier"}:
        return _named(found, "domain_auc")
    if column.kind in {"categorical", "boolean"}:
        name = max(("l_infinity", "cramers_v"), key=lambda name: _size(found.get(name)))
        return _named(found, name)
    instead = "wasserstein_normed" if _size(found.get("wasserstein_normed")) >= 0 else "l_infinity"
    return f"{_named(found, instead)}, {_named(found, 'ks')}" if _size(found.get("ks")) >= 0 else "–"


def _size(measure: Measure | None) -> float:
    return -1.0 if measure is None or measure.value is None else measure.value


def _named(found: Mapping[str, Measure], name: str) -> str:
    measure = found.get(name)
    return "–" if measure is None or measure.value is None else f"{_SHORT[name]} {number(measure.value, 3)}"
