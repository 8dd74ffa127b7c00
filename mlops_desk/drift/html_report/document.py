"""A drift report as one HTML file: the verdict, the columns from the worst on, and of each what it rests on.

Everything that came from outside (names, categories, words, paths) is plain text, cut and escaped; the page forbids
itself scripts and addresses besides.

How a drift report looks as a page: light or dark as the reader's screen is, and readable on paper.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

from mlops_desk.drift.html_report.dataset_sections import beyond, sections
from mlops_desk.drift.records.columns import ColumnKind
from mlops_desk.drift.records.report import ColumnDrift, DriftReport, Histogram, Quality
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.kit.base.text import percent, plain

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --card: #f5f6f8; --line: #d7dae0; --text: #1c2128; --dim: #5b6472;
  --first: #7d8794; --second: #1f6fd0; --ok: #1a7f4b; --warning: #946200; --alert: #c0302b; }
@media (prefers-color-scheme: dark) { :root { --page: #16191e; --card: #1f242b; --line: #363d47; --text: #e4e7eb;
  --dim: #9aa4b2; --first: #8b95a3; --second: #62a8ff; --ok: #53c587; --warning: #e3ab3f; --alert: #ff7b72; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px; }
h2 { font-size: 18px; margin: 34px 0 10px; }
p { margin: 4px 0; }
.dim { color: var(--dim); }
.name { overflow-wrap: anywhere; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 18px 0 0; }
.facts div { background: var(--card); border: 1px solid var(--line); border-radius: 8px; padding: 10px 14px; }
.facts b { display: block; font-size: 20px; font-variant-numeric: tabular-nums; }
.facts span { color: var(--dim); font-size: 13px; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: 13px; }
th, td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: middle; }
th.right, td.right { text-align: right; white-space: nowrap; }
th.right + th:not(.right), td.right + td:not(.right) { padding-left: 20px; }
td.name { min-width: 120px; max-width: 300px; }
.mark { display: inline-block; padding: 1px 9px; border-radius: 10px; border: 1px solid currentColor; font-size: 13px;
  font-weight: 600; white-space: nowrap; }
.ok { color: var(--ok); } .warning { color: var(--warning); } .drift, .critical { color: var(--alert); }
.insufficient_data, .not_compared { color: var(--dim); }
details { border: 1px solid var(--line); border-radius: 8px; margin: 8px 0; background: var(--card); }
summary { cursor: pointer; padding: 9px 14px; display: flex; gap: 12px;
  align-items: center; flex-wrap: wrap; }
summary::before { content: "\\25b8"; color: var(--dim); }
details[open] summary::before { content: "\\25be"; }
details > div { padding: 2px 14px 14px; }

.halves { display: grid; grid-template-columns: repeat(auto-fit, minmax(330px, 1fr)); gap: 8px 28px; align-items:
  start; }
svg { display: block; max-width: 100%; height: auto; }
svg text { fill: var(--dim); font: 11px system-ui, sans-serif; }
.first { fill: var(--first); } .second { fill: var(--second); }
.line { fill: none; stroke: var(--second); stroke-width: 1.6; } .axis { stroke: var(--line); }
.key { display: inline-block; width: 11px; height: 11px; border-radius: 2px; margin: 0 5px 0 12px; }
.key.one { background: var(--first); } .key.two { background: var(--second); }
@media print { details { break-inside: avoid; } body { font-size: 12px; } }
"""


# Histograms of a drift report as SVG: the reference as bars, the current data as a line over them, or beside.
_WIDE, _HIGH = 520, 150  # chosen: two stand beside each other on a screen of 1280
_SMALL_WIDE, _SMALL_HIGH = 120, 28  # chosen: a row of a table
_ROW = 18  # a label of 11 pixels and air
_LABEL_WIDE = 150  # chosen: what of a category is read at a glance
_LABEL = 24  # characters in that width
_PERCENT_WIDE = 46  # "100.0 %" in 11 pixels
_SPAN_OF_DAYS = 3 * 86400.0  # chosen: over more the hour tells nothing


