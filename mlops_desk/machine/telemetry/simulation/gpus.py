"""The simulated GPUs as a source: eight H100s that nobody owns."""

import hashlib
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from mlops_desk.machine.records.gpu import AccountedProcess, Gpu, GpuProcess, GpuState, MigInstance, NvLink
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Sample
from mlops_desk.machine.telemetry.metrics.gpu import LINK, MIG
from mlops_desk.machine.telemetry.metrics.table import ReadingMaker, all_missing
from mlops_desk.machine.telemetry.pipe.merge import without_values
from mlops_desk.machine.telemetry.pipe.supervision import STALE_SECONDS
from mlops_desk.machine.telemetry.simulation.events import LOOK_BACK_SECONDS, gpu_events
from mlops_desk.machine.telemetry.simulation.faults import SimulatedFaults, failure, wild
from mlops_desk.machine.telemetry.simulation.gpu_readings import FACTS, LINKS, MIG_GPU, SimulatedBoard
from mlops_desk.machine.telemetry.simulation.host import SimulatedHost
from mlops_desk.machine.telemetry.simulation.host_processes import bandwidth_ratio, host_load, host_memory_bytes
from mlops_desk.machine.telemetry.simulation.workloads import (
    GIB,
    WORKS,
    WorkRun,
    booted_at,
    busy_seconds,
    container_id,
    end_run,
    load,
    pid_of,
    positive,
    run_of,
    running,
    ticks_of,
    turn_at,
)
from mlops_desk.machine.telemetry.source import Busy, GpuSample, Relay

# What the simulated driver keeps account of: the latest runs of each work on a GPU since the machine was started.
ACCOUNTS_SECONDS = 30.0  # as often as the real driver is asked
_RUNS_KEPT = 6  # made up: a table of some lines


def accounts(seed: int, index: int, at: float) -> tuple[AccountedProcess, ...]:
    """Return the accounts at ``at``: those that run first, then the newest."""
    runs = [
        run
        for work in WORKS
        if index in work.gpus
        for turn in range(turn_at(seed, work, at), turn_at(seed, work, at) - _RUNS_KEPT, -1)
        for run in (run_of(seed, work, turn),)
        if run.start < min(at, run.until) and run.end > booted_at(at)
    ]
    listed = [_account(seed, run, index, at) for run in runs]
    return tuple(sorted(listed, key=lambda one: (not one.running, -(one.started_at or 0.0))))


def _account(seed: int, run: WorkRun, index: int, at: float) -> AccountedProcess:
    running, since, until = at < run.until, max(run.start, booted_at(at)), min(at, run.until)
    busy = busy_seconds(seed, run.work, index, until) - busy_seconds(seed, run.work, index, since)
    ratio = round(min(1.0, max(0.0, busy / max(1.0, until - since))), 2)
    return AccountedProcess(
        pid_of(seed, run, index),
        running,
        run.start,
        None if running else run.until - run.start,
        ratio,
        round(0.9 * run.work.dram * ratio, 2),
        int(run.memory_bytes(until)),
        run.work.user,
        run.work.command,
        container_id(run),
    )


# The simulated GPUs' NVLinks to a switch, their MIG instances, and the paths from one GPU to another.
_LINK_BYTES = 25e9  # NVLink 4: 25 GB/s each way
_BAD_GPU, _BAD_LINK = 1, 7  # made up: one link has errors
_SLICES = {1: ("3g.40gb", 40.0, 3 / 7), 2: ("4g.40gb", 40.0, 4 / 7)}


