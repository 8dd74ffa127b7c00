"""Measured values to whole numbers and back, so that noise below what a sensor can tell does not fill the disk.

A linear scale counts in steps: the error is at most half a step. A rate, whose values span nine orders of
magnitude, gets a scale whose step grows with the value: half a step or 0.05 % of the value, whichever is
more (11 significant bits, as in a short float).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MANTISSA_BITS = 10  # part of the format: a rate is kept to a thousandth of itself
_LIMIT = float(1 << 60)

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class CurveScale:
    """How a curve is kept: ``step`` in its unit, ``growing`` when the step grows with the value."""

    step: float
    growing: bool = False

    def __str__(self) -> str:
        return f"{self.step!r}{'~' if self.growing else ''}"

    @classmethod
    def parse(cls, text: str) -> "CurveScale":
        """Read what ``str`` wrote. Raises ValueError."""
        step = float(text.removesuffix("~"))
        if not 0 < step < _LIMIT:
            raise ValueError(f"a step of {text}")
        return cls(step, text.endswith("~"))

    def finer(self, parts: int) -> "CurveScale":
        """Return the scale with steps of 1/``parts``: a mean lies between what can be measured."""
        return CurveScale(self.step / parts, self.growing)


Groups = tuple[tuple[CurveScale, NDArray[np.intp]], ...]


def grouped(scales: Sequence[CurveScale]) -> Groups:
    """Return each scale once, with the columns that are on it."""
    places: dict[CurveScale, list[int]] = {}
    for column, scale in enumerate(scales):
        places.setdefault(scale, []).append(column)
    return tuple((scale, np.array(columns, np.intp)) for scale, columns in places.items())


def encode(values: Floats, scale: CurveScale) -> Codes:
    """Return the codes of ``values`` (no NaN); what lies beyond 2^60 steps is cut off there."""
    counts = np.clip(values / scale.step, -_LIMIT, _LIMIT)
    return _shortened(counts) if scale.growing else np.rint(counts).astype(np.int64)


def decode(codes: Codes, scale: CurveScale) -> Floats:
    """Return the values of ``codes``."""
    counts = _lengthened(codes) if scale.growing else codes
    values = counts * scale.step
    return values.astype(np.float64, copy=False)


def error_limit(value: float, scale: CurveScale) -> float:
    """Return how far a kept value may be from ``value``."""
    half = scale.step / 2
    return max(half, abs(value) / (2 << _MANTISSA_BITS)) if scale.growing else half


def _shortened(counts: Floats) -> Codes:
    """Round to 11 significant bits, once, and number what is left: steps of 1, then of 2, of 4 …, without a gap."""
    size = np.abs(counts)
    shift = np.maximum(np.frexp(size)[1] - (_MANTISSA_BITS + 1), 0)
    code: Codes = (shift.astype(np.int64) << _MANTISSA_BITS) + np.rint(np.ldexp(size, -shift)).astype(np.int64)
    return np.where(counts < 0, -code, code)


def _lengthened(codes: Codes) -> Codes:
    size = np.abs(codes)
    shift = np.clip((size >> _MANTISSA_BITS) - 1, 0, 51)
    counts: Codes = (size - (shift << _MANTISSA_BITS)) << shift
    return np.where(codes < 0, -counts, counts)
