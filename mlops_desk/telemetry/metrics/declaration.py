"""How a metric is declared, and limits that many share: (resolution, lowest, highest) in the metric's unit."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """A declaration. ``kind`` is gauge, rate or counter; history is stored in steps of ``resolution``.

    ``dcgm`` is the name of the same number in NVIDIA's DCGM, where it has one.
    """

    name: str
    device: str
    unit: str
    kind: str
    resolution: float
    low: float
    high: float
    help: str
    dcgm: str | None = None


RATIO = (0.001, 0.0, 1.0)
BYTES = (float(1 << 20), 0.0, float(1 << 50))
WATTS = (0.5, 0.0, 5000.0)
DEGREES = (0.5, -40.0, 150.0)
HERTZ = (1e6, 0.0, 2e10)
PER_SECOND = (1.0, 0.0, 1e9)
BYTES_PER_SECOND = (1024.0, 0.0, float(1 << 40))
SECONDS = (1e-5, 0.0, 3600.0)
COUNT = (1.0, 0.0, 1e15)
FLAG = (1.0, 0.0, 1.0)
