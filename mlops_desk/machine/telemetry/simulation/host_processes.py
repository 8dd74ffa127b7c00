"""The processes of the simulated workstation: those of the jobs, with their loaders, and what runs on any machine.

What the simulated jobs take of the simulated host: as their phase has it.
"""

import time
from collections.abc import Callable, Iterable
from pathlib import Path

from mlops_desk.machine.records.gpu import GpuProcess, HostLoad
from mlops_desk.machine.records.host import HostProcess, HostProcesses
from mlops_desk.machine.telemetry.simulation.faults import SimulatedFaults
from mlops_desk.machine.telemetry.simulation.workloads import (
    GIB,
    OWN_USER,
    WorkRun,
    booted_at,
    container_id,
    end_run,
    load,
    pid_of,
    positive,
    running,
    ticks_of,
)

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


_SYSTEM = (
    ("root", "/usr/lib/systemd/systemd --system", 0.002, 0.014, 1),
    ("root", "/usr/bin/dockerd -H fd://", 0.06, 0.19, 62),
    ("root", "/usr/bin/containerd", 0.03, 0.07, 48),
    ("root", "nvidia-persistenced --user nvidia-persistenced", 0.001, 0.002, 1),
    ("root", "sshd: /usr/sbin/sshd -D", 0.0, 0.009, 1),
    ("messagebus", "/usr/bin/dbus-daemon --system", 0.001, 0.005, 1),
    ("root", "[kworker/u130:2-events_unbound]", 0.004, 0.0, 1),
    (OWN_USER, "tmux new -s sweep", 0.001, 0.006, 1),
    ("maria", "sshd: maria@pts/3", 0.0, 0.008, 1),
    ("bo", "/usr/bin/rsync -a /scratch/bo/ /archive/bo/", 0.42, 0.03, 1),
)
"""User, command line, share of a core, GiB and threads."""

_FIRST_PID = 6_000_000  # beyond what a kernel gives out, and what the jobs have
_OTHERS = 612  # chosen: kernel threads and services of a machine of this size
_LOADER_SHARE = 0.6  # chosen: some of what a job takes is its threads'
_SECONDS = 3.0  # as often as the window asks


class SimulatedProcesses:
    """Makes what a reader of the machine would find; ``faults`` is the file that names who was ended by hand."""

    def __init__(self, seed: int, faults: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._seed = seed
        self._faults = SimulatedFaults(faults)
        self._clock = clock

    def read(self, most: int, also: Iterable[int] = ()) -> HostProcesses:
        """Return those that take most, as a real reader does."""
        at = self._clock()
        every = self._every(at)
        by_cpu = sorted(every, key=lambda one: -(one.cpu_ratio or 0.0))[:most]
        by_memory = sorted(every, key=lambda one: -(one.memory_bytes or 0))[:most]
        wanted = {one.pid for one in (*by_cpu, *by_memory)} | set(also)
        shown = tuple(one for one in every if one.pid in wanted)
        return HostProcesses(shown, len(every) + _OTHERS, most, at, _SECONDS)

    def find(self, pid: int) -> GpuProcess | None:
        """Return one as a process that holds no GPU; None where there is none of that pid."""
        one = next((one for one in self._every(self._clock()) if one.pid == pid), None)
        if one is None:
            return None
        return GpuProcess(
            pid, one.user, one.command, None, one.container, start_ticks=one.start_ticks, started_at=one.started_at
        )

    def _every(self, at: float) -> list[HostProcess]:
        ended = self._faults.now().get("ended", ())
        for one in ended:
            end_run(self._seed, *one)
        gone = {(pid, ticks) for pid, ticks, _ in ended}
        every = [*self._system(at), *(one for run in running(self._seed, at) for one in self._of_run(run, at))]
        return [one for one in every if (one.pid, one.start_ticks) not in gone]

    def _system(self, at: float) -> list[HostProcess]:
        booted = booted_at(at)
        return [
            HostProcess(
                _FIRST_PID + number, number + 1, user, command, self._share(f"process.{number}", usual, at),
                int(gib * GIB), threads, booted + 10.0 * number, 1, "sleeping" if usual < 0.1 else "running",
            )
            for number, (user, command, usual, gib, threads) in enumerate(_SYSTEM)
        ]  # fmt: skip

    def _of_run(self, run: WorkRun, at: float) -> list[HostProcess]:
        """Return the processes of a run: one for each GPU, and the loaders of the first."""
        load, container = host_load(run, at), container_id(run)
        first, ticks = pid_of(self._seed, run, run.work.gpus[0]), ticks_of(run)
        mains = [
            HostProcess(
                pid_of(self._seed, run, gpu), ticks, run.work.user, run.work.command, load.busiest_ratio,
                host_memory_bytes(run), 34, run.start, None, "running", container,
            )
            for gpu in run.work.gpus
        ]  # fmt: skip
        spare = max(0.0, (load.cores or 0.0) - (load.busiest_ratio or 0.0) * len(mains))
        loaders = [
            HostProcess(
                first + 100_000 * (number + 1), ticks, run.work.user, f"{run.work.command} (loader {number})",
                self._share(f"{run.work.name}.{number}", _LOADER_SHARE * spare / WORKERS, at), int(0.4 * GIB), 2,
                run.start + 2.0, first, "waiting" if run.phase(at).kind == "starved" else "running", container,
            )
            for number in range(WORKERS)
        ]  # fmt: skip
        return [*mains, *loaders]

    def _share(self, name: str, usual: float, at: float) -> float:
        return round(usual * (0.7 + 0.6 * positive(self._seed, name, at, 20.0)), 3)
