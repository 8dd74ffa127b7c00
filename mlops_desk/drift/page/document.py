"""A drift report as one HTML file: the verdict, the columns from the worst on, and of each what it rests on.

Everything that came from outside (names, categories, words, paths) is plain text, cut and escaped; the page forbids
itself scripts and addresses besides.
"""

from collections.abc import Iterable
from html import escape

from mlops_desk.base.text import percent, plain
from mlops_desk.drift.page.beside import beyond, sections
from mlops_desk.drift.page.charts import large, moment, small
from mlops_desk.drift.page.style import STYLE
from mlops_desk.records.drift import ColumnDrift, DriftReport, Measure, Quality, Verdict

_NAME = 120  # characters; chosen: what tells two names apart, and no more than three lines
_TEXT = 600  # chosen: a paragraph
_PATH = 300  # chosen: three lines
_NAMED = 100  # chosen: of more nobody reads the reasons
_WORST_FIRST = (
    Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING, Verdict.INSUFFICIENT_DATA, Verdict.OK, Verdict.NOT_COMPARED,
)  # fmt: skip
_HEADLINES = {
    Verdict.OK: "No drift",
    Verdict.WARNING: "Something has moved",
    Verdict.DRIFT: "The data have drifted",
    Verdict.CRITICAL: "Hardly anything usable arrives",
    Verdict.INSUFFICIENT_DATA: "Too few rows to judge",
    Verdict.NOT_COMPARED: "Nothing was compared",
}
_MEASURES = {
    "wasserstein_normed": "Wasserstein / deviation",
    "ks": "Kolmogorov–Smirnov D",
    "psi": "Population stability index",
    "js": "Jensen–Shannon (base 2)",
    "hellinger": "Hellinger",
    "energy": "Energy distance",
    "chi2": "Chi-square",
    "l_infinity": "Largest change of a share",
    "cramers_v": "Cramér's V",
    "missing": "Change of missing",
    "unseen": "Never seen",
    "domain_auc": "Told apart by words (AUC)",
}
_QUALITIES = (
    ("missing_ratio", "Missing"),
    ("infinite_ratio", "Infinite"),
    ("wrong_type_ratio", "Of the wrong type"),
    ("out_of_range_ratio", "Outside the reference's range"),
    ("unseen_ratio", "Never seen in the reference"),
    ("future_ratio", "In the future"),
)
_NAMED_ABOVE = {"missing_column", "new_column"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


def page(report: DriftReport) -> str:
    """Return a report as an HTML document."""
    ordered = sorted(report.columns, key=lambda column: (_WORST_FIRST.index(column.verdict), -_effect(column)))
    compared = [column for column in ordered if column.verdict is not Verdict.NOT_COMPARED]
    title = f"Drift: {_HEADLINES[report.verdict]}"
    return "".join(
        (
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>",
            _head(report),
            _overview(compared),
            sections(report),
            "<h2>Each column</h2>",
            *(_detail(column) for column in compared),
            _left_out(report),
            "</main></body></html>\n",
        )
    )


def _head(report: DriftReport) -> str:
    data = report.dataset
    facts = (
        (f"{data.n_drifted} of {data.n_columns}", "compared columns drifted"),
        (f"{data.n_reference:,}", "rows in the reference"),
        (f"{data.n_current:,}", "rows in the current data"),
        (f"{len(data.left_out):,}", "columns left out"),
    )
    tiles = "".join(f"<div><b>{value}</b><span>{what}</span></div>" for value, what in facts)
    said = [
        ("Reference", (report.reference or "",)),
        ("Current data", (report.current or "",)),
        ("Missing in the current data", data.missing_columns),
        ("New in the current data", data.new_columns),
        ("Without any value on either side", data.empty_columns),
        ("Quality of the table", tuple(alarm.text for alarm in report.quality if alarm.name not in _NAMED_ABOVE)),
        ("Read with trouble", data.notes),
    ]
    lines = "".join(f'<p class="dim name">{what}: {_listed(names)}</p>' for what, names in said if any(names))
    more = "".join(f"<p><b>{escape(one)}</b></p>" for one in beyond(report))
    head = f"<h1>{_HEADLINES[report.verdict]} {_mark(report.verdict)}</h1>"
    return f'{head}{more}{lines}<section class="facts">{tiles}</section>'


def _overview(columns: Iterable[ColumnDrift]) -> str:
    rows = "".join(
        f'<tr><td class="name">{_text(column.name, _NAME)}</td><td>{escape(column.kind)}</td>'
        f"<td>{_mark(column.verdict)}</td><td>{small(column)}</td>"
        f'<td class="right">{_number(_effect(column))}</td>'
        f'<td class="right">{_share(column, "reference")} → {_share(column, "current")}</td></tr>'
        for column in columns
    )
    return (
        '<h2>Columns <span class="dim" style="font-weight:400;font-size:14px"><span class="key one"></span>reference'
        '<span class="key two"></span>current</span></h2><div class="scroll"><table><thead><tr><th>Column</th>'
        '<th>Kind</th><th>Verdict</th><th>Distribution</th><th class="right">Effect</th>'
        f'<th class="right">Missing</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _detail(column: ColumnDrift) -> str:
    is_open = " open" if column.verdict in {Verdict.CRITICAL, Verdict.DRIFT, Verdict.WARNING} else ""
    about = f"{column.kind}, {column.role}; {column.n_current:,} usable values against {column.n_reference:,}"
    said = f'<p class="name">{_text(column.text, _TEXT)}</p>' if column.text else ""
    by = ", ".join(_MEASURES.get(name, name.replace("_", " ")) for name in column.decided_by)
    decided = f'<p class="dim">Decided by: {escape(by)}.</p>' if by else ""
    return (
        f'<details{is_open}><summary><b class="name">{_text(column.name, _NAME)}</b>{_mark(column.verdict)}'
        f'<span class="dim">{escape(about)}</span></summary><div>{said}{decided}<div class="halves">'
        f"<div>{large(column)}{_quality(column)}</div><div>{_measures(column)}</div></div></div></details>"
    )


def _measures(column: ColumnDrift) -> str:
    rows = "".join(
        f"<tr><td>{escape(_MEASURES.get(name, plain(name)))}</td>"
        f'<td class="right">{_number(one.value)}</td><td class="right">{_number(one.threshold)}</td>'
        f'<td class="right">{_number(_p(one))}</td></tr>'
        for name, one in column.measures.items()
    )
    return (
        '<table><thead><tr><th>Measure</th><th class="right">Value</th><th class="right">Limit</th>'
        f'<th class="right">p adjusted</th></tr></thead><tbody>{rows}</tbody></table>'
    )


def _quality(column: ColumnDrift) -> str:
    before, after = column.quality.get("reference"), column.quality.get("current")
    if before is None or after is None:
        return ""
    rows = [
        f'<tr><td>{what}</td><td class="right">{_percent(getattr(before, name))}</td>'
        f'<td class="right">{_percent(getattr(after, name))}</td></tr>'
        for name, what in _QUALITIES
        if getattr(before, name) or getattr(after, name)
    ]
    rows += _times(before, after)
    if not rows:
        return ""
    return (
        '<table><thead><tr><th>Quality</th><th class="right">Reference</th><th class="right">Current</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _times(before: Quality, after: Quality) -> list[str]:
    if before.earliest is None and after.earliest is None:
        return []
    told = [(what, [_moment(getattr(side, name)) for side in (before, after)]) for name, what in _ENDS]
    told += [(what, [_length(getattr(side, name)) for side in (before, after)]) for name, what in _GAPS]
    return [f'<tr><td>{what}</td><td class="right">{a}</td><td class="right">{b}</td></tr>' for what, (a, b) in told]


_ENDS = (("earliest", "First"), ("latest", "Last"))
_GAPS = (("largest_gap_seconds", "Largest gap"), ("median_gap_seconds", "Median gap"))


def _left_out(report: DriftReport) -> str:
    reasons = list(report.dataset.left_out.items())
    if not reasons:
        return ""
    rows = "".join(
        f'<tr><td class="name">{_text(name, _NAME)}</td><td>{_text(why, _TEXT)}</td></tr>'
        for name, why in reasons[:_NAMED]
    )
    more = f'<p class="dim">And {len(reasons) - _NAMED} more.</p>' if len(reasons) > _NAMED else ""
    head = "<thead><tr><th>Column</th><th>Why</th></tr></thead>"
    return f"<h2>Left out</h2><table>{head}<tbody>{rows}</tbody></table>{more}"


def _effect(column: ColumnDrift) -> float:
    """Return the size that decides over a column, to sort by and to show."""
    named = ("wasserstein_normed", "domain_auc", "l_infinity")
    values = [column.measures[name].value for name in named if name in column.measures]
    return max((value for value in values if value is not None), default=0.0)


def _p(measure: Measure) -> float | None:
    return measure.p_value if measure.p_adjusted is None else measure.p_adjusted


def _share(column: ColumnDrift, side: str) -> str:
    quality = column.quality.get(side)
    return _percent(None if quality is None else quality.missing_ratio)


def _percent(ratio: float | None) -> str:
    return "–" if ratio is None else escape(percent(ratio, 1))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _moment(seconds: float | None) -> str:
    return "–" if seconds is None else escape(moment(seconds))


def _length(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    size, unit = next((pair for pair in ((86400, "d"), (3600, "h"), (60, "min")) if seconds >= pair[0]), (1, "s"))
    return f"{seconds / size:.3g} {unit}"


def _mark(verdict: Verdict) -> str:
    return f'<span class="mark {verdict}">{verdict.replace("_", " ")}</span>'


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(_text(name, _PATH) for name in names[:10])
    return f"{shown} and {len(names) - 10} more" if len(names) > 10 else shown


def _text(text: str | None, limit: int) -> str:
    return escape(plain(text or "", limit))
