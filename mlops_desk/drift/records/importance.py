"""How much of what a model looks at has drifted: columns weighted by what they mean to it, and how that was found."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


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


class ImportanceMethod(StrEnum):
    """How it was found out what columns mean to a model.

    ``IMPURITY``      what scikit-learn's trees say: by how much their splits of a column part the classes
    ``GAIN``          what boosters of XGBoost and LightGBM say: what all splits of a column gain
    ``COEFFICIENTS``  of a linear model: how far a column's part of the sum moves over the rows
    ``PERMUTATION``   what is lost when the column is shuffled, in a score or in answers that stay as they were
    """

    IMPURITY = "feature_importances"
    GAIN = "gain"
    COEFFICIENTS = "coefficients"
    PERMUTATION = "permutation"


CHANGE = "change"
"""The metric of a permutation on rows without labels: how far the answers themselves change."""


@dataclass(frozen=True, slots=True)
class FoundWeight:
    """What was found of one column. ``mean`` below 0 is noise about 0: shuffling it has cost nothing.

    ``deviation`` is the standard deviation over the repeats (None where the model has said it: there are none).
    """

    mean: float
    deviation: float | None = None


@dataclass(frozen=True, slots=True)
class ComputedImportance:
    """What a model's columns mean to it, as it was found inside the model's container.

    ``model`` is the version that it is true of (``name/version``), ``at`` when (Unix time), ``n_rows`` by how many
    rows of the reference. Of a permutation: ``metric`` (``change`` where no row has a label) and ``baseline``, its
    value on the rows as they are (errors with their sign turned, so that larger is better), the repeats of each column,
    the seed, and ``why`` the model was not asked to say it itself.
    """

    method: ImportanceMethod
    columns: Mapping[str, FoundWeight]
    model: str
    at: float
    n_rows: int
    metric: str | None = None
    baseline: float | None = None
    n_repeats: int | None = None
    seed: int | None = None
    why: str | None = None
