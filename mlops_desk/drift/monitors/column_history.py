"""One column of a monitor over time: quantiles or shares of each window, beside the reference's. Pure."""

from collections.abc import Mapping, Sequence

from mlops_desk.drift.monitors.ports import SketchHead
from mlops_desk.drift.profile.bin_edges import FrozenBins
from mlops_desk.drift.profile.categories import CategorySketch
from mlops_desk.drift.profile.profile import DataProfile, Sketch, rows_of
from mlops_desk.drift.profile.profile_comparison import quantiles
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.monitors import QUANTILES, ColumnStory, ColumnWindow, JudgedWindow, Monitor
from mlops_desk.kit.base.errors import Hint, NotFound
from mlops_desk.kit.base.text import plain

SHARES = 12  # chosen: more colours nobody tells apart; the rest is what lacks to 1
_NAME = 60  # chosen: names of columns come from files


def story_of(
    monitor: Monitor,
    name: str,
    reference: DataProfile,
    found: Sequence[tuple[SketchHead, Sketch]],
    judged: Sequence[JudgedWindow],
) -> ColumnStory:
    """Return a column's story. Raises NotFound where the reference has no sketch of it."""
    column = next((one for one in reference.columns if one.column.name == name), None)
    if column is None or column.sketch is None:
        why = "" if column is None or column.column.why_not is None else f": {column.column.why_not}"
        hint = Hint(f"mlops-desk drift monitors show {monitor.name}", after=" shows what is watched.")
        raise NotFound(f"{plain(monitor.name)} compares no column {plain(name, _NAME)}{why}", hint)
    labels = _labels(column.sketch, [sketch for _, sketch in found])
    scores = {(one.window_start, one.window_end): one.columns.get(name) for one in judged}
    windows = []
    for head, sketch in found:
        score = scores.get((head.start, head.end))
        told = _told(column.frame, sketch, labels)
        verdict, value = (None, None) if score is None else (score.verdict, score.score)
        windows.append(ColumnWindow(head.start, head.end, rows_of(sketch), *told, value, verdict))
    newest = next((score for one in reversed(judged) if (score := one.columns.get(name)) is not None), None)
    first = ColumnWindow(0.0, 0.0, rows_of(column.sketch), *_told(column.frame, column.sketch, labels))
    kind = str(column.column.kind or "")
    measure, limit = (None, None) if newest is None else (newest.measure, newest.limit)
    return ColumnStory(monitor.id, name, kind, first, tuple(windows), measure, limit)


def _told(
    frame: FrozenBins | None, sketch: Sketch, labels: Sequence[str]
) -> tuple[float | None, tuple[float, ...], Mapping[str, float]]:
    """Return the share of missing values, quantiles and shares."""
    numbers = sketch.lengths if isinstance(sketch, TextSketch) else sketch
    missing = numbers.n_missing / numbers.n_rows if numbers.n_rows else None
    if isinstance(numbers, CategorySketch):
        counts = dict(zip(numbers.labels, numbers.counts, strict=True))
        n = max(1, numbers.n_usable)
        return missing, (), {label: counts.get(label, 0) / n for label in labels}
    return missing, () if frame is None else quantiles(frame, numbers, QUANTILES), {}


def _labels(reference: Sketch, windows: Sequence[Sketch]) -> list[str]:
    """Return the labels that are told apart: the most frequent of the reference and of all windows together."""
    weight: dict[str, float] = {}
    for side in (reference, *windows):
        if isinstance(side, CategorySketch) and side.n_usable:
            part = 1.0 if side is reference else 1.0 / max(1, len(windows))
            for label, count in zip(side.labels, side.counts, strict=True):
                weight[label] = weight.get(label, 0.0) + part * count / side.n_usable
    return sorted(weight, key=lambda label: (-weight[label], label))[:SHARES]
