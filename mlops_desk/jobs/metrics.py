"""What is recorded of each job that runs: what its processes take together, each time that it is looked at."""

import threading

from mlops_desk.machine.records.event import JobMoved
from mlops_desk.machine.records.history import RecordPoints, SeriesName
from mlops_desk.machine.records.metric import BYTES, Metric

JOB = "job"
_CORES = (1e-2, 0.0, 4096.0)  # in cores; no machine has more
_FORGOTTEN = 1000  # chosen: jobs whose last look is remembered; far more than run at once

RECORDED: tuple[Metric, ...] = (
    Metric("job.cpu", JOB, "1", "gauge", *_CORES, "CPU cores that a job's processes take, over the last seconds.",
           title="number of CPU cores taken"),
    Metric("job.memory", JOB, "By", "gauge", *BYTES, "Memory of a job's processes that the kernel can't take back.",
           title="memory taken"),
)  # fmt: skip


class LiveSeries:
    """Keeps in the history what is told of running jobs; the same look is told several times, and kept once."""

    def __init__(self, record: RecordPoints) -> None:
        self._record = record
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}

    def hear(self, event: JobMoved) -> None:
        """Keep what a job takes now, if that is news."""
        live = event.live
        if live is None:
            return
        with self._lock:
            if self._seen.get(event.job_id) == live.at:
                return
            self._seen.pop(event.job_id, None)
            self._seen[event.job_id] = live.at
            if len(self._seen) > _FORGOTTEN:
                del self._seen[next(iter(self._seen))]
        for metric, value in (("job.cpu", live.cpus), ("job.memory", live.memory_bytes)):
            if value is not None:
                self._record(SeriesName(JOB, event.job_id, metric), [(live.at, float(value))])
