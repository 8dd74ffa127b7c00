"""Two profiles of one reference's making, compared: a window's sketches with the reference's.

The verdicts are those of a table that is compared with the profile; nothing of the data is read again.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mlops_desk.drift.profile.bin_edges import FrozenBins
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.drift.profile.profile import ColumnProfile, DataProfile
from mlops_desk.drift.profile.sketch_measures import measure_profiles
from mlops_desk.drift.profile.table_comparison import chosen_now
from mlops_desk.drift.profile.texts import TextSketch
from mlops_desk.drift.records.report import ColumnDrift, DriftOptions, DriftReport
from mlops_desk.drift.report import Tables, report_of

_NEVER_SENT = (
    "It has not been sent once since the monitor began, and no signature says that the model asks for it: is it what "
    "the model learned to tell?"
)


def compare_profiles(reference: DataProfile, current: DataProfile, options: DriftOptions) -> DriftReport:
    """Compare a window with its reference.

    A column that the window has no sketch of was not sent, and neither was a target or prediction without any value.
    Raises TypeError where the two were not made by the same reference.
    """
    tables, measured = measured_profiles(reference, current, options)
    return report_of(tables, measured, options)


def measured_profiles(
    reference: DataProfile, current: DataProfile, options: DriftOptions
) -> tuple[Tables, list[ColumnDrift]]:
    """Measure each column that is compared, and say what becomes of the others. Raises as ``compare_profiles``."""
    now = {one.column.name: one for one in current.columns}
    known = [(one, chosen_now(one, options)) for one in reference.columns]
    left_out = []
    missing = []
    measured = []
    for before, column in known:
        other = now.get(column.name)
        is_sent = other is not None and other.sketch is not None and not (column.role.may_lack and is_empty(other))
        if column.why_not is not None or column.kind is None:
            left_out.append(column)
        elif column.name in options.unsent and other is not None and is_empty(other):
            left_out.append(replace(column, why_not=_NEVER_SENT))
        elif other is not None and is_sent:
            measured.append(measure_profiles(before, other))
        elif column.role.may_lack:
            left_out.append(replace(column, why_not=f"A {column.role} that is not sent."))
        else:
            missing.append(column.name)
    tables = Tables(
        (),
        reference.n_rows,
        current.n_rows,
        missing_columns=tuple(missing),
        left_out=tuple(left_out),
        roles={column.name: column.role for _, column in known},
        frozen=tuple(one.column for one in reference.columns),
        rejected_reference=reference.n_rejected,
        rejected_current=current.n_rejected,
        notes=tuple(dict.fromkeys((*reference.notes, *current.notes))),
    )
    return tables, measured


def is_empty(one: ColumnProfile) -> bool:
    """Tell whether a window has no value of a column at all: it may not have been sent."""
    side = one.sketch.lengths if isinstance(one.sketch, TextSketch) else one.sketch
    return side is not None and side.n_missing == side.n_rows


def middles(reference: DataProfile, current: DataProfile) -> Mapping[str, tuple[float | None, float | None]]:
    """Return the medians of each column of numbers or moments, of the reference and of the window."""
    now = {one.column.name: one for one in current.columns}
    return {
        one.column.name: (middle(one), middle(now[one.column.name]) if one.column.name in now else None)
        for one in reference.columns
        if isinstance(one.sketch, NumericSketch)
    }


def middle(one: ColumnProfile) -> float | None:
    """Return the median of a column's numbers; None where it has none."""
    if not isinstance(one.sketch, NumericSketch) or one.frame is None:
        return None
    return next(iter(quantiles(one.frame, one.sketch, (0.5,))), None)


def quantiles(frame: FrozenBins, sketch: NumericSketch, shares: tuple[float, ...]) -> tuple[float, ...]:
    """Return the values below which such shares of the numbers lie, linear within a bin; nothing without numbers.

    Within the bin of the right one: off by no more than that is wide. Not finite where the unit takes it beyond a
    double.
    """
    n = sketch.n_usable
    if not n or sketch.least is None or sketch.most is None:
        return ()
    heights = np.cumsum(sketch.counts) / n
    lower = np.concatenate([[sketch.least], np.maximum(frame.edges, sketch.least)])
    upper = np.concatenate([np.minimum(frame.edges, sketch.most), [sketch.most]])
    found = []
    for share in shares:
        at = int(np.searchsorted(heights, share, "left"))
        at = min(at, heights.size - 1)
        below = float(heights[at - 1]) if at else 0.0
        within = (share - below) / max(float(heights[at]) - below, 1e-300)
        value = lower[at] + (max(upper[at], lower[at]) - lower[at]) * min(max(within, 0.0), 1.0)
        with np.errstate(over="ignore"):
            found.append(float(np.ldexp(value, frame.exponent)))
    return tuple(found)
