"""Two samples of finite numbers, sorted once, so that every distance between them is one pass over the same arrays.

Values are scaled by a power of two when they are so large or so small that squares or differences
would leave the range of a double; that changes no digit, and ``exponent`` undoes it.
"""

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Counts: TypeAlias = NDArray[np.int64]

_ORDINARY_EXPONENT = 400  # of two; chosen: squares of such numbers are still doubles (2**1023)


@dataclass(frozen=True, slots=True)
class Pair:
    """``reference`` and ``current`` sorted, in units of 2**exponent.

    ``gaps`` are the distances between neighbours of the pooled sample and ``differences`` the empirical
    distribution functions' difference (reference minus current) over each gap; both are empty when a side is.
    """

    reference: Floats
    current: Floats
    gaps: Floats
    differences: Floats
    exponent: int

    @property
    def is_complete(self) -> bool:
        """Both sides have values, so that distances are defined."""
        return bool(self.reference.size and self.current.size)

    @property
    def reference_is_constant(self) -> bool:
        return bool(self.reference.size) and bool(self.reference[0] == self.reference[-1])


def pair_of(reference: Floats, current: Floats) -> Pair:
    """Sort two samples of finite numbers (any order) and compare their distribution functions."""
    first, second = np.sort(reference), np.sort(current)
    exponent = binary_exponent(first, second)
    if exponent:
        first, second = np.ldexp(first, -exponent), np.ldexp(second, -exponent)
    if not (first.size and second.size):
        nothing = np.empty(0)
        return Pair(first, second, nothing, nothing, exponent)
    pooled = np.concatenate([first, second])
    pooled.sort(kind="stable")  # two sorted runs: merged in one pass
    heights = np.searchsorted(first, pooled[:-1], "right") / first.size
    heights -= np.searchsorted(second, pooled[:-1], "right") / second.size
    return Pair(first, second, np.diff(pooled), heights, exponent)


def binary_exponent(*samples: Floats) -> int:
    """Return the power of two that brings sorted samples to at most about 1, or 0 when their size is harmless."""
    largest = max((abs(float(value)) for ordered in samples if ordered.size for value in ordered[[0, -1]]), default=0.0)
    exponent = math.frexp(largest)[1]
    return exponent if abs(exponent) > _ORDINARY_EXPONENT else 0
