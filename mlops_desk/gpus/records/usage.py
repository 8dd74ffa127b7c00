"""What a job has used, as telemetry saw it. None: not known, never 0."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobUsage:
    """Over all attempts and GPUs of a job. What GPUs did is None where others may have used them beside it.

    ``gpu_seconds`` is GPU time held, ``gpu_memory_peak_bytes`` the most on any one GPU; ``energy_measured`` tells
    whether the energy is the GPUs' own counter's, or else power integrated over time. ``gpu_utilization_mean`` is a
    ratio from 0 to 1.
    """

    gpu_seconds: float | None = None
    energy_joules: float | None = None
    energy_measured: bool | None = None
    gpu_memory_peak_bytes: int | None = None
    gpu_utilization_mean: float | None = None
    throttled_seconds: float | None = None
    cpu_seconds: float | None = None
    memory_peak_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class GpuSpent:
    """What one GPU did over a span of time, whoever used it. None: the history does not tell, or not of most of it.

    ``energy_joules`` is by its own counter where ``energy_measured``, else its power integrated. ``throttled_seconds``
    is how long heat, the power supply or the hardware held its clocks down.
    """

    utilization_mean: float | None = None
    energy_joules: float | None = None
    energy_measured: bool | None = None
    memory_peak_bytes: int | None = None
    throttled_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class GpuHours:
    """Hours of all GPUs together that went to one user, job, project or week (``name``; "" is nobody's).

    ``active``: held, and something ran there. ``idle_held``: held, and nothing did. ``idle``: nobody held it.
    ``unknown``: held, and nobody measured. What was neither held nor measured is in none of them.
    """

    name: str
    active: float = 0.0
    idle_held: float = 0.0
    idle: float = 0.0
    unknown: float = 0.0
