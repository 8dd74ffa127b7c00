"""One measured value and what is known about it, and how a metric is declared by whoever measures or records it.

What the machine measures is declared in ``telemetry/metrics/``; what a feature records of its things stands in that
feature's ``metrics.py``.
"""

from dataclasses import dataclass
from enum import StrEnum


class MetricState(StrEnum):
    """Why a value is there or is not. A value is never invented: it is None unless ``OK``."""

    OK = "ok"
    NOT_SUPPORTED = "not_supported"
    NOT_SUPPORTED_BY_DRIVER = "not_supported_by_driver"
    NO_PERMISSION = "no_permission"
    ASLEEP = "asleep"
    STALE = "stale"
    LOST = "lost"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Reading:
    """A metric's value in its SI unit (ratio 0-1, bytes, watts, Cel, hertz, seconds), or why it is missing.

    It has a value exactly when it is OK. The sources' ``measured`` and ``missing`` see to that; it is not checked
    here, since a thousand of these are made each second in every process that looks.
    """

    value: float | None
    unit: str
    state: MetricState = MetricState.OK


@dataclass(frozen=True, slots=True)
class Metric:
    """A declaration. ``kind`` is gauge, rate or counter; history is stored in steps of ``resolution``.

    ``device`` is what it is of: a class of device, or the kind of a thing that is recorded (``endpoint``). ``dcgm`` is
    the name of the same number in NVIDIA's DCGM, where it has one. What is ``derived`` is reckoned of others, or told
    by who hears of it, and has no history of its own; its kind may be flag (it is so or not: ``help`` follows the
    thing's name) or pulse (likewise: it has happened within ten minutes). ``title`` is what people call the number, as
    sentences say it before *of each GPU*; what is so or not has none, for its help says it.
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
    derived: bool = False
    title: str = ""

    @property
    def is_fact(self) -> bool:
        """Whether it is 1 or 0: something is so or has happened, or not."""
        return self.kind in {"flag", "pulse"}


# Limits that many share: (resolution, lowest, highest) in the metric's unit.
RATIO = (0.001, 0.0, 1.0)
BYTES = (float(1 << 20), 0.0, float(1 << 50))
WATTS = (0.5, 0.0, 5000.0)  # NVML gives milliwatts, and boards measure to a watt or so
DEGREES = (0.5, -40.0, 150.0)  # sensors tell whole or half degrees; beyond this no board works
HERTZ = (1e6, 0.0, 2e10)  # NVML gives whole MHz
PER_SECOND = (1.0, 0.0, 1e9)  # chosen: single events count
BYTES_PER_SECOND = (1024.0, 0.0, float(1 << 40))
SECONDS = (1e-5, 0.0, 3600.0)  # chosen: latencies of drives begin at some 10 µs
COUNT = (1.0, 0.0, 1e15)  # whole, and within what a float counts exactly
FLAG = (1.0, 0.0, 1.0)  # yes or no
