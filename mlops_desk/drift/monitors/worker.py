"""The worker that judges windows: ``python -m mlops_desk.drift.monitors.worker``, one request on stdin.

Request: {"reference": path of a profile, "windows": paths of profiles, "options": DriftOptions}. A window may be held
against the one before it: with "previous" true the first window's reference is the file, each other's is the one
before. The answer, for each window: {"report": DriftReport, "middles": column -> [before, now]}.

A window and its reference compared as a whole and segment by segment, all p-values corrected together.

So a window with ten segments raises no more false alarms than one without. A segment has the columns, the kinds and the
bins of the whole; the one of values that the reference does not have is named and never compared.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.drift.profile.file_format import read_profile
from mlops_desk.drift.profile.profile import DataProfile, SegmentedRows
from mlops_desk.drift.profile.profile_comparison import compare_profiles, measured_profiles, middles
from mlops_desk.drift.profile.segment_values import PartKind
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport
from mlops_desk.drift.records.segments import Segment, SegmentDrift
from mlops_desk.drift.records.verdict import Verdict
from mlops_desk.drift.report import judge, report_of_judged
from mlops_desk.drift.segments import UNKNOWN_SHOWN, n_tests, segment_of, worst_first
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain


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


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Invalid."""
    options = wire.from_builtins(request.get("options") or {}, DriftOptions)
    reference = _read(request["reference"])
    found = []
    for path in request["windows"]:
        window = _read(path)
        found.append(_judged(reference, window, options))
        if request.get("previous"):
            reference = window
    return found


def _judged(reference: DataProfile, window: DataProfile, options: DriftOptions) -> dict[str, Any]:
    try:
        report = compare_segmented(reference, window, options)
    except TypeError as error:
        text = "The window and its reference were not made alike, so they can't be compared."
        raise Invalid(text, "Take the monitor's reference anew.") from error
    return {"report": wire.to_builtins(report), "middles": {k: list(v) for k, v in middles(reference, window).items()}}


def _read(path: str) -> DataProfile:
    try:
        return read_profile(Path(path))
    except OSError as error:
        raise Invalid(f"{plain(path, 1000)} can't be read: {error.strerror}.", "Check its permissions.") from error


if __name__ == "__main__":
    serve_one(answer)
