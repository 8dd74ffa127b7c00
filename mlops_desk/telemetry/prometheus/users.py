"""Who uses each GPU, as numbers with labels for job, user and container: of a few, the rest together. Pure.

No pid is a label: each process would leave series behind for ever. Processes that are alike add up, and beyond the
largest of a GPU they are "other". Prometheus keeps the label ``job`` for itself, so the job is ``job_name``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mlops_desk.records.gpu import Gpu, GpuProcess

MOST_USERS = 32
"""Users of one GPU that are told apart."""

OTHER = ("other", "other", "other")
Who = tuple[str, str, str]
"""Job, user and container; "" for none."""


@dataclass(frozen=True, slots=True)
class UserNumber:
    """A number of a user of a GPU."""

    name: str
    unit: str
    help: str
    who: Who
    value: float


_NUMBERS = (
    ("mlops_desk_gpu_process_memory_bytes", "bytes", "GPU memory held.", "gpu_memory_bytes"),
    ("mlops_desk_gpu_process_sm_ratio", "ratio", "Share of the GPU's time.", "sm_ratio"),
    ("mlops_desk_gpu_process_memory_bandwidth_ratio", "ratio", "Share of the GPU memory's bandwidth.",
     "memory_bandwidth_ratio"),
    ("mlops_desk_gpu_process_encoder_ratio", "ratio", "Share of the video encoder's time.", "encoder_ratio"),
    ("mlops_desk_gpu_process_decoder_ratio", "ratio", "Share of the video decoder's time.", "decoder_ratio"),
    ("mlops_desk_gpu_process_cpu_ratio", "ratio", "Processor time on the host, in cores.", "cpu_ratio"),
    ("mlops_desk_gpu_process_host_memory_bytes", "bytes", "Memory held on the host.", "host_memory_bytes"),
)  # fmt: skip


def numbers(gpu: Gpu) -> Iterator[UserNumber]:
    """Yield what each user takes of a GPU, and how many processes those are."""
    users = _users(gpu.processes)
    for who, processes in users.items():
        count = float(len(processes))
        yield UserNumber(
            "mlops_desk_gpu_processes", "", "Processes on the GPU, by job, user and container.", who, count
        )
        for name, unit, text, attribute in _NUMBERS:
            values = [value for each in processes if (value := getattr(each, attribute)) is not None]
            if values:
                yield UserNumber(name, unit, f"{text} By job, user and container.", who, float(sum(values)))


def _users(processes: Sequence[GpuProcess]) -> dict[Who, list[GpuProcess]]:
    """Return the processes of each user, those with most memory first; beyond a number all are others'."""
    users: dict[Who, list[GpuProcess]] = {}
    for process in sorted(processes, key=lambda each: -(each.gpu_memory_bytes or 0)):
        who = (process.job or "", process.user or "", process.container or "")
        if who not in users and len(users) >= MOST_USERS:
            who = OTHER
        users.setdefault(who, []).append(process)
    return users
