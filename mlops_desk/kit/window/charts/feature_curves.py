"""Curves that are not sampled with the machine: what a running job takes, what an endpoint did. No Qt here.

A point comes every few seconds, so its like lie as far apart, and nothing between them is no gap. A job's newest is
announced; an endpoint's are asked for again while somebody looks.
"""

from mlops_desk.kit.window.curves.track import FINE_SECONDS, Track, finite, of_points
from mlops_desk.kit.window.live.store import Store

CPU, MEMORY = "job.cpu", "job.memory"
AGAIN_SECONDS = 10.0  # as often as the agent records a point of an endpoint
KEPT_SECONDS = 60.0  # as far as points lie apart of which more than a day has passed
_FEW = 4  # points, which have three distances
_JOB, _ENDPOINT = "job:", "endpoint:"


def device_of(job_id: str) -> str:
    """Return what a job is called as a device of the history."""
    return f"{_JOB}{job_id}"


def is_recorded(device: str) -> bool:
    return device.startswith((_JOB, _ENDPOINT))


def is_asked_again(device: str) -> bool:
    """Tell whether nothing announces what is new of it."""
    return device.startswith(_ENDPOINT)


def sparse(track: Track, device: str) -> Track:
    """Return only the points that are there: how far they lie apart usually tells then what is a gap."""
    times, values = track.times, track.mean
    known = ((at, value) for at, mean in zip(times, values, strict=True) if (value := finite(mean)) is not None)
    found = of_points(known, FINE_SECONDS)
    # Newer points lie closer, and soon outnumber those of the answer; of a few nobody can tell how far they lie apart.
    few = KEPT_SECONDS if len(found) <= _FEW else 0.0
    found.every = max(AGAIN_SECONDS if is_asked_again(device) else 0.0, track.step, few)
    return found


def newest(store: Store, device: str, metric: str) -> tuple[float, float] | None:
    """Return the newest look at a job, by what was announced of it; None for anything else."""
    job = (store.jobs.value or {}).get(device.removeprefix(_JOB)) if device.startswith(_JOB) else None
    if job is None or job.live is None:
        return None
    live = job.live
    value = live.cpus if metric == CPU else live.memory_bytes
    return None if value is None else (live.at, float(value))
