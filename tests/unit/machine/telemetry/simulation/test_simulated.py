"""The simulated workstation: believable, the same for the same seed and time, and labelled."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.machine.records.gpu import Gpu, GpuProcess
from mlops_desk.machine.records.host import Host, HostProcess
from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.telemetry.gpu_service import GpusService
from mlops_desk.machine.telemetry.metrics.table import GPU_METRICS
from mlops_desk.machine.telemetry.simulation.events import LOOK_BACK_SECONDS, gpu_events, oom_count, oom_kills
from mlops_desk.machine.telemetry.simulation.faults import SimulatedFaults
from mlops_desk.machine.telemetry.simulation.gpus import SimulatedGpus, past
from mlops_desk.machine.telemetry.simulation.host import SimulatedHost
from mlops_desk.machine.telemetry.simulation.host_processes import SimulatedProcesses
from mlops_desk.machine.telemetry.simulation.process_termination import SimulatedEnding
from mlops_desk.machine.telemetry.simulation.workloads import (
    OWN_USER,
    WORKS,
    booted_at,
    busy_seconds,
    container_name,
    load,
    running,
    wave,
    wave_integral,
)
from tests.service_rig import AGENT

NOON = 1.8e9
times = st.floats(1.7e9, 1.9e9)
seeds = st.integers(0, 1000)


def gpus_at(seed: int, at: float) -> tuple[Gpu, ...]:
    return SimulatedGpus(seed, clock=lambda: at).read().gpus


def value(gpu: Gpu, metric: str) -> float:
    found = gpu.metrics[metric].value
    assert found is not None
    return found


@pytest.mark.slow
@given(seeds, times)
@settings(max_examples=40)
def test_everything_follows_from_seed_and_time(seed: int, at: float) -> None:
    assert SimulatedGpus(seed, clock=lambda: at).read() == SimulatedGpus(seed, clock=lambda: at).read()
    assert SimulatedHost(seed, clock=lambda: at).read() == SimulatedHost(seed, clock=lambda: at).read()


@pytest.mark.slow
def test_a_source_that_ran_for_long_says_the_same_as_one_that_begins() -> None:
    now = [NOON]
    old_gpus, old_host = SimulatedGpus(8, clock=lambda: now[0]), SimulatedHost(8, clock=lambda: now[0])
    for _ in range(30):
        now[0] += 97.0
        gpus, host = old_gpus.read().gpus, old_host.read()
    assert gpus == gpus_at(8, now[0])
    fresh = SimulatedHost(8, clock=lambda: now[0]).read()
    assert (host.host, host.disks, host.networks, host.filesystems) == (
        fresh.host, fresh.disks, fresh.networks, fresh.filesystems)  # fmt: skip


@pytest.mark.slow
@given(seeds, times)
@settings(max_examples=40)
def test_no_number_is_impossible(seed: int, at: float) -> None:
    gpus = gpus_at(seed, at)
    assert len({gpu.uuid for gpu in gpus}) == 8
    for gpu in gpus:
        assert set(gpu.metrics) == set(GPU_METRICS)
        assert "simulated" in gpu.name
        assert {reading.state for reading in gpu.metrics.values()} <= {MetricState.OK, MetricState.NOT_SUPPORTED}
        for part in (*gpu.links, *gpu.mig):
            assert {reading.state for reading in part.metrics.values()} == {MetricState.OK}
    sample = SimulatedHost(seed, clock=lambda: at).read()
    assert (len(sample.disks), len(sample.networks), len(sample.host.cores)) == (4, 4, 64)
    used, *nodes = (
        sample.host.metrics[f"system.memory.{name}"].value or 0.0 for name in ("usage", "node0.usage", "node1.usage")
    )
    assert sum(nodes) == pytest.approx(used)
    assert {card.kind for card in sample.networks} == {"ethernet", "infiniband"}
    for device in (sample.host, *sample.host.cores, *sample.host.sensors, *sample.disks, *sample.networks):
        assert {reading.state for reading in device.metrics.values()} == {MetricState.OK}
    for mounted in sample.filesystems:
        states = {reading.state for reading in mounted.metrics.values()}
        assert states == ({MetricState.OK} if mounted.note is None else {MetricState.STALE})


@pytest.mark.slow
def test_people_come_and_go_and_one_gpu_throttles() -> None:
    now = [NOON]
    source = SimulatedGpus(8, clock=lambda: now[0])
    crews, throttled = set(), set()
    for _ in range(120):
        gpus = source.read().gpus
        crews.add(frozenset((process.pid, gpu.index) for gpu in gpus for process in gpu.processes))
        for gpu in gpus:
            if gpu.throttle_reasons:
                throttled.add(gpu.index)
                assert value(gpu, "hw.gpu.throttle.thermal_software") > 0.1
                assert value(gpu, "hw.gpu.clock.sm") < value(gpu, "hw.gpu.clock.sm.limit")
        now[0] += 30
    assert len(crews) > 5
    assert throttled == {7}


@given(seeds, st.floats(1e9, 2e9), st.floats(0.1, 500.0))
def test_the_integral_of_the_noise_is_its_integral(seed: int, start: float, span: float) -> None:
    steps = 2000
    summed = sum(wave(seed, "x", start + (n + 0.5) * span / steps, 17.0) for n in range(steps)) * span / steps
    assert wave_integral(seed, "x", start, start + span, 17.0) == pytest.approx(summed, abs=0.02 + span * 2e-4)


@pytest.mark.slow
@given(seeds, times, st.sampled_from(range(8)))
@settings(max_examples=25, deadline=None)
def test_energy_is_the_integral_of_power(seed: int, at: float, index: int) -> None:
    steps = [at + 0.5 * n for n in range(121)]
    if booted_at(steps[-1]) != booted_at(at):
        return  # the machine was restarted in between, and the counter with it
    samples = [SimulatedGpus(seed, only=index, clock=lambda at=at: at).read().gpus[0] for at in (steps[0], steps[-1])]
    used = value(samples[1], "hw.energy") - value(samples[0], "hw.energy")
    source_time = [at]
    source = SimulatedGpus(seed, only=index, clock=lambda: source_time[0])
    summed = 0.0
    for step in steps[:-1]:
        source_time[0] = step + 0.25
        summed += 0.5 * value(source.read().gpus[0], "hw.power")
    assert used == pytest.approx(summed, rel=0.03)


@given(seeds, times)
@settings(max_examples=50)
def test_a_counter_of_work_never_runs_backwards(seed: int, at: float) -> None:
    for work in WORKS:
        later = busy_seconds(seed, work, work.gpus[0], at + 7.0)
        if booted_at(at) == booted_at(at + 7.0):
            assert later >= busy_seconds(seed, work, work.gpus[0], at) - 1e-6


@pytest.mark.slow
def test_each_event_is_told_once_and_names_a_process_that_ran() -> None:
    now = [NOON]
    source, host = SimulatedGpus(8, clock=lambda: now[0]), SimulatedHost(8, clock=lambda: now[0])
    told, ran = [], set()
    for _ in range(360):
        sample = source.read()
        told += [*sample.events, *host.read().events]
        ran |= {process.pid for gpu in sample.gpus for process in gpu.processes}
        now[0] += 20.0
    assert len(told) == len(set(told))
    assert {(event.kind, event.code) for event in told} == {("xid", 31), ("xid", 94), ("oom", None)}
    recent = [event for event in told if event.at > NOON + 60 and event.code != 94]
    assert {event.pid for event in recent} <= ran


def test_an_event_at_the_very_moment_of_a_look_is_told_by_that_one_alone() -> None:
    event = oom_kills(8, NOON, NOON + 3600)[0]
    assert [*oom_kills(8, NOON, event.at), *oom_kills(8, event.at, event.at + 60)] == [event]
    assert oom_count(8, event.at) == oom_count(8, event.at - 1) + 1


def test_one_program_grows_until_it_is_killed() -> None:
    runs = [(at, run) for at in range(int(NOON), int(NOON) + 1200, 20) for run in running(8, at, 5)]
    grown = [run.memory_bytes(at) / (1 << 30) for at, run in runs if run.work.name == "evaluate"]
    assert max(grown) - min(grown) > 15


def test_while_a_loader_starves_its_disk_is_the_one_that_is_slow() -> None:
    starved = next(at for at in range(int(NOON), int(NOON) + 2000, 5) if "starved" in phases(at))
    fed = next(at for at in range(int(NOON), int(NOON) + 2000, 5) if phases(at)[6:7] == ["train"])
    hungry, full = (SimulatedHost(8, clock=lambda at=at: float(at)).read() for at in (starved, fed))
    assert gpus_at(8, starved)[6].metrics["hw.gpu.utilization"].value < 0.5
    assert hungry.host.metrics["system.pressure.io.some"].value > 0.2
    assert full.host.metrics["system.pressure.io.some"].value < 0.1
    queues = {disk.name: disk.metrics["system.disk.queue"].value for disk in hungry.disks}
    assert max(queues, key=lambda name: queues[name] or 0) == "nvme2n1"


def phases(at: float) -> list[str]:
    """What the work on each GPU is at, in the order of the GPUs."""
    found = []
    for index in range(8):
        run = next(iter(running(8, at, index)), None)
        found.append(run.phase(at).kind if run else "none")
    return found


def test_three_gpus_wait_for_the_fourth_of_their_job() -> None:
    training = next(at for at in range(int(NOON), int(NOON) + 2000, 5) if phases(at)[0] == "train")
    gpus = gpus_at(8, training)[:4]
    slow = gpus[2]
    for peer in (gpus[0], gpus[1], gpus[3]):
        assert value(peer, "hw.gpu.utilization") < value(slow, "hw.gpu.utilization") - 0.2
        assert value(peer, "hw.gpu.clock.sm") > value(slow, "hw.gpu.clock.sm")
        assert peer.peers[slow.uuid] == "NV18"


def test_the_temperature_lags_behind_the_power() -> None:
    start = next(run.start for at in range(int(NOON), int(NOON) + 2000, 5) for run in running(8, at, 6))
    began = next(t for t in (start + n for n in range(900)) if load(8, running(8, t, 6)[0], 6, t) > 0.5)
    early, late = (gpus_at(8, began + after)[6] for after in (3.0, 90.0))
    assert value(early, "hw.power") == pytest.approx(value(late, "hw.power"), rel=0.35)
    assert value(late, "hw.temperature") - value(early, "hw.temperature") > 10


def test_names_of_containers_are_found_again() -> None:
    names = {container_name(process.container or "") for gpu in gpus_at(8, NOON) for process in gpu.processes}
    assert any(name and name.startswith("vllm-mistral-") for name in names)
    assert container_name("no container") is None


def test_a_filesystem_is_nearly_full_and_the_remote_one_falls_silent() -> None:
    silent = 0
    for minute in range(60):
        rows = {row.mount: row for row in SimulatedHost(8, clock=lambda m=minute: NOON + 60.0 * m).read().filesystems}
        assert rows["/data"].metrics["system.filesystem.utilization"].value > 0.95
        silent += rows["/mnt/datasets"].note is not None
    assert silent == 1


@pytest.mark.slow
def test_the_past_is_what_was_there_then_second_by_second() -> None:
    samples = list(past(8, 1_800_000_000.0, 5))
    assert [sample.sampled_at for sample in samples] == [1_800_000_000.0 - 5 + number for number in range(5)]
    for sample in samples:
        there = SimulatedGpus(8, clock=lambda at=sample.sampled_at: at).read()
        assert [gpu.metrics["hw.power"] for gpu in sample.gpus] == [gpu.metrics["hw.power"] for gpu in there.gpus]
        assert sample.disks[0].metrics["system.disk.read"].value is not None


class Demo:
    """Simulated GPUs whose processes can be ended, at a time that only moves when it is told."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.seed, self.now = seed, NOON
        self.file = folder / "faults.json"
        self.gpus = self.source()
        self.host = SimulatedProcesses(seed, self.file, self.clock)
        self.service = GpusService(self.status, SimulatedEnding(self.file, self.clock).end, self.host.find)

    def clock(self) -> float:
        return self.now

    def source(self) -> SimulatedGpus:
        return SimulatedGpus(self.seed, SimulatedFaults(self.file), clock=self.clock)

    def status(self) -> Status:
        return Status(self.gpus.read().gpus, Host("h"), (), (), AGENT, self.now)

    def process(self, user: str, command: str) -> GpuProcess | None:
        found = (process for gpu in self.gpus.read().gpus for process in gpu.processes)
        return next((item for item in found if item.user == user and command in (item.command or "")), None)

    def wait_for(self, user: str, command: str) -> GpuProcess:
        while (found := self.process(user, command)) is None:
            self.now += 30.0
        return found


