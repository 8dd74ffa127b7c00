"""What is drawn of a histogram: shares, counts, what lies below, and what each bin adds to PSI. No Qt here."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from mlops_desk.drift.records.report import Histogram
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers

EMPTY_SHARE = 1e-4
"""What stands for the share of an empty bin in PSI; as the measure itself has it."""
_NAME = 40  # characters of a category: what is read at a glance


@dataclass(frozen=True, slots=True)
class Spread:
    """A histogram that holds finite shares of both sides, the name of each bin, and the rows of both sides."""

    reference: tuple[float, ...]
    current: tuple[float, ...]
    names: tuple[str, ...]
    edges: tuple[float, ...] = ()
    n_reference: int = 0
    n_current: int = 0


def spread_of(histogram: Histogram | None, n_reference: int, n_current: int) -> Spread | None:
    """Return what can be drawn of a histogram; None where there is nothing."""
    if histogram is None:
        return None
    count = min(len(histogram.reference), len(histogram.current))
    edges = histogram.edges[: count + 1] if len(histogram.edges) > count else ()
    if edges:
        names = tuple(f"{numbers.number(low)} – {numbers.number(high)}" for low, high in pairwise(edges))
    else:
        count = min(count, len(histogram.labels))
        names = tuple(plain(name, _NAME) for name in histogram.labels[:count])
    sides = [tuple(map(_finite, side[:count])) for side in (histogram.reference, histogram.current)]
    return Spread(sides[0], sides[1], names, edges, n_reference, n_current) if count else None


def _finite(share: float) -> float:
    return share if math.isfinite(share) and share > 0 else 0.0


def below(shares: Sequence[float]) -> list[float]:
    """Return the share of values up to the end of each bin: the distribution function at the bins' upper edges."""
    return [min(share, 1.0) for share in accumulate(shares)]


def psi_parts(reference: Sequence[float], current: Sequence[float]) -> list[float]:
    """Return what each bin adds to the population stability index: (q - p) ln(q / p), none of it below zero.

    The bins of a picture are not those of the measure, so the sum is near its value and not the same.
    """
    sides = [(p or EMPTY_SHARE, q or EMPTY_SHARE) for p, q in zip(reference, current, strict=True)]
    both_empty = [not p and not q for p, q in zip(reference, current, strict=True)]
    return [
        0.0 if empty else (q - p) * (math.log(q) - math.log(p)) for (p, q), empty in zip(sides, both_empty, strict=True)
    ]


def wilson(ratio: float, n: int) -> tuple[float, float] | None:
    """Return the 95 % interval of a share of ``n`` rows (Wilson 1927), 0 to 1; None where there is no row.

    It needs no half of a row: at a share of 0 its lower end is 0, and the upper tells how much may have been missed.
    """
    if n <= 0 or not 0.0 <= ratio <= 1.0:
        return None
    z = 1.959964  # the 97.5 % point of the normal distribution
    middle = (ratio + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(ratio * (1 - ratio) / n + z * z / (4 * n * n))
    return max(middle - half, 0.0), min(middle + half, 1.0)
