"""How much of what a model looks at has drifted: columns weighted by what they mean to it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WeightedColumn:
    """A compared column with its weight, and ``score`` = weight times how bad its verdict is (each 0-1)."""

    name: str
    weight: float
    score: float


@dataclass(frozen=True, slots=True)
class WeightedDrift:
    """The weights that somebody gave, and what they make of a report.

    ``columns`` begins with what matters most: by score, then by weight. Weights are shares (0-1, together 1) of those
    of the compared columns. ``drifted_ratio`` is the share of the weight whose columns drifted, None where no compared
    column has one. ``unweighted`` are compared columns without a weight, ``unknown`` weighted names that are not
    compared.
    """

    columns: tuple[WeightedColumn, ...]
    drifted_ratio: float | None
    score: float | None
    unweighted: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