class SimulatedLinks:
    """Makes the links of one GPU."""

    def __init__(self, seed: int, index: int) -> None:
        self._seed = seed
        self._index = index
        self._kept = [ReadingMaker(LINK) for _ in range(LINKS)]

    def read(self, at: float, transmit: float, receive: float) -> tuple[NvLink, ...]:
        """Return the links when they carry this much together, in bytes a second."""
        return tuple(
            NvLink(number, "up", "4.0", f"switch {number % 4}", self._metrics(number, at, transmit, receive))
            for number in range(LINKS)
        )

    def _metrics(self, number: int, at: float, transmit: float, receive: float) -> dict[str, Reading]:
        uneven = 0.97 + 0.06 * positive(self._seed, f"link{self._index}.{number}", at, 20.0)
        bad = (self._index, number) == (_BAD_GPU, _BAD_LINK)
        values = {
            "hw.gpu.nvlink.transmit": transmit / LINKS * uneven,
            "hw.gpu.nvlink.receive": receive / LINKS * uneven,
            "hw.gpu.nvlink.bandwidth.limit": _LINK_BYTES,
            "hw.gpu.nvlink.errors.crc": 41.0 if bad else 0.0,
            "hw.gpu.nvlink.errors.replay": 3.0 if bad else 0.0,
            "hw.gpu.nvlink.errors.recovery": 0.0,
        }
        return {name: self._kept[number].measured(name, value) for name, value in values.items()}


class Slices:
    """Makes the MIG instances of one GPU."""

    def __init__(self, seed: int, index: int, uuid: Callable[[str], str]) -> None:
        self._seed = seed
        self._index = index
        self._uuids = {instance: uuid(f"mig.{index}.{instance}") for instance in _SLICES}
        self._kept = {instance: ReadingMaker(MIG) for instance in _SLICES}

    def read(self, at: float, runs: list[WorkRun]) -> tuple[MigInstance, ...]:
        """Return the instances with what their runs do."""
        return tuple(self._slice(instance, at, runs) for instance in _SLICES)

    def _slice(self, instance: int, at: float, runs: list[WorkRun]) -> MigInstance:
        profile, size, share = _SLICES[instance]
        own = [run for run in runs if run.work.instance == instance]
        busy = sum(load(self._seed, run, self._index, at) for run in own) / share
        used = min(sum(run.memory_bytes(at) for run in own), size * GIB)
        active = {
            "graphics": 1.0,
            "sm": max((run.work.activity for run in own), default=0.0),
            "occupancy": 0.3,
            "tensor": max((run.work.tensor for run in own), default=0.0),
            "dram": max((run.work.dram for run in own), default=0.0),
            "fp64": 0.0,
            "fp32": 0.15,
            "fp16": 0.03,
            "integer": 0.1,
        }
        values = {
            "hw.gpu.memory.usage": used,
            "hw.gpu.memory.limit": size * GIB,
            "hw.gpu.memory.free": size * GIB - used,
            **{f"hw.gpu.activity.{name}": min(1.0, max(0.0, busy * part)) for name, part in active.items()},
        }
        kept = self._kept[instance]
        readings = {name: kept.measured(name, value) for name, value in values.items()}
        uuid = self._uuids[instance]
        return MigInstance(uuid, f"MIG-{uuid.removeprefix('GPU-')}", profile, instance, 0, readings)


def peers(index: int, count: int, uuid: Callable[[int], str]) -> dict[str, str]:
    """Return how each other GPU is reached: over all NVLinks, by way of the switches."""
    return {uuid(other): f"NV{LINKS}" for other in range(count) if other != index}


GPU_COUNT = 8  # as many as an HGX board has
GPU_NAME = "NVIDIA H100 80GB HBM3 (simulated)"
_SOCKET_GPUS = 4  # half of them at each of two sockets
_SOCKET_CORES = 32  # half of the 64 cores
_LINKS_SECONDS = 5.0  # as often as real links are read


