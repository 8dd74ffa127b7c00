"""How well scores order rows of two classes: the area under the ROC curve, and how sure it is."""

import math

import numpy as np

from mlops_desk.drift.numerics import optimize
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.performance.intervals import DEVIATIONS, NOTHING, Interval


def placements(lower: Floats, higher: Floats) -> tuple[Floats, Floats]:
    """Return of each value the share of the other side that it is ordered rightly against, ties counting half.

    ``lower`` are the negatives' scores and ``higher`` the positives' (DeLong, DeLong & Clarke-Pearson 1988).
    """
    first, second = np.sort(lower), np.sort(higher)
    below = (np.searchsorted(first, higher, "left") + np.searchsorted(first, higher, "right")) / 2
    above = second.size - (np.searchsorted(second, lower, "left") + np.searchsorted(second, lower, "right")) / 2
    return above / max(1, second.size), below / max(1, first.size)


def roc_auc(lower: Floats, higher: Floats) -> float | None:
    """Return the share of pairs that are ordered rightly, 0 to 1 (Mann & Whitney 1947); None where a side is empty."""
    return float(placements(lower, higher)[1].mean()) if lower.size and higher.size else None


def auc_interval(lower: Floats, higher: Floats) -> Interval:
    """Return the 95 % interval of the AUC.

    DeLong's variance, S10 / m + S01 / n, on the logit scale, where the interval stays within 0 and 1. Where nothing
    varies (all pairs are ordered alike, or a side has one row) that variance says nothing, and Newcombe's interval
    (2006, method 5) with Hanley & McNeil's variance (1982) stands in.
    """
    n, m = lower.size, higher.size
    if not n or not m:
        return NOTHING
    off, on = placements(lower, higher)
    auc = float(on.mean())
    if min(n, m) < 2 or auc in {0.0, 1.0}:
        return _newcombe(auc, n, m)
    variance = float(on.var(ddof=1)) / m + float(off.var(ddof=1)) / n
    return logit_interval(auc, math.sqrt(variance))


def logit_interval(share: float, error: float) -> Interval:
    """Return the 95 % interval of a share (above 0 and below 1) with this standard error, made on the logit scale."""
    middle = math.log(share / (1 - share))
    half = DEVIATIONS * error / (share * (1 - share))
    return _expit(middle - half), _expit(middle + half)


def _expit(value: float) -> float:
    return 1 / (1 + math.exp(-value)) if value >= 0 else math.exp(max(value, -700)) / (1 + math.exp(max(value, -700)))


def _newcombe(auc: float, n: int, m: int) -> Interval:
    """Return the shares from which ``auc`` is not further than a 95 % normal deviate of their own errors."""

    def beyond(share: float) -> float:
        each = (n + m) / 2 - 1
        variance = share * (1 - share) * (1 + each * ((1 - share) / (2 - share) + share / (1 + share))) / (n * m)
        return abs(auc - share) - DEVIATIONS * math.sqrt(variance)

    tiny = 1e-12  # of the probability: the ends themselves have no variance
    low = 0.0 if auc <= tiny or beyond(tiny) <= 0 else optimize.brentq(beyond, tiny, auc - tiny)
    high = 1.0 if auc >= 1 - tiny or beyond(1 - tiny) <= 0 else optimize.brentq(beyond, auc + tiny, 1 - tiny)
    return float(low), float(high)
