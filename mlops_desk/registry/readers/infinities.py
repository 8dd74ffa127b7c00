"""What MLflow's stores hold for an infinity: the largest number of 64 bits, for databases can't hold one, it says."""

import math

LARGEST = 1.7976931348623157e308  # of IEEE 754 doubles: what MLflow writes for an infinity


def as_logged(value: float) -> float:
    """Return a metric's value as it was logged: what stands for an infinity is one."""
    return math.copysign(math.inf, value) if abs(value) >= LARGEST else value
