"""Curves of what a running job takes: looked at every few seconds, and not with each sample of the machine. No Qt here.

So its points lie as far apart as they were looked at, and nothing between them is no gap.
"""

from mlops_desk.ui.curves.track import FINE_SECONDS, Track, finite, of_points
from mlops_desk.ui.live.store import Store

CPU, MEMORY = "job.cpu", "job.memory"
_DEVICE = "job:"


def device_of(job_id: str) -> str:
    """Return what a job is called as a device of the history."""
    return f"{_DEVICE}{job_id}"


def is_job(device: str) -> bool:
    return device.startswith(_DEVICE)


def sparse(track: Track) -> Track:
    """Return only the points that are there: how far they lie apart usually tells then what is a gap."""
    times, values = track.times, track.mean
    known = ((at, value) for at, mean in zip(times, values, strict=True) if (value := finite(mean)) is not None)
    return of_points(known, FINE_SECONDS)


def newest(store: Store, device: str, metric: str) -> tuple[float, float] | None:
    """Return the newest look at a job, by what was announced of it."""
    job = (store.jobs.value or {}).get(device.removeprefix(_DEVICE))
    if job is None or job.live is None:
        return None
    live = job.live
    value = live.cpus if metric == CPU else live.memory_bytes
    return None if value is None else (live.at, float(value))
