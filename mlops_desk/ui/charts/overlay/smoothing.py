"""The exponential moving average of a curve, without the pull to its beginning, as people know it from TensorBoard.

What is no number stays where it is and counts for nothing. Pure.
"""

import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_DECADES = 200.0  # powers of ten that a block may span: far from the end of a double on both sides


def smoothed(values: Array, weight: float) -> Array:
    """Return the average of each value and those before it, which count ``weight`` (0 to below 1) times less each."""
    finite = np.isfinite(values)
    if weight <= 0.0 or not finite.any():
        return values
    known = values[finite]
    largest = float(np.abs(known).max())
    scale = largest if largest > 0.0 else 1.0
    out = values.copy()
    out[finite] = _averaged(known / scale, weight) * scale
    return out


def _averaged(values: Array, weight: float) -> Array:
    """Return the debiased average of finite values of -1 to 1, block by block, each in one go."""
    length = max(1, min(values.size, int(_DECADES / -math.log10(weight))))
    out = np.empty_like(values)
    falling = weight ** np.arange(1, length + 1)
    rising = weight ** -np.arange(1.0, length + 1)
    state = 0.0
    for start in range(0, values.size, length):
        block = values[start : start + length]
        shrink = falling[: block.size]
        sums = shrink * (state + (1.0 - weight) * np.cumsum(block * rising[: block.size]))
        state = float(sums[-1])
        out[start : start + length] = sums
    counts = np.arange(1.0, values.size + 1)
    corrected: Array = out / -np.expm1(counts * math.log(weight))
    return corrected
