"""Drift reports in words and cells: what moved, how far, and by which measure."""

from collections.abc import Mapping

from mlops_desk.drift.records.report import ColumnDrift, DriftReport
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.charts.bars import Bars
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import marks, numbers

SEVERITY = {
    Verdict.CRITICAL: 4, Verdict.DRIFT: 3, Verdict.WARNING: 2, Verdict.INSUFFICIENT_DATA: 1, Verdict.OK: 0,
    Verdict.NOT_COMPARED: -1,
}  # fmt: skip
_DECIDES = {
    "numeric": ("wasserstein_normed", "ks"),
    "time": ("wasserstein_normed", "ks"),
    "categorical": ("l_infinity", "chi2"),
    "boolean": ("l_infinity", "chi2"),
    "text": ("domain_auc", "ks"),
    "identifier": ("domain_auc", "ks"),
}
_NAMES = {
    "wasserstein_normed": "Wasserstein",
    "ks": "KS",
    "psi": "PSI",
    "js": "Jensen–Shannon",
    "hellinger": "Hellinger",
    "energy": "Energy",
    "chi2": "Chi-square",
    "l_infinity": "Largest change",
    "cramers_v": "Cramér's V",
    "missing": "Missing",
    "unseen": "Never seen",
    "domain_auc": "Told apart",
}
_LONG_NAMES = {
    "wasserstein_normed": "Wasserstein distance over the reference's standard deviation; decides for numbers",
    "ks": "Kolmogorov–Smirnov: largest distance of the two distribution functions; decides for numbers",
    "psi": "Population stability index",
    "js": "Jensen–Shannon distance",
    "hellinger": "Hellinger distance",
    "energy": "Energy distance (the square root)",
    "chi2": "Chi-square test; decides for categories",
    "l_infinity": "Largest change of a category's share; decides for categories",
    "cramers_v": "Cramér's V, without bias correction",
    "missing": "Change of the share of missing values",
    "unseen": "Share of categories, or of words, that the reference does not have",
    "domain_auc": "How well words tell the current texts from the reference's: 0.5 is not at all, 1 is always",
}
_HEADLINES = {
    Verdict.OK: "No drift",
    Verdict.WARNING: "Something has moved",
    Verdict.DRIFT: "The data has drifted",
    Verdict.CRITICAL: "Nothing usable arrives",
    Verdict.INSUFFICIENT_DATA: "Too few rows to judge",
    Verdict.NOT_COMPARED: "Nothing was compared",
}


def headline(report: DriftReport) -> tuple[str, str]:
    """Return the verdict as a sentence, and what it rests on."""
    data = report.dataset
    moved = f"{data.n_drifted} of {numbers.count(data.n_columns, 'column')} moved. "
    sides = f"{numbers.count(data.n_current, 'row')} against {data.n_reference:,} of the reference. "
    extra = ""
    if data.missing_columns:
        extra += f"Missing: {', '.join(plain(name) for name in data.missing_columns[:5])}. "
    if data.new_columns:
        extra += f"New: {', '.join(plain(name) for name in data.new_columns[:5])}. "
    told = [alarm.text for alarm in report.quality if alarm.name not in {"missing_column", "new_column"}]
    extra += "".join(f"{plain(text)} " for text in told[:3])  # chosen: as many as stand above a table
    when = f"{numbers.ago(report.created_at)}." if report.created_at else ""
    return _HEADLINES[report.verdict], f"{moved}{extra}{sides}{when}"


def measure_title(name: str) -> str:
    """Return what a measure is called."""
    return _NAMES.get(name, plain(name))


def score(column: ColumnDrift) -> float | None:
    """Return the effect size that decides over the column."""
    measure = column.measures.get(_DECIDES.get(column.kind, ("",))[0])
    return measure.value if measure else None


def about_column(column: ColumnDrift) -> str:
    """Return what is to be said of a column beside its measures."""
    parts = [f"{column.kind}, {column.n_current:,} rows against {column.n_reference:,}"]
    if column.text:
        parts.append(column.text.removesuffix("."))
    now = column.quality.get("current")
    if now is not None:
        named = (
            ("missing", now.missing_ratio), ("infinite", now.infinite_ratio), ("of a wrong type", now.wrong_type_ratio),
            ("out of range", now.out_of_range_ratio), ("never seen before", now.unseen_ratio),
        )  # fmt: skip
        parts += [f"{numbers.percent(ratio, 1)} {name}" for name, ratio in named if ratio]
    return ". ".join(parts) + "."


