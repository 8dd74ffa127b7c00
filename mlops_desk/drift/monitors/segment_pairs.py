"""A window and its reference compared as a whole and segment by segment, all p-values corrected together.

So a window with ten segments raises no more false alarms than one without. A segment has the columns, the kinds and the
bins of the whole; the one of values that the reference does not have is named and never compared.
"""

from collections.abc import Iterator
from dataclasses import replace

from mlops_desk.drift.profile.cut import PartKind
from mlops_desk.drift.profile.pairing import compare_profiles, measured_profiles
from mlops_desk.drift.profile.profile import DataProfile, SegmentedRows
from mlops_desk.drift.report import judge, report_of_judged
from mlops_desk.drift.segments import UNKNOWN_SHOWN, n_tests, segment_of, worst_first
from mlops_desk.records.drift import ColumnDrift, DriftOptions, DriftReport, Verdict
from mlops_desk.records.drift.segments import Segment, SegmentDrift


def compare_segmented(reference: DataProfile, current: DataProfile, options: DriftOptions) -> DriftReport:
    """Compare a window with its reference, and by segment where both are told apart by the same values.

    Raises TypeError where the two were not made by the same reference.
    """
    before, now = reference.segments, current.segments
    if before is None or now is None:
        return compare_profiles(reference, current, options)
    if before.cut != now.cut:
        raise TypeError("the segments of the two are not of the same values")
    tables, whole = measured_profiles(reference, current, options)
    by_part = list(_measured(before, now, options))
    judged = judge([*whole, *(one for part in by_part for one in part)], options)
    report = report_of_judged(tables, judged[: len(whole)], options)
    segments, at = [], len(whole)
    for place, part in enumerate(by_part):
        facts = _facts(before, now, place)
        if facts.n_current or (facts.n_reference and not facts.is_unknown):
            segments.append(segment_of(facts, judged[at : at + len(part)]))
        at += len(part)
    name = before.cut.column.name
    return replace(report, segments=SegmentDrift(name, worst_first(segments), n_tests(judged)))


def _measured(before: SegmentedRows, now: SegmentedRows, options: DriftOptions) -> Iterator[list[ColumnDrift]]:
    """Measure the columns of each part; none where there is too little, or nothing to hold it against."""
    within = replace(options, ignored=tuple({*options.ignored, before.cut.column.name}))
    for (kind, _), first, second in zip(before.cut.parts, before.parts, now.parts, strict=True):
        is_small = min(first.n_rows, second.n_rows) < options.minimum_rows
        yield [] if is_small or kind is PartKind.UNKNOWN else measured_profiles(first, second, within)[1]


def _facts(before: SegmentedRows, now: SegmentedRows, place: int) -> Segment:
    kind, value = before.cut.parts[place]
    is_unknown = kind is PartKind.UNKNOWN
    by_count = sorted(zip(now.unknown.labels, now.unknown.counts, strict=True), key=lambda one: (-one[1], one[0]))
    n_values = {PartKind.OTHERS: len(before.cut.others), PartKind.UNKNOWN: len(now.unknown.labels)}.get(kind, 1)
    return Segment(
        value,
        Verdict.OK,
        before.parts[place].n_rows,
        now.parts[place].n_rows,
        is_rest=kind is PartKind.OTHERS,
        n_values=n_values,
        is_unknown=is_unknown,
        names=tuple(label for label, _ in by_count[:UNKNOWN_SHOWN]) if is_unknown else (),
    )
