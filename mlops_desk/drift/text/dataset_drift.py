"""What a drift report tells beside its columns: rows as wholes, segments, and how much of what matters has drifted."""

from mlops_desk.drift.records.importance import WeightedDrift
from mlops_desk.drift.records.report import DriftReport, JointDrift
from mlops_desk.drift.records.segments import Segment, SegmentDrift
from mlops_desk.drift.records.verdict import Measure
from mlops_desk.kit.base.text import percent, plain
from mlops_desk.kit.text.cells import number, table

_NAMED = 10  # chosen: two lines of a terminal; --json has all
_NAME = 60  # chosen: names of columns come from files
_NOTE = 400  # chosen: five lines of a terminal


def beside(report: DriftReport) -> list[str]:
    """Return the lines; none where nothing was asked for."""
    lines = []
    if report.joint is not None:
        lines += _joint(report.joint, report.multivariate.get("mmd2"), report.multivariate.get("domain_auc"))
    if report.segments is not None:
        lines += _segments(report.segments)
    if report.importance is not None:
        lines += _importance(report.importance)
    return lines


def _joint(joint: JointDrift, mmd: Measure | None, domain: Measure | None) -> list[str]:
    rows = f"{joint.n_reference:,} rows of the reference against {joint.n_current:,}, {len(joint.columns)} columns"
    lines = [
        f"Rows as wholes: {joint.verdict.replace('_', ' ')}; {rows}.",
        f"  MMD² {_measure(mmd)}; domain classifier: AUC {_measure(domain)}",
    ]
    if joint.telling:
        told = ", ".join(f"{plain(one.name, _NAME)} ({one.loss:.2g})" for one in joint.telling)
        lines.append(f"  The current rows are given away by: {told}.")
    for reason in dict.fromkeys(joint.left_out.values()):
        names = [plain(name, _NAME) for name, why in joint.left_out.items() if why == reason]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        lines.append(f"  Left out: {', '.join(names[:_NAMED])}{more}. {plain(reason, _NOTE)}")
    return lines + [f"  {plain(note, _NOTE)}" for note in joint.notes]


def _measure(measure: Measure | None) -> str:
    if measure is None or measure.value is None:
        return "–"
    limit = "" if measure.threshold is None else f", limit {number(measure.threshold, 3)}"
    return f"{number(measure.value, 3)} (p {number(measure.p_value, 3)}{limit})"


def _segments(found: SegmentDrift) -> list[str]:
    rows = [
        [
            name_of(segment),
            segment.verdict.replace("_", " "),
            f"{segment.n_reference:,} / {segment.n_current:,}",
            f"{segment.n_drifted} of {len(segment.columns)}",
            ", ".join(plain(one.name, _NAME) for one in segment.columns if one.verdict.is_alarm),
        ]
        for segment in found.segments
    ]
    heads = [plain(found.column, _NAME).upper(), "VERDICT", "ROWS", "DRIFTED", "COLUMNS"]
    return [f"Segments, corrected together over {found.n_tests} tests:", table(heads, rows)]


def name_of(segment: Segment) -> str:
    """Return what a segment is called: its value, or what stands for those without one, and for the rest."""
    if segment.is_unknown:
        return "(new to the reference)"
    if segment.is_rest:
        return f"({segment.n_values:,} other values)"
    return "(missing)" if segment.value is None else plain(segment.value, _NAME) or "(empty)"


def _importance(found: WeightedDrift) -> list[str]:
    if found.drifted_ratio is None or found.score is None:
        return ["No compared column has a weight."]
    lines = [
        f"{percent(found.drifted_ratio, 1)} of what matters to the model has drifted (score {number(found.score, 3)})."
    ]
    told = [f"{plain(one.name, _NAME)} ({percent(one.weight, 1)})" for one in found.columns if one.score > 0][:_NAMED]
    if told:
        lines.append(f"By weight: {', '.join(told)}.")
    for what, names in (("Without a weight", found.unweighted), ("Weighted and not compared", found.unknown)):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            lines.append(f"{what}: {', '.join(plain(name, _NAME) for name in names[:_NAMED])}{more}.")
    return lines