def small(column: ColumnDrift) -> str:
    """Return a column's distributions for a row of a table; nothing where there are none."""
    histogram = column.histogram
    return "" if histogram is None else _columns(histogram, _SMALL_WIDE, _SMALL_HIGH, ())


def large(column: ColumnDrift) -> str:
    """Return a column's distributions with their scale; nothing where there are none."""
    histogram = column.histogram
    if histogram is None:
        return ""
    if histogram.labels:
        return _rows(histogram)
    ends = (histogram.edges[0], histogram.edges[-1])
    return _columns(histogram, _WIDE, _HIGH, (_edge(column, ends[0], ends), _edge(column, ends[1], ends)))


def _columns(histogram: Histogram, width: int, height: int, ends: Sequence[str]) -> str:
    highest = max((*histogram.reference, *histogram.current), default=0.0) or 1.0
    step = width / max(1, len(histogram.reference))
    bars = "".join(
        f'<rect class="first" x="{at * step:.1f}" y="{height - share / highest * height:.1f}" '
        f'width="{max(step - 1, 0.5):.1f}" height="{share / highest * height:.1f}"/>'
        for at, share in enumerate(histogram.reference)
        if share
    )
    path = " ".join(
        f"{'L' if at else 'M'}{at * step:.1f} {height - share / highest * height:.1f}H{(at + 1) * step:.1f}"
        for at, share in enumerate(histogram.current)
    )
    below = 16 if ends else 1
    texts = ""
    if ends:
        texts = (
            f'<line class="axis" x1="0" x2="{width}" y1="{height}" y2="{height}"/>'
            f'<text x="0" y="{height + 13}">{escape(ends[0])}</text>'
            f'<text x="{width}" y="{height + 13}" text-anchor="end">{escape(ends[1])}</text>'
        )
    return _svg(width, height + below, f'{bars}<path class="line" d="{path}"/>{texts}')


def _rows(histogram: Histogram) -> str:
    """Return a pair of bars for each category, with its name and both shares."""
    highest = max((*histogram.reference, *histogram.current), default=0.0) or 1.0
    room = _WIDE - _LABEL_WIDE - _PERCENT_WIDE
    parts = []
    for at, (name, before, after) in enumerate(
        zip(histogram.labels, histogram.reference, histogram.current, strict=False)
    ):
        top = at * 2 * _ROW
        shown = escape(plain(name, _LABEL) or "(empty)")
        parts.append(f'<text x="{_LABEL_WIDE - 8}" y="{top + _ROW + 2}" text-anchor="end">{shown}</text>')
        for place, (share, kind) in enumerate(((before, "first"), (after, "second"))):
            y = top + 3 + place * (_ROW - 3)
            wide = share / highest * room
            parts.append(f'<rect class="{kind}" x="{_LABEL_WIDE}" y="{y}" width="{wide:.1f}" height="{_ROW - 6}"/>')
            parts.append(f'<text x="{_LABEL_WIDE + wide + 5:.1f}" y="{y + 10}">{share:.1%}</text>')
    return _svg(_WIDE, len(histogram.labels) * 2 * _ROW + 2, "".join(parts))


def _svg(width: int, height: int, inside: str) -> str:
    about = "The distribution of the reference and of the current data"
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{about}">'
        f"{inside}</svg>"
    )


def _edge(column: ColumnDrift, value: float, ends: tuple[float, float]) -> str:
    return moment(value, ends[1] - ends[0]) if column.kind == ColumnKind.TIME else f"{value:.4g}"


def moment(seconds: float, span: float = 0.0) -> str:
    """Return a moment in UTC, as a day where the whole ``span`` (seconds) is one of days."""
    try:
        found = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{seconds:.4g} s"
    return f"{found:%Y-%m-%d}" if span > _SPAN_OF_DAYS else f"{found:%Y-%m-%d %H:%M}"


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
