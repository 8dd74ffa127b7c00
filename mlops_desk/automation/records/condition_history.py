"""How what rules watch went: the answer of ``rules courses``."""

from dataclasses import dataclass
from enum import StrEnum


class OfEach(StrEnum):
    """What a value is of its step: the most, least or mean that was measured, or the most that a counter had grown by.

    What fires at once is held against the most (or least), what has to last against the mean.
    """

    MEAN = "mean"
    MOST = "most"
    LEAST = "least"
    GROWTH = "growth"


@dataclass(frozen=True, slots=True)
class ConditionCurve:
    """One part of a condition (``condition``, in words) over time, of one ``thing`` of the class ``device``.

    ``values`` are in ``unit``, each for ``step_seconds`` from Unix time ``start`` on; None is a gap. It fires ``above``
    the ``threshold``, or below. Of the ``looked_at`` things it is one for which it holds, else the one that came
    nearest to the threshold.
    """

    condition: str
    device: str
    thing: str
    metric: str
    unit: str
    threshold: float
    above: bool
    of_each: OfEach
    start: float
    step_seconds: float
    values: tuple[float | None, ...]
    looked_at: int

    @property
    def last(self) -> float | None:
        """The newest value that is known."""
        return next((value for value in reversed(self.values) if value is not None), None)


@dataclass(frozen=True, slots=True)
class RuleCourse:
    """A rule with the curve of its condition, or with why there is none (``untold``)."""

    rule: str
    curve: ConditionCurve | None = None
    untold: str | None = None
