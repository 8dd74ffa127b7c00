"""What /proc and /sys say, and what they may leave out."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.records.metric import MetricState
from mlops_desk.machine.telemetry.host import cgroups, disks, filesystems, memory, network, processors
from mlops_desk.machine.telemetry.host import machine as host
from mlops_desk.machine.telemetry.host import machine as oom_kills
from mlops_desk.machine.telemetry.host.counters import Counters
from mlops_desk.machine.telemetry.host.machine import LinuxHost

STAT = "cpu  100 0 50 800 40 0 10 0 0 0\ncpu0 100 0 50 800 40 0 10 0 0 0\n"
LATER = "cpu  150 0 60 850 70 0 20 0 0 0\ncpu0 160 0 60 820 50 0 10 0 0 0\n"
MEMINFO = "MemTotal: 1000 kB\nMemFree: 10 kB\nMemAvailable: 400 kB\nSwapTotal: 50 kB\nSwapFree: 20 kB\n"
PRESSURE = "some avg10=1.50 avg60=0.00 avg300=0.00 total=2000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
NET = (
    "Inter-| Receive | Transmit\n face |bytes packets\n"
    "  eth0: 1000 5 1 2 0 0 0 0 500 4 3 1 0 0 0 0\n    lo: 9 1 0 0 0 0 0 0 9 1 0 0 0 0 0 0\n"
)
DISKS = (
    " 259 0 nvme0n1 100 0 2000 50 10 0 400 30 2 90 80 0 0 0 0 0 0\n"
    " 259 1 nvme0n1p1 100 0 2000 50 10 0 400 30 2 90 80\n   7 0 loop0 1 0 1 0 0 0 0 0 0 0 0\n"
)


@pytest.fixture
def machine(tmp_path: Path) -> tuple[Path, Path]:
    """A small /proc and /sys."""
    proc, sys = tmp_path / "proc", tmp_path / "sys"
    (proc / "pressure").mkdir(parents=True)
    (proc / "net").mkdir()
    disk = sys / "block" / "nvme0n1"
    (disk / "device" / "hwmon3").mkdir(parents=True)
    (disk / "queue").mkdir()
    clock = sys / "devices" / "system" / "cpu" / "cpu0" / "cpufreq"
    clock.mkdir(parents=True)
    card = sys / "class" / "net" / "eth0"
    (card / "device").mkdir(parents=True)
    (sys / "class" / "net" / "lo").mkdir()
    for path, text in {
        proc / "stat": STAT,
        clock / "scaling_cur_freq": "3200000\n",
        proc / "meminfo": MEMINFO,
        proc / "loadavg": "0.50 0.40 0.30 1/100 4242\n",
        proc / "pressure" / "cpu": PRESSURE,
        proc / "net" / "dev": NET,
        proc / "diskstats": DISKS,
        disk / "size": "7814037168\n",
        disk / "device" / "model": "Good Drive 4TB   \n",
        disk / "device" / "firmware_rev": "2.1\n",
        disk / "device" / "numa_node": "1\n",
        disk / "queue" / "rotational": "0\n",
        disk / "device" / "hwmon3" / "temp1_input": "41850\n",
        card / "speed": "10000\n",
        card / "operstate": "up\n",
        card / "type": "1\n",
        card / "address": "0a:00:00:00:00:01\n",
    }.items():
        path.write_text(text)
    return proc, sys


def values(metrics) -> dict[str, float | None]:
    return {name: reading.value for name, reading in metrics.items()}


def measure(linux: LinuxHost) -> None:
    for lane in linux.lanes():
        lane.work()


def test_the_first_pass_has_levels_and_no_rates(machine) -> None:
    sample = LinuxHost(*machine).read()
    shown = values(sample.host.metrics)
    assert shown["system.memory.usage"] == 600 * 1024
    assert shown["system.paging.usage"] == 30 * 1024
    assert shown["system.cpu.load_average.5m"] == 0.4
    assert shown["system.pressure.cpu.some.avg10"] == 0.015
    assert not {"system.cpu.utilization", "system.pressure.cpu.some"} & set(shown)
    (disk,) = sample.disks
    assert (disk.name, disk.model, disk.numa_node) == ("nvme0n1", "Good Drive 4TB", 1)
    assert values(disk.metrics) == {"system.disk.limit": 7814037168 * 512, "system.disk.inflight": 2}
    assert disk.facts == {"Kind": "solid state", "Firmware": "2.1"}
    (card,) = sample.networks
    assert values(card.metrics) == {"hw.network.bandwidth.limit": 1.25e9, "hw.network.up": 1.0}
    assert (card.kind, card.link, card.facts["Address"]) == ("ethernet", "up", "0a:00:00:00:00:01")


def test_a_drive_that_stops_answering_has_no_temperature(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    linux = LinuxHost(*machine)
    measure(linux)
    assert linux.read().disks[0].metrics["hw.temperature"].value == 41.85
    later = time.monotonic() + 60
    monkeypatch.setattr(host.time, "monotonic", lambda: later)
    assert linux.read().disks[0].metrics["hw.temperature"].state is MetricState.STALE
    measure(linux)
    assert linux.read().disks[0].metrics["hw.temperature"].value == 41.85


def test_the_second_pass_has_rates(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, sys = machine
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(host.time, "monotonic", lambda: next(clock))
    linux = LinuxHost(proc, sys)
    linux.read()
    (proc / "stat").write_text(LATER)
    (proc / "pressure" / "cpu").write_text(PRESSURE.replace("2000000", "2500000"))
    (proc / "diskstats").write_text(" 259 0 nvme0n1 300 0 6000 90 10 0 400 30 2 90 480 0 0 0 0 0 0\n")
    (proc / "net" / "dev").write_text(NET.replace("1000 5 1 2", "5000 9 2 3"))
    sample = linux.read()
    shown = values(sample.host.metrics)
    assert shown["system.cpu.utilization"] == pytest.approx(70 / 150)
    assert shown["system.cpu.utilization.iowait"] == pytest.approx(30 / 150)
    assert shown["system.cpu.utilization.user"] == pytest.approx(50 / 150)
    assert shown["system.cpu.utilization.system"] == pytest.approx(20 / 150)
    assert values(sample.host.cores[0].metrics) == pytest.approx(
        {"system.cpu.utilization": 0.7, "system.cpu.utilization.iowait": 0.1, "system.cpu.frequency": 3.2e9}
    )
    assert shown["system.pressure.cpu.some"] == pytest.approx(0.25)
    disk = values(sample.disks[0].metrics)
    assert disk["system.disk.read"] == 4000 * 512 / 2
    assert disk["system.disk.read.operations"] == 100
    assert disk["system.disk.read.latency"] == pytest.approx(0.0002)
    assert disk["system.disk.queue"] == pytest.approx(0.2)
    assert disk["system.disk.busy"] == 0.0
    assert disk["system.disk.write"] == 0
    assert "system.disk.write.latency" not in disk
    card = values(sample.networks[0].metrics)
    assert card["system.network.receive"] == 2000
    assert card["system.network.receive.errors"] == 1
    assert card["system.network.receive.drops"] == 0.5
    assert card["system.network.receive.packets"] == 2
    assert card["hw.network.bandwidth.utilization"] == pytest.approx(2000 / 1.25e9)
    assert card["system.network.transmit"] == 0


def test_a_kernel_without_pressure_says_so(tmp_path: Path) -> None:
    shown = LinuxHost(tmp_path, tmp_path).read().host.metrics
    assert shown["system.pressure.io.some"].state is MetricState.NOT_SUPPORTED
    assert "system.memory.usage" not in shown


def test_a_device_that_was_reset_draws_no_spike(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, sys = machine
    linux = LinuxHost(proc, sys)
    linux.read()
    (proc / "net" / "dev").write_text(NET.replace("1000 5", "3 1"))
    card = linux.read().networks[0].metrics
    assert "system.network.receive" not in card


@given(
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 1 << 64)),
    st.dictionaries(st.sampled_from("abc"), st.integers(0, 1 << 64)),
)
def test_counters_never_run_backwards(first: dict[str, int], second: dict[str, int]) -> None:
    counters = Counters()
    assert counters.advance(1.0, first) is None
    seconds, grown = counters.advance(2.0, second)
    assert seconds == 1.0
    assert all(amount >= 0 for amount in grown.values())
    assert set(grown) <= set(first) & set(second)


@given(
    st.text(max_size=200),
    st.sampled_from(["", "cpu  ", "MemTotal: ", "some avg10=", " 259 0 nvme0n1 1 ", "a\nb\neth0: "]),
)
def test_no_text_of_the_kernel_breaks_the_readers(text: str, start: str) -> None:
    for parse in (
        processors.processor_ticks,
        memory.memory,
        cgroups.load,
        cgroups.pressure,
        disks.disk_counters,
        network.interface_counters,
        filesystems.spaces,
    ):
        assert isinstance(parse(start + text), dict)
    assert isinstance(filesystems.mounts(start + text), list)
    assert isinstance(oom_kills.victims_of([start + text]), list)
    assert memory.node_memory(start + text) == (None, None)


def test_an_idle_counter_that_runs_backwards_is_no_work() -> None:
    assert processors.spent([10, 0, 0, 100, 50, 0, 0, 0], [11, 0, 0, 140, 20, 0, 0, 0]) == [1, 0, 0, 40, 0, 0, 0, 0]
    assert processors.spent([10, 0, 0, 100, 50, 0, 0, 0], [3, 0, 0, 140, 60, 0, 0, 0]) is None
    assert processors.spent([1] * 8, [1] * 8) is None


def test_a_processor_that_is_taken_out_leaves_and_comes_back_without_a_spike(machine) -> None:
    proc, sys = machine
    linux = LinuxHost(proc, sys)
    linux.read()
    (proc / "stat").write_text("cpu  150 0 60 850 70 0 20 0 0 0\n")
    assert linux.read().host.cores == ()
    (proc / "stat").write_text(LATER)
    (core,) = linux.read().host.cores
    assert "system.cpu.utilization" not in core.metrics


def test_the_clock_of_the_wall_moves_no_rate(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, sys = machine
    monotonic = iter([10.0, 12.0])
    monkeypatch.setattr(host.time, "monotonic", lambda: next(monotonic))
    linux = LinuxHost(proc, sys)
    linux.read()
    monkeypatch.setattr(host.time, "time", lambda: 1e9 + 10 * 365 * 86_400.0)
    (proc / "net" / "dev").write_text(NET.replace("1000 5 1 2", "5000 9 2 3"))
    assert values(linux.read().networks[0].metrics)["system.network.receive"] == 2000


def test_what_does_not_change_is_the_same_object(machine) -> None:
    linux = LinuxHost(*machine)
    before, after = linux.read().host.metrics, linux.read().host.metrics
    assert after["system.memory.usage"] is before["system.memory.usage"]


def test_a_disk_that_is_pulled_out_leaves_the_list(machine) -> None:
    proc, sys = machine
    linux = LinuxHost(proc, sys)
    assert len(linux.read().disks) == 1
    (proc / "diskstats").write_text("")
    (proc / "net" / "dev").write_text("Inter-\n face\n")
    sample = linux.read()
    assert (sample.disks, sample.networks) == ((), ())


def test_memory_of_each_node_is_told_where_there_are_two(machine) -> None:
    proc, sys = machine
    for node, free in ((0, 300), (1, 100)):
        folder = sys / "devices" / "system" / "node" / f"node{node}"
        folder.mkdir(parents=True)
        (folder / "cpulist").write_text(f"{node}\n")
        rows = {"MemTotal": 500, "MemFree": free, "FilePages": 90, "Shmem": 20, "SReclaimable": 10}
        text = "".join(f"Node {node} {name}:  {kilobytes} kB\n" for name, kilobytes in rows.items())
        (folder / "meminfo").write_text(f"\n{text}")
    sample = LinuxHost(proc, sys).read()
    shown = values(sample.host.metrics)
    assert shown["system.memory.node1.usage"] == (400 - 70 - 10) * 1024, "the cache is no use, as for the whole machine"
    assert shown["system.memory.node0.limit"] == 500 * 1024
    assert sample.host.facts["NUMA node 1"] == "processors 1"


def test_swap_and_kernel_work_are_told_as_rates(machine, monkeypatch: pytest.MonkeyPatch) -> None:
    proc, sys = machine
    clock = iter([10.0, 12.0])
    monkeypatch.setattr(host.time, "monotonic", lambda: next(clock))
    (proc / "vmstat").write_text("pswpin 10\npswpout 0\npgmajfault 4\noom_kill 1\n")
    (proc / "stat").write_text(STAT + "intr 100 1 2\nctxt 1000\nbtime 1700000000\nprocesses 10\nprocs_running 3\n")
    linux = LinuxHost(proc, sys)
    first = linux.read()
    assert first.host.booted_at == 1.7e9
    (proc / "vmstat").write_text("pswpin 30\npswpout 0\npgmajfault 8\noom_kill 1\n")
    (proc / "stat").write_text(LATER + "intr 300 1 2\nctxt 3000\nbtime 1700000001\nprocesses 14\nprocs_running 3\n")
    sample = linux.read()
    shown = values(sample.host.metrics)
    assert sample.host.booted_at == 1.7e9
    assert shown["system.paging.in"] == 10 * memory._PAGE
    assert shown["system.paging.out"] == 0
    assert shown["system.paging.faults.major"] == 2
    assert shown["system.memory.oom_kills"] == 1
    assert shown["system.cpu.context_switches"] == 1000
    assert shown["system.processes.created"] == 2
    assert shown["system.processes.running"] == 3
