"""Drift within segments: the rows that share a value of one column, each compared with its like in the reference."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.drift.records.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SegmentColumn:
    """One column within one segment.

    ``effect`` is the size that decides over its kind, ``p_adjusted`` the p-value corrected over all columns of all
    segments; ``decided_by`` names the measures and signals that made the verdict. ``of_quality``: what alarms is the
    quality of values alone.
    """

    name: str
    kind: str
    verdict: Verdict
    effect: float | None = None
    p_adjusted: float | None = None
    decided_by: tuple[str, ...] = ()
    text: str | None = None
    of_quality: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """The rows that share a value. ``value`` is None for those without any; ``is_rest`` pools what is rarer.

    One with too few rows on a side says insufficient data, and its columns are not compared. ``is_unknown`` pools the
    values that the reference does not have, ``names`` are the most frequent of them: there is nothing to hold them
    against. In a monitor ``alarm`` is the answer for the segment after the window, ``turned_at`` since when, and
    ``since`` gives each drifted column the start of the first window of its unbroken run of alarms (Unix times).
    """

    value: str | None
    verdict: Verdict
    n_reference: int
    n_current: int
    columns: tuple[SegmentColumn, ...] = ()
    n_drifted: int = 0
    is_rest: bool = False
    n_values: int = 1
    is_unknown: bool = False
    names: tuple[str, ...] = ()
    alarm: bool = False
    turned_at: float | None = None
    since: Mapping[str, float] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str | None, bool, bool]:
        """What tells a segment from the others of its column, window after window."""
        return self.value, self.is_rest, self.is_unknown


@dataclass(frozen=True, slots=True)
class SegmentDrift:
    """All segments of one column, the worst first; ``n_tests`` are the p-values that were corrected together."""

    column: str
    segments: tuple[Segment, ...]
    n_tests: int = 0
