"""What stands behind a comparison of whole rows: which rows and columns took part, and which give the sides away."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.records.drift.verdict import Verdict


@dataclass(frozen=True, slots=True)
class TellingColumn:
    """A column by which the domain classifier tells the sides apart.

    ``loss`` is by how much its AUC (0-1) falls once the column's values are shuffled, on rows it had no part in
    learning; ``standard_error`` that of the mean over its folds.
    """

    name: str
    loss: float
    standard_error: float | None = None


@dataclass(frozen=True, slots=True)
class JointDrift:
    """A comparison of whole rows. The measures are ``DriftReport.multivariate``'s ``mmd2`` and ``domain_auc``.

    ``verdict`` is theirs and moves no other. ``n_reference`` and ``n_current`` are the rows drawn of either side,
    ``columns`` took part, ``left_out`` says of each other why not. ``telling`` begins with the most telling column.
    ``bandwidth`` is the kernel's (in reference deviations), ``permutations`` how often either measure's rows were dealt
    anew, ``notes`` what could not be computed and what to do about it.
    """

    verdict: Verdict
    n_reference: int
    n_current: int
    columns: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    telling: tuple[TellingColumn, ...] = ()
    bandwidth: float | None = None
    permutations: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
