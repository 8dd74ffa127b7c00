"""What a report's page tells beside the columns: rows as wholes, segments, and columns by what they mean to a model."""

from html import escape

from mlops_desk.drift.records.importance import WeightedDrift
from mlops_desk.drift.records.report import DriftReport
from mlops_desk.drift.records.segments import Segment
from mlops_desk.drift.records.verdict import Measure, Verdict
from mlops_desk.kit.base.text import percent, plain

_NAME = 120  # characters; as for columns
_TEXT = 600  # likewise
_SHOWN = 30  # chosen: of weighted columns; the others hardly weigh
_MEASURES = {"mmd2": "MMD² (RBF kernel)", "domain_auc": "Domain classifier (AUC)"}


def sections(report: DriftReport) -> str:
    """Return the sections that were asked for; nothing where none was."""
    return _joint(report) + _segments(report) + _importance(report.importance)


def beyond(report: DriftReport) -> tuple[str, ...]:
    """Say what has drifted though no column has as a whole: the page's headline is about columns alone."""
    if report.verdict.is_alarm:
        return ()
    told = []
    if report.joint is not None and report.joint.verdict.is_alarm:
        told.append("Rows as wholes have drifted: columns hang together otherwise than before.")
    segments = report.segments.segments if report.segments is not None else ()
    n_drifted = sum(one.verdict.is_alarm for one in segments)
    if n_drifted:
        told.append(f"Within {n_drifted} of {len(segments)} segments columns have drifted.")
    return tuple(told)


def _joint(report: DriftReport) -> str:
    joint = report.joint
    if joint is None:
        return ""
    rows = "".join(_measure(name, one) for name, one in report.multivariate.items())
    told = "".join(f"<li>{_text(one.name)}: the AUC falls by {one.loss:.2g}</li>" for one in joint.telling)
    given = f"<p>The current rows are given away by:</p><ul>{told}</ul>" if told else ""
    notes = [*joint.notes, *(f"{name}: {why}" for name, why in joint.left_out.items())]
    about = (
        f"{joint.n_reference:,} rows of the reference against {joint.n_current:,} of the current data, "
        f"{len(joint.columns)} columns together."
    )
    return (
        f'<h2>Rows as wholes {_mark(joint.verdict)}</h2><p class="dim">{about}</p><table><thead><tr><th>Measure</th>'
        '<th class="right">Value</th><th class="right">Limit</th><th class="right">p</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{given}"
        + "".join(f'<p class="dim name">{_text(note, _TEXT)}</p>' for note in notes)
    )


def _measure(name: str, one: Measure) -> str:
    cells = "".join(f'<td class="right">{_number(value)}</td>' for value in (one.value, one.threshold, one.p_value))
    return f"<tr><td>{escape(_MEASURES.get(name, plain(name)))}</td>{cells}</tr>"


def _segments(report: DriftReport) -> str:
    found = report.segments
    if found is None:
        return ""
    rows = "".join(
        f'<tr><td class="name">{_segment(one)}</td><td>{_mark(one.verdict)}</td>'
        f'<td class="right">{one.n_reference:,}</td><td class="right">{one.n_current:,}</td>'
        f'<td class="name">{_text(", ".join(c.name for c in one.columns if c.verdict.is_alarm), _TEXT)}</td></tr>'
        for one in found.segments
    )
    return (
        f'<h2>Segments by {_text(found.column)}</h2><p class="dim">Corrected together over {found.n_tests} tests.</p>'
        '<div class="scroll"><table><thead><tr><th>Value</th><th>Verdict</th><th class="right">Reference</th>'
        f'<th class="right">Current</th><th>Drifted columns</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _segment(one: Segment) -> str:
    if one.is_unknown:
        return "new to the reference"
    if one.is_rest:
        return f"{one.n_values:,} other values"
    return "missing" if one.value is None else _text(one.value) or "(empty)"


def _importance(found: WeightedDrift | None) -> str:
    if found is None or found.drifted_ratio is None:
        return ""
    rows = "".join(
        f'<tr><td class="name">{_text(one.name)}</td><td class="right">{escape(percent(one.weight, 1))}</td>'
        f'<td class="right">{_number(one.score)}</td></tr>'
        for one in found.columns[:_SHOWN]
    )
    return (
        f"<h2>By what matters to the model</h2><p>{escape(percent(found.drifted_ratio, 1))} of it has drifted.</p>"
        '<table><thead><tr><th>Column</th><th class="right">Weight</th><th class="right">Weighted severity</th></tr>'
        f"</thead><tbody>{rows}</tbody></table>"
    )


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3g}"


def _mark(verdict: Verdict) -> str:
    return f'<span class="mark {verdict}">{verdict.replace("_", " ")}</span>'


def _text(text: str, limit: int = _NAME) -> str:
    return escape(plain(text, limit))
