"""A learning curve as a page that stands alone: its sentence, a chart, its points. No script, every name escaped."""

import math
from html import escape

from mlops_desk.base.text import plain
from mlops_desk.drift.page.style import STYLE
from mlops_desk.records.pipelines.curve import CurveFit, CurvePoint, LearningCurve
from mlops_desk.rules.curves.course import scored

_WIDTH, _HEIGHT, _EDGE = 720, 320, 48  # chosen: half a page, with room for the numbers at the axes
_STEPS = 60  # chosen: a line that looks smooth


def page(curve: LearningCurve) -> str:
    """Return the page as HTML."""
    title = f"Learning curve of {plain(curve.model, 80)}/{plain(curve.version, 40)}"
    sentence = "" if curve.fit is None else f"<p>{escape(plain(curve.fit.sentence, 500))}</p>"
    rows = "".join(map(_row, curve.points))
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><main><h1>{escape(title)}</h1>{sentence}{_chart(curve)}"
        f"<table><thead><tr><th>Rows</th><th>Repeat</th><th>{escape(plain(curve.metric, 40))}</th><th>State</th></tr>"
        f"</thead><tbody>{rows}</tbody></table></main></body></html>\n"
    )


def _row(one: CurvePoint) -> str:
    value = None if one.value is None else one.value.value
    told = escape(plain(one.text, 200) or one.state)
    return f'<tr><td>{one.rows:,}</td><td>{one.repeat}</td><td>{_value(value)}</td><td class="name">{told}</td></tr>'


def _value(value: float | None) -> str:
    return "–" if value is None else f"{value:.4f}"


def _chart(curve: LearningCurve) -> str:
    spots = [(one.rows, one.value.value) for one in scored(curve) if one.value and one.value.value is not None]
    if not spots:
        return ""
    line = _line(curve.fit, min(rows for rows, _ in spots), 2 * curve.rows, higher=curve.higher_is_better)
    values = [value for _, value in (*spots, *line)]
    low, high = min(values), max(values)
    first, last = math.log(min(rows for rows, _ in spots)), math.log(2 * curve.rows)

    def at(rows: float, value: float) -> tuple[float, float]:
        across = (math.log(rows) - first) / max(last - first, 1e-9)  # one size alone lies at the left
        up = (value - low) / max(high - low, 1e-9)  # all alike: at the bottom
        return _EDGE + across * (_WIDTH - 2 * _EDGE), _HEIGHT - _EDGE - up * (_HEIGHT - 2 * _EDGE)

    dots = "".join(f'<circle class="second" cx="{x:.1f}" cy="{y:.1f}" r="4"/>' for x, y in (at(*one) for one in spots))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (at(*one) for one in line))
    bottom = _HEIGHT - _EDGE
    words = (
        f'<text x="{_EDGE}" y="{bottom + 20}">{min(rows for rows, _ in spots):,} rows</text>'
        f'<text x="{_WIDTH - _EDGE}" y="{bottom + 20}" text-anchor="end">{2 * curve.rows:,} rows (logarithmic)</text>'
        f'<text x="4" y="{_EDGE}">{high:.3f}</text><text x="4" y="{bottom}">{low:.3f}</text>'
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="The metric by the number of rows">'
        f'<path class="axis" d="M{_EDGE} {_EDGE}V{bottom}H{_WIDTH - _EDGE}" fill="none"/>'
        f'<polyline class="line" points="{path}"/>{dots}{words}</svg>'
    )


def _line(fit: CurveFit | None, first: float, last: float, *, higher: bool) -> list[tuple[float, float]]:
    if fit is None or fit.floor is None or fit.scale is None or fit.exponent is None:
        return []
    sizes = [first * (last / first) ** (step / _STEPS) for step in range(_STEPS + 1)]
    errors = [fit.floor + fit.scale * rows**-fit.exponent for rows in sizes]
    return [(rows, 1 - error if higher else error) for rows, error in zip(sizes, errors, strict=True)]
