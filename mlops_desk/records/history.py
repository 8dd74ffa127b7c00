"""Curves over a span of time, stored ones and those of the last minutes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class History:
    """One curve. ``times`` are the starts (Unix seconds) of buckets of ``step_seconds``; None is a gap.

    ``tier``: how fine the stored data is that it was made of (1, 60 or 900 s).
    """

    device: str
    metric: str
    unit: str
    tier_seconds: float
    step_seconds: float
    times: tuple[float, ...]
    minimum: tuple[float | None, ...]
    mean: tuple[float | None, ...]
    maximum: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Curve:
    """One curve for a screen: little-endian float32, one value a bucket, NaN where there is a gap."""

    device: str
    metric: str
    unit: str
    minimum: bytes
    mean: bytes
    maximum: bytes


@dataclass(frozen=True, slots=True)
class Curves:
    """Curves on one time axis: ``buckets`` buckets of ``step_seconds`` from Unix time ``start``."""

    start: float
    step_seconds: float
    buckets: int
    tier_seconds: float
    curves: tuple[Curve, ...]


@dataclass(frozen=True, slots=True)
class ProcessMemory:
    """A process that held memory of a GPU (UUID): who it was, when it was seen, and the most it ever held.

    Its curve is that of ``device`` (``UUID/pid-PID``) and the metric ``process.gpu.memory``.
    """

    device: str
    gpu: str
    pid: int
    user: str | None
    command: str | None
    container: str | None
    first_at: float
    last_at: float
    peak_bytes: float


@dataclass(frozen=True, slots=True)
class Series:
    """One metric of one device over a window; ``values[i]`` belongs to the window's ``times[i]``, None is a gap.

    ``device`` is a GPU's UUID, ``host``, or the kernel's name of a disk or network interface.
    """

    device: str
    metric: str
    unit: str
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Window:
    """Several series on one time axis (Unix seconds)."""

    times: tuple[float, ...]
    series: tuple[Series, ...]
