"""Drift within segments: the rows that share a value of one column, each compared with its like in the reference."""

from dataclasses import dataclass

from mlops_desk.records.drift.verdict import Verdict


@dataclass(frozen=True, slots=True)
class SegmentColumn:
    """One column within one segment.

    ``effect`` is the size that decides over its kind, ``p_adjusted`` the p-value corrected over all columns of all
    segments; ``decided_by`` names the measures and signals that made the verdict.
    """

    name: str
    kind: str
    verdict: Verdict
    effect: float | None = None
    p_adjusted: float | None = None
    decided_by: tuple[str, ...] = ()
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """The rows that share a value. ``value`` is None for those without any; ``is_rest`` pools what is rarer.

    One with too few rows on a side says insufficient data, and its columns are not compared.
    """

    value: str | None
    verdict: Verdict
    n_reference: int
    n_current: int
    columns: tuple[SegmentColumn, ...] = ()
    n_drifted: int = 0
    is_rest: bool = False
    n_values: int = 1


@dataclass(frozen=True, slots=True)
class SegmentDrift:
    """All segments of one column, the worst first; ``n_tests`` are the p-values that were corrected together."""

    column: str
    segments: tuple[Segment, ...]
    n_tests: int = 0