class SimulatedGpus:
    """Eight H100s that nobody owns. ``skip`` and ``only`` as for real ones; accounts cost as much as all the rest."""

    def __init__(
        self,
        seed: int,
        faults: SimulatedFaults | None = None,
        skip: frozenset[int] = frozenset(),
        only: int | None = None,
        clock: Callable[[], float] = time.time,
        *,
        with_accounts: bool = True,
    ) -> None:
        self._seed = seed
        self._with_accounts = with_accounts
        self._faults = faults or SimulatedFaults(None)
        self._skip = skip
        self._only = only
        self._clock = clock
        self.relay = Relay()
        self._hanging: dict[int, float] = {}
        self._answered: dict[int, Gpu] = {}
        self._told: float | None = None
        self._ended: list[tuple[int, int, float]] = []
        self._boards: dict[int, SimulatedBoard] = {}
        self._links: dict[int, SimulatedLinks] = {}
        self._links_read: dict[int, tuple[NvLink, ...]] = {}
        self._linked_at: dict[int, float] = {}
        self._accounted: dict[int, tuple[AccountedProcess, ...]] = {}
        self._accounted_at: dict[int, float] = {}
        self._slices = Slices(seed, MIG_GPU, self._name)

    def busy(self) -> Busy | None:
        hanging = sorted(self._hanging.items(), key=lambda one: one[1])
        if not hanging:
            return None
        index, since = hanging[0]
        return Busy(index, self._uuid(index), "simulated", time.monotonic() - since)

    def hurry(self) -> None:
        """Do nothing: each pass computes everything."""

    def read(self) -> GpuSample:
        """Compute every GPU; hangs for as long as a fault says so. Raises Finished in a thread that was relieved."""
        self.relay.begin()
        faults = self._faults.now()
        at = self._clock()
        if faults.get("ended", []) != self._ended:
            self._ended = faults.get("ended", [])
            self._accounted_at.clear()
            for ended in self._ended:
                end_run(self._seed, *ended)
        if "trouble" in faults:
            return GpuSample(at, (), str(faults["trouble"]), "This is simulated: remove the fault.", certain=False)
        count = int(faults.get("count", GPU_COUNT))
        wanted = [i for i in range(count) if i not in self._skip and self._only in (None, i)]
        gpus = tuple(self._visit(index, count, at, faults) for index in wanted)
        note = None if wanted or self._skip else "The simulated driver reports no GPU."
        events = self._events(at, count)
        return GpuSample(at, gpus, note, None, "simulated", processes_at=at, events=events, cuda_version="13.0")

    def _visit(self, index: int, count: int, at: float, faults: Mapping[str, Any]) -> Gpu:
        stuck_seconds = self.relay.stuck_seconds(index)
        if stuck_seconds is None:
            with self.relay.inside(index):
                self._hang(index)
                self._answered[index] = self._gpu(index, count, at, faults)
            return self._answered[index]
        last, note = self._answered.get(index), f"The driver has not answered for this GPU for {stuck_seconds:.0f} s."
        if last is not None and stuck_seconds < STALE_SECONDS:
            return last
        return without_values(last or self._gpu(index, count, at, faults), GpuState.STALE, note)

    def _hang(self, index: int) -> None:
        self._hanging[index] = time.monotonic()
        while index in self._faults.now().get("hang", ()):
            time.sleep(0.02)
        del self._hanging[index]

    def _events(self, at: float, count: int) -> tuple[DeviceEvent, ...]:
        since = self._told if self._told is not None else at - LOOK_BACK_SECONDS
        self._told = max(at, since)
        there = {self._uuid(index) for index in range(count)}
        return tuple(event for event in gpu_events(self._seed, self._uuid, since, at) if event.device in there)

    def _gpu(self, index: int, count: int, at: float, faults: Mapping[str, Any]) -> Gpu:
        state, lack = failure(index, faults)
        gpu = Gpu(
            uuid=self._uuid(index),
            index=index,
            name=GPU_NAME,
            pci_bus_id=f"00000000:{0x19 + 0x11 * index:02X}:00.0",
            state=state,
            facts=FACTS if index != MIG_GPU else {**FACTS, "MIG mode": "on", "Accounting mode": "off"},
        )
        if lack is not None:
            return replace(gpu, metrics=all_missing(lack), note="Simulated fault.")
        runs = running(self._seed, at, index)
        readings, reasons = self._board(index).readings(at, runs)
        first = index // _SOCKET_GPUS * _SOCKET_CORES
        return replace(
            gpu,
            metrics=readings | wild(index, faults),
            processes=self._processes(index, at, runs),
            throttle_reasons=reasons,
            note="Simulated.",
            processes_known=True,
            links=self._linked(index, at),
            mig=self._slices.read(at, runs) if index == MIG_GPU else (),
            peers=peers(index, count, self._uuid),
            numa_node=index // _SOCKET_GPUS,
            cpu_affinity=f"{first}-{first + _SOCKET_CORES - 1}",
            accounting=self._accounts(index, at) if self._with_accounts and index != MIG_GPU else None,
        )

    def _board(self, index: int) -> SimulatedBoard:
        if index not in self._boards:
            self._boards[index] = SimulatedBoard(self._seed, index)
            self._links[index] = SimulatedLinks(self._seed, index)
        return self._boards[index]

    def _linked(self, index: int, at: float) -> tuple[NvLink, ...]:
        """Return the links as they were at the last whole five seconds: they are read on a slow lane."""
        looked = at - at % _LINKS_SECONDS
        if self._linked_at.get(index) != looked:
            self._linked_at[index] = looked
            self._links_read[index] = self._links[index].read(looked, *self._boards[index].carried(looked))
        return self._links_read[index]

    def _accounts(self, index: int, at: float) -> tuple[AccountedProcess, ...]:
        by_hand = max((moment for *_, moment in self._ended), default=0.0)  # what a person ended shows at once
        looked = max(at - at % ACCOUNTS_SECONDS, min(at, by_hand))
        if self._accounted_at.get(index) != looked:
            self._accounted_at[index] = looked
            self._accounted[index] = accounts(self._seed, index, looked)
        return self._accounted[index]

    def _processes(self, index: int, at: float, runs: list[WorkRun]) -> tuple[GpuProcess, ...]:
        listed = [
            GpuProcess(
                pid_of(self._seed, run, index),
                run.work.user,
                run.work.command,
                int(run.memory_bytes(at)),
                container_id(run),
                "compute",
                ticks_of(run),
                round(max(0.0, load(self._seed, run, index, at)), 2),
                run.start,
                run.work.instance,
                memory_bandwidth_ratio=bandwidth_ratio(self._seed, run, index, at),
                encoder_ratio=0.0,
                decoder_ratio=0.0,
                cpu_ratio=host_load(run, at).busiest_ratio,
                host_memory_bytes=host_memory_bytes(run),
                load=host_load(run, at),
            )
            for run in runs
        ]
        return tuple(sorted(listed, key=lambda process: -(process.gpu_memory_bytes or 0)))

    def _uuid(self, index: int) -> str:
        return gpu_uuid(self._seed, str(index))

    def _name(self, what: str) -> str:
        return gpu_uuid(self._seed, what)


@lru_cache(64)
def gpu_uuid(seed: int, what: str) -> str:
    """Return the UUID of a GPU, by its index, or of a part of one."""
    return f"GPU-{uuid.UUID(bytes=hashlib.md5(f'{seed}.{what}'.encode()).digest())}"  # noqa: S324 - a name


# What a simulated workstation would have told before the demo began, so that its curves go back.


def past(seed: int, until: float, seconds: int) -> Iterator[Sample]:
    """Yield one sample for each of the last ``seconds`` before ``until`` (Unix time), oldest first."""
    return samples_at(seed, (until - seconds + number for number in range(seconds)))


def samples_at(seed: int, times: Iterable[float]) -> Iterator[Sample]:
    """Yield a sample for each of some Unix times, which only go ahead."""
    now = 0.0

    def clock() -> float:
        return now

    gpus, host = SimulatedGpus(seed, clock=clock, with_accounts=False), SimulatedHost(seed, clock)
    for number, at in enumerate(times):
        if number == 0:
            now = at - 1.0
            host.read()  # the first has no rates
        now = at
        gpu, machine = gpus.read(), host.read()
        yield Sample(
            number, now, gpu.gpus, machine.host, machine.disks, machine.networks, filesystems=machine.filesystems
        )
