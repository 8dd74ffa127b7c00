"""What the simulated jobs take of the simulated host: as their phase has it."""

from mlops_desk.records.gpu import HostLoad
from mlops_desk.telemetry.simulated.works import GIB, WorkRun, load

_LOADS = {
    "load": (6.0, 0.9, 0.02, 0.35, 2.1e9),
    "train": (4.4, 0.7, 0.01, 0.01, 4e7),
    "starved": (2.4, 0.4, 0.01, 0.55, 9e7),
    "save": (1.2, 0.8, 0.0, 0.05, 0.0),
    "serve": (2.0, 0.5, 0.01, 0.0, 1e6),
}
"""By phase: cores in use, the busiest process's share of one, pressure on processors and disks, bytes read a second."""

WORKERS = 8  # made up: a loader of eight
_HOST_GIB = 12.0  # made up: a training with its loader


def host_load(run: WorkRun, at: float) -> HostLoad:
    """Return what the processes of a run did on the host in the last minute."""
    cores, busiest, cpu, disks, read = _LOADS[run.phase(at).kind]
    return HostLoad(60.0, cores, busiest, WORKERS + 1, cores, None, cpu, disks, read)


def host_memory_bytes(run: WorkRun) -> int:
    """Return what one of its processes holds of the host's memory."""
    return int(_HOST_GIB * GIB / len(run.work.gpus))


def bandwidth_ratio(seed: int, run: WorkRun, gpu: int, at: float) -> float:
    """Return its share of the GPU memory's bandwidth."""
    return round(max(0.0, load(seed, run, gpu, at) * run.work.dram), 2)