@pytest.mark.slow
def test_a_process_of_ones_own_ends_at_once_and_leaves_its_gpu_free(tmp_path: Path) -> None:
    demo = Demo(tmp_path, 2101)
    demo.wait_for(OWN_USER, "sweep")
    demo.now += 120.0
    mine, busy = demo.wait_for(OWN_USER, "sweep"), demo.gpus.read().gpus[7]
    assert demo.service.end_process(mine.pid, mine.start_ticks or 0) == mine
    demo.now += 1.0
    assert demo.process(OWN_USER, "sweep") is None
    gpu = demo.gpus.read().gpus[7]
    account = next(one for one in gpu.accounting or () if one.pid == mine.pid)
    assert not account.running, "what was ended by hand runs no more in the accounts either, and at once"
    assert account.started_at + account.seconds == demo.now - 1.0
    assert gpu.processes == ()
    assert value(gpu, "hw.gpu.memory.usage") < 0.1 * value(busy, "hw.gpu.memory.usage")
    with pytest.raises(NotFound, match="no process"):
        demo.service.end_process(mine.pid, mine.start_ticks or 0)
    energies = [value(gpu, "hw.energy")]
    for _ in range(100):
        demo.now += 30.0
        gpu = demo.gpus.read().gpus[7]
        energies.append(value(gpu, "hw.energy"))
    assert energies == sorted(energies)
    assert gpu == demo.source().read().gpus[7], "a collector that begins anew says the same"
    assert demo.wait_for(OWN_USER, "sweep").pid != mine.pid, "the next run comes as it would have"