def bars_of(column: ColumnDrift) -> Bars | None:
    """Return the column's histogram with a name for each bin; None when there is none."""
    histogram = column.histogram
    if histogram is None or not histogram.reference:
        return None
    names = list(histogram.labels) or [numbers.number(edge) for edge in histogram.edges[:-1]]
    count = min(len(names), len(histogram.reference), len(histogram.current))
    return Bars(histogram.reference[:count], histogram.current[:count], names[:count])


def _verdict_cell(column: ColumnDrift) -> Cell:
    mark = marks.VERDICT_MARKS[column.verdict]
    return Cell(mark.text, (SEVERITY[column.verdict], score(column) or 0.0), mark.token)


def _score_cell(column: ColumnDrift) -> Cell:
    value = score(column)
    return Cell(numbers.number(value), -1.0 if value is None else value)


def _report_cell(report: DriftReport) -> Cell:
    return Cell(numbers.ago(report.created_at), report.created_at or 0.0, tip=numbers.absolute(report.created_at))


def _report_verdict(report: DriftReport) -> Cell:
    mark = marks.VERDICT_MARKS[report.verdict]
    return Cell(mark.text, SEVERITY[report.verdict], mark.token)


def _moved_cell(report: DriftReport) -> Cell:
    return Cell(f"{report.dataset.n_drifted}/{report.dataset.n_columns}", report.dataset.n_drifted)


def _value(row: tuple[str, Measure]) -> Cell:
    return Cell(numbers.number(row[1].value), row[1].value if row[1].value is not None else -1.0)


def _p(row: tuple[str, Measure]) -> Cell:
    measure = row[1]
    shown = measure.p_adjusted if measure.p_adjusted is not None else measure.p_value
    tip = f"p {numbers.number(measure.p_value)}, adjusted for all columns {numbers.number(measure.p_adjusted)}"
    return Cell(numbers.number(shown, 2), 2.0 if shown is None else shown, tip=tip if shown is not None else "")


def _alert(row: tuple[str, Measure]) -> Cell:
    if row[1].alert is None:
        return Cell("", 0)
    mark = marks.VERDICT_MARKS[Verdict.WARNING] if row[1].alert else marks.VERDICT_MARKS[Verdict.OK]
    return Cell(f"{mark.shape} {'over' if row[1].alert else 'ok'}", int(row[1].alert), mark.token)


REPORT_COLUMNS: tuple[Column[DriftReport], ...] = (
    Column("created", "When", _report_cell, stretch=True),
    Column("verdict", "Verdict", _report_verdict),
    Column("moved", "Moved", _moved_cell, right=True),
)
COLUMNS: tuple[Column[ColumnDrift], ...] = (
    Column("name", "Column", lambda column: Cell(plain(column.name), tip=column.name), stretch=True),
    Column("verdict", "Verdict", _verdict_cell),
    Column("score", "Score", _score_cell, right=True),
)
MEASURE_COLUMNS: tuple[Column[tuple[str, Measure]], ...] = (
    Column(
        "name",
        "Measure",
        lambda row: Cell(measure_title(row[0]), tip=_LONG_NAMES.get(row[0], row[0])),
        stretch=True,
        whole=True,
    ),
    Column("value", "Value", _value, right=True),
    Column("threshold", "Limit", lambda row: Cell(numbers.number(row[1].threshold)), right=True, spare=True),
    Column("p", "p", _p, right=True),
    Column("alert", "", _alert),
)


def newest_reports(reports: Mapping[str, DriftReport] | None) -> dict[str, DriftReport]:
    """Return the newest report of each endpoint; files that were compared count as the endpoint ""."""
    newest: dict[str, DriftReport] = {}
    for report in (reports or {}).values():
        known = newest.get(report.endpoint or "")
        if known is None or (report.created_at or 0.0) > (known.created_at or 0.0):
            newest[report.endpoint or ""] = report
    return newest
