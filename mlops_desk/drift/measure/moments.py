"""What moments tell beside their distribution: the first, the last, and the gaps between them."""

import numpy as np

from mlops_desk.drift.pair import Floats


def span_of(moments: Floats) -> tuple[float | None, float | None]:
    """Return the first and the last of some moments (seconds since 1970); None without any."""
    return (float(moments.min()), float(moments.max())) if moments.size else (None, None)


def gaps_of(moments: Floats) -> tuple[float | None, float | None]:
    """Return the largest and the median gap (seconds) between distinct moments in order; None with fewer than two."""
    gaps = np.diff(np.unique(moments))
    return (float(gaps.max()), float(np.median(gaps))) if gaps.size else (None, None)