def test_a_process_of_ones_own_that_is_on_no_gpu_ends_and_leaves_the_list(tmp_path: Path) -> None:
    demo = Demo(tmp_path, 2104)

    def mine() -> list[HostProcess]:
        return [
            one for one in demo.host.read(600).processes if (one.user, one.gpus) == (OWN_USER, ()) and one.threads == 1
        ]

    tmux = next(one for one in mine() if "tmux" in (one.command or ""))
    demo.service.end_process(tmux.pid, tmux.start_ticks)
    assert tmux.pid not in {one.pid for one in mine()}
    with pytest.raises(NotFound):
        demo.service.process(tmux.pid)


def test_another_users_process_is_refused_and_stays(tmp_path: Path) -> None:
    demo = Demo(tmp_path, 2102)
    hers = demo.wait_for("maria", "train.py")
    with pytest.raises(Refused, match=f"belongs to maria, not to {OWN_USER}") as refused:
        demo.service.end_process(hers.pid, hers.start_ticks or 0, force=True)
    assert refused.value.hint
    assert demo.process("maria", "train.py") == hers
    assert not demo.file.exists()


def test_what_was_ended_by_hand_is_not_killed_for_lack_of_memory_later(tmp_path: Path) -> None:
    at = oom_kills(2103, NOON, NOON + 3600.0)[0].at
    gpus = SimulatedGpus(2103, SimulatedFaults(tmp_path / "faults.json"), clock=lambda: at - 5.0)
    eater = next(p for gpu in gpus.read().gpus for p in gpu.processes if "evaluate" in (p.command or ""))
    (tmp_path / "faults.json").write_text(json.dumps({"ended": [[eater.pid, eater.start_ticks, at - 5.0]]}))
    assert all(p.pid != eater.pid for gpu in gpus.read().gpus for p in gpu.processes)
    assert all(kill.at != at for kill in oom_kills(2103, NOON, NOON + 3600.0))


