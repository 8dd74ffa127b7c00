"""The histogram of two sketches, in bars as of all values; within a bin the rows are taken for evenly spread."""

import numpy as np

from mlops_desk.drift.measure.histograms import BINS, TAIL, around
from mlops_desk.drift.pair import Floats
from mlops_desk.drift.profile.frame import FrozenBins
from mlops_desk.drift.profile.numbers import NumericSketch
from mlops_desk.records.drift import Histogram


def histogram_of(frame: FrozenBins, reference: NumericSketch, current: NumericSketch) -> Histogram:
    """Draw two sketches that both have values."""
    sides = [_distribution(frame, side) for side in (reference, current)]
    low = min(float(np.interp(TAIL, heights, places)) for places, heights in sides)
    high = max(float(np.interp(1 - TAIL, heights, places)) for places, heights in sides)
    edges = np.linspace(low, high, BINS + 1) if high > low else around(low)
    shares = [np.diff(np.interp(edges[1:-1], *side), prepend=0.0, append=1.0) for side in sides]
    with np.errstate(over="ignore"):
        shown = np.nan_to_num(np.ldexp(edges, frame.exponent))
    first, second = (tuple(float(share) for share in side) for side in shares)
    return Histogram(first, second, edges=tuple(float(edge) for edge in shown))


def _distribution(frame: FrozenBins, sketch: NumericSketch) -> tuple[Floats, Floats]:
    """Return places and the share of values below each, from the least value to the largest."""
    n = sketch.n_usable
    least, most = sketch.least or 0.0, sketch.most or 0.0
    heights = np.cumsum(sketch.counts)[:-1] / n
    inside = (frame.edges > least) & (frame.edges <= most)
    places = np.concatenate([[least], frame.edges[inside], [np.nextafter(most, np.inf)]])
    return places, np.concatenate([[0.0], heights[inside], [1.0]])
