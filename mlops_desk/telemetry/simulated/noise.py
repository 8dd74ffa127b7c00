"""Noise that follows from a seed and the time alone, and its integral, so that counters fit their rates."""

import hashlib
import math
from functools import lru_cache

_PARTS = (
    (1.0, 0.5),
    (2.7, 0.3),
    (7.3, 0.2),
)  # chosen: waves from slow and large to quick and small
_STEPS = 10_000  # chosen: so finely their beginnings differ


def number(seed: int, name: str, below: int) -> int:
    """Return a whole number from 0 to ``below`` - 1, the same for the same seed and name."""
    return int.from_bytes(hashlib.blake2b(f"{seed}.{name}".encode(), digest_size=8).digest()) % below


@lru_cache(4096)
def _shifts(seed: int, name: str) -> tuple[float, ...]:
    return tuple(number(seed, f"{name}.{turn}", _STEPS) / _STEPS for turn, _ in _PARTS)


def wave(seed: int, name: str, at: float, period: float) -> float:
    """Return smooth noise between -1 and 1 that changes over about ``period`` seconds."""
    total = 0.0
    for (turn, weight), shift in zip(_PARTS, _shifts(seed, name), strict=True):
        total += weight * math.sin(2 * math.pi * (at * turn / period + shift))
    return total


def positive(seed: int, name: str, at: float, period: float) -> float:
    """Return smooth noise between 0 and 1."""
    return 0.5 + 0.5 * wave(seed, name, at, period)


def wave_integral(seed: int, name: str, start: float, end: float, period: float) -> float:
    """Return the integral of ``wave`` over ``start`` to ``end``."""
    total = 0.0
    for (turn, weight), shift in zip(_PARTS, _shifts(seed, name), strict=True):
        speed = 2 * math.pi * turn / period
        before = math.cos(speed * start + 2 * math.pi * shift)
        total += weight * (before - math.cos(speed * end + 2 * math.pi * shift)) / speed
    return total