@given(seeds, times)
@settings(max_examples=40)
def test_accounts_are_of_those_that_run_and_of_those_that_ran(seed: int, at: float) -> None:
    for gpu in gpus_at(seed, at):
        assert (
            (gpu.accounting is not None) == (gpu.facts["Accounting mode"] == "on") == (gpu.facts["MIG mode"] == "off")
        )
        began = {process.pid for process in gpu.processes if process.started_at < at - 30}
        ended = [one for one in gpu.accounting or () if not one.running]
        assert began <= {one.pid for one in gpu.accounting or () if one.running} or gpu.accounting is None
        for one in gpu.accounting or ():
            assert (one.seconds is None) == one.running
            assert 0.0 <= one.memory_ratio <= one.gpu_ratio <= 1.0
            assert 0 < one.max_memory_bytes < 80 << 30
        assert all(one.started_at + one.seconds <= at for one in ended)


@given(st.floats(1.7e9, 1.9e9))
def test_whenever_it_begins_there_is_something_to_tell(at: float) -> None:
    assert oom_kills(8, at - LOOK_BACK_SECONDS, at)
    assert gpu_events(8, str, at - LOOK_BACK_SECONDS, at)


@given(seeds, times)
def test_a_gpu_is_held_by_one_container_at_a_time_unless_it_is_cut_in_slices(seed: int, at: float) -> None:
    for gpu in range(8):
        slices = [run.work.instance for run in running(seed, at, gpu)]
        assert len(slices) == len(set(slices)), gpu
        assert len(slices) <= 1 or None not in slices, gpu
