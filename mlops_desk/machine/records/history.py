"""Curves over a span of time, stored ones and those of the last minutes, and what recorded series are called."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain


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


KEY_LENGTH = 400
"""Characters of a key: an endpoint's name and the longest name of a column that a request log has."""


@dataclass(frozen=True, slots=True)
class SeriesName:
    """One series: a metric of the thing ``key`` of a ``kind``, as the latency of the endpoint ``iris``."""

    kind: str
    key: str
    metric: str

    @property
    def device(self) -> str:
        """What stands where a device's name stands when the series is read as a curve: ``endpoint:iris``."""
        return f"{self.kind}:{self.key}"

    @classmethod
    def of(cls, kind: str, device: str, metric: str) -> "SeriesName":
        """Return the series that ``device`` names, with or without its kind. Raises Invalid."""
        key = device.removeprefix(f"{kind}:")
        if not 0 < len(key) <= KEY_LENGTH:
            raise Invalid(f"{plain(device)!r} names nothing that {plain(metric)} is recorded of.")
        return cls(kind, key, metric)


Point: TypeAlias = tuple[float, float]
"""Unix seconds, and a value in the metric's unit."""
RecordPoints: TypeAlias = Callable[[SeriesName, Iterable[Point]], None]
"""Keeps points of a series in the history."""


def forget_points(series: SeriesName, points: Iterable[Point]) -> None:
    """Stand for the history where none is kept."""
    del series, points


@dataclass(frozen=True, slots=True)
class SeriesBrief:
    """What a list shows of a recorded series. Times are Unix seconds of its oldest and newest point.

    ``device`` and ``metric`` are what ``history`` and ``curves`` ask for it with.
    """

    device: str
    metric: str
    unit: str
    help: str
    first_at: float
    last_at: float
