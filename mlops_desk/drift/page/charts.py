"""Histograms of a drift report as SVG: the reference as bars, the current data as a line over them, or beside."""

from collections.abc import Sequence
from datetime import UTC, datetime
from html import escape

from mlops_desk.base.text import plain
from mlops_desk.records.drift import ColumnDrift, Histogram
from mlops_desk.records.drift.columns import ColumnKind

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
