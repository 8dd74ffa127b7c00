"""What a GPU can tell beyond its gauges: activity, links, instances, shares of time, lost time, errors and events."""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mlops_desk.machine.records.gpu import Gpu, GpuState, MigInstance
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import MetricState
from tests.end2end.telemetry.rigs import Desk, NvmlRig

pytestmark = [pytest.mark.end2end, pytest.mark.nvml]

GIB = 1 << 30
MIB = 1 << 20
TWO_H100 = "system driver=580.95.05 cuda=13.0 gpm=1\ngpus 2 model=h100\n"


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Desk]]:
    """Start a service on a scenario; it is stopped at the end."""
    running: list[Desk] = []

    def begin(rig: NvmlRig) -> Desk:
        for name, value in rig.environment.items():
            monkeypatch.setenv(name, value)
        desk = Desk(tmp_path, rig)
        running.append(desk)
        desk.start()
        desk.until(lambda: desk.service.status().gpus)
        return desk

    yield begin
    for desk in running:
        desk.stop()


def value(gpu: Gpu, name: str) -> float | None:
    return gpu.metrics[name].value


def test_a_hopper_tells_what_really_works(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path, f"{TWO_H100}gpu 0 util=80 memutil=40 pcie_tx=1000 power=500 power_instant=612\n"))
    desk.until(lambda: value(desk.gpu(0), "hw.gpu.activity.sm") is not None)
    gpu = desk.gpu(0)
    assert value(gpu, "hw.gpu.activity.sm") == pytest.approx(0.72)
    assert value(gpu, "hw.gpu.activity.tensor") == pytest.approx(0.4)
    assert value(gpu, "hw.gpu.activity.dram") == pytest.approx(0.4)
    assert gpu.metrics["hw.gpu.activity.fp64"].state is MetricState.NOT_SUPPORTED
    assert value(gpu, "hw.gpu.io.transmit") > 0
    assert value(gpu, "hw.power") == pytest.approx(500)
    assert value(gpu, "hw.power.instant") == pytest.approx(612)
    assert desk.service.status().cuda_version == "13.0"


def test_traffic_on_pcie_is_sampled_seldom_where_nothing_measures_it(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, "gpus 1 model=rtx6000ada pcie_tx=3GBps pcie_rx=7GBps\n")
    desk = start(rig)
    desk.until(lambda: value(desk.gpu(0), "hw.gpu.io.transmit") is not None)
    assert value(desk.gpu(0), "hw.gpu.io.transmit") == pytest.approx(3e9, rel=0.05)
    assert value(desk.gpu(0), "hw.gpu.io.receive") == pytest.approx(7e9, rel=0.05)
    at = desk.service.status().sampled_at
    desk.until(lambda: desk.service.status().sampled_at > at + 4)
    counts = [line.split() for line in rig.simulator.calls_of(desk.collector).splitlines()]
    assert [int(words[1]) for words in counts if words[:1] == ["nvmlDeviceGetPcieThroughput"]] == [2]


def test_traffic_on_pcie_is_not_sampled_where_it_is_measured(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, f"{TWO_H100}gpu 0 pcie_tx=3GBps\n")
    desk = start(rig)
    desk.until(lambda: value(desk.gpu(0), "hw.gpu.io.transmit"))
    at = desk.service.status().sampled_at
    desk.until(lambda: desk.service.status().sampled_at > at + 3)
    assert value(desk.gpu(0), "hw.gpu.io.transmit") == pytest.approx(3e9, rel=0.1)
    assert "nvmlDeviceGetPcieThroughput" not in rig.simulator.calls_of(desk.collector)


def test_time_lost_to_throttling_is_a_share_of_time_by_cause(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path, f"{TWO_H100}gpu 0 throttle=sw_power\n"))
    desk.until(lambda: (value(desk.gpu(0), "hw.gpu.throttle.power_cap") or 0) > 0.8)
    assert desk.gpu(0).throttle_reasons == ("power cap",)
    assert value(desk.gpu(0), "hw.gpu.throttle.thermal") == 0.0
    assert value(desk.gpu(0), "hw.gpu.throttle.hardware_slowdown") == 0.0
    assert value(desk.gpu(1), "hw.gpu.throttle.power_cap") == 0.0


def test_links_are_known_one_by_one(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path, f"{TWO_H100}gpu 0 nvlink_tx=18GBps nvlink_down=4 nvlink_crc=36\n"))
    # The path by NVLink is known once both ends have told of their links, which is not in one tick.
    desk.until(lambda: desk.gpu(0).links and desk.gpu(0).peers.get(desk.gpu(1).uuid, "").startswith("NV"))
    gpu = desk.gpu(0)
    assert [link.number for link in gpu.links if link.state == "down"] == [2]
    assert value(gpu, "hw.gpu.nvlink.up") == 17
    assert {link.version for link in gpu.links} == {"4.0"}
    assert gpu.peers[desk.gpu(1).uuid].startswith("NV")
    assert value(gpu, "hw.gpu.nvlink.errors.crc") == 36
    desk.until(lambda: value(desk.gpu(0), "hw.gpu.nvlink.transmit"))
    assert value(desk.gpu(0), "hw.gpu.nvlink.transmit") == pytest.approx(18e9, rel=0.1)
    assert gpu.facts["CUDA capability"] == "9.0"
    assert gpu.facts["Architecture"] == "Hopper"
    assert gpu.cpu_affinity


def known(instance: MigInstance, name: str) -> bool:
    reading = instance.metrics.get(name)
    return reading is not None and reading.value is not None


MIG = """
mig gpu=0 profile=3g.40gb gi=1 mem_used=20GiB
mig gpu=0 profile=1g.10gb gi=9 mem_used=2GiB
"""


def test_instances_are_read_and_the_whole_has_no_utilisation(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100 + MIG + f"proc gpu=0 pid={os.getpid()} gi=9 ci=0 mem=1GiB\n")
    desk = start(rig)
    desk.until(lambda: len(desk.gpu(0).mig) == 2)
    gpu = desk.gpu(0)
    assert gpu.metrics["hw.gpu.utilization"].value is None
    assert [(one.profile, one.gpu_instance) for one in gpu.mig] == [("3g.40gb", 1), ("1g.10gb", 9)]
    assert gpu.mig[0].metrics["hw.gpu.memory.usage"].value == 20 * GIB
    assert gpu.facts.get("MIG mode", "on").startswith("on")
    assert [(one.pid, one.gpu_instance, one.sm_ratio) for one in gpu.processes] == [(os.getpid(), 9, None)]
    assert desk.gpu(1).mig == ()


def test_each_instance_tells_how_busy_it_is_itself(start, tmp_path: Path) -> None:
    busy = "proc gpu=0 pid=4194301 gi=1 ci=0 mem=1GiB sm=80 memutil=50\n"
    quiet = "proc gpu=0 pid=4194302 gi=9 ci=0 mem=1GiB sm=20 memutil=10\n"
    rig = NvmlRig(tmp_path, TWO_H100 + MIG + busy + quiet)
    desk = start(rig)
    desk.until(lambda: desk.gpu(0).mig and all(known(one, "hw.gpu.activity.sm") for one in desk.gpu(0).mig))
    large, small = desk.gpu(0).mig
    assert (large.gpu_instance, small.gpu_instance) == (1, 9)
    for instance, load, memory in ((large, 0.8, 0.5), (small, 0.2, 0.1)):
        shown = {name: reading.value for name, reading in instance.metrics.items() if ".activity." in name}
        assert shown["hw.gpu.activity.graphics"] == pytest.approx(load)
        assert shown["hw.gpu.activity.sm"] == pytest.approx(0.9 * load)
        assert shown["hw.gpu.activity.tensor"] == pytest.approx(0.5 * load)
        assert shown["hw.gpu.activity.dram"] == pytest.approx(memory)
        assert instance.metrics["hw.gpu.activity.fp64"].state is MetricState.NOT_SUPPORTED
    rig.simulator.inject("mig gpu=0 profile=1g.10gb gi=7")  # which nobody uses
    desk.until(lambda: len(desk.gpu(0).mig) == 3 and known(desk.gpu(0).mig[2], "hw.gpu.activity.sm"))
    assert desk.gpu(0).mig[2].metrics["hw.gpu.activity.sm"].value == 0.0


def test_instances_without_the_right_or_the_function_say_so(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100 + MIG)
    rig.simulator.inject("fault gpu=0 fn=nvmlGpmMigSampleGet error=NO_PERMISSION")
    desk = start(rig)
    desk.until(lambda: desk.gpu(0).mig and "hw.gpu.activity.sm" in desk.gpu(0).mig[0].metrics)
    for instance in desk.gpu(0).mig:
        assert instance.metrics["hw.gpu.activity.sm"].state is MetricState.NO_PERMISSION
        assert instance.metrics["hw.gpu.memory.usage"].state is MetricState.OK
    assert desk.gpu(0).state is GpuState.OK


def test_a_new_layout_is_seen_while_it_runs(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100 + MIG)
    desk = start(rig)
    desk.until(lambda: len(desk.gpu(0).mig) == 2)
    before = {one.gpu_instance: one.fingerprint for one in desk.gpu(0).mig}
    rig.simulator.inject("mig gpu=0 profile=2g.20gb gi=5")
    desk.until(lambda: len(desk.gpu(0).mig) == 3)
    after = {one.gpu_instance: one.fingerprint for one in desk.gpu(0).mig}
    assert after.items() >= before.items()
    assert desk.gpu(0).state is GpuState.OK
    rig.heal()  # and destroyed again
    desk.until(lambda: len(desk.gpu(0).mig) == 2)
    assert {one.gpu_instance: one.fingerprint for one in desk.gpu(0).mig} == before
    assert desk.gpu(1).state is GpuState.OK


def test_a_new_layout_is_never_shown_mixed_with_the_old(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100 + MIG + "proc gpu=0 pid=4194301 gi=9 ci=0 mem=1GiB\n")
    desk = start(rig)
    desk.until(lambda: len(desk.gpu(0).mig) == 2)
    seen = len(desk.announced)
    new = tmp_path / "new.conf"
    new.write_text(
        f"{TWO_H100}mig gpu=0 profile=2g.20gb gi=3 mem_used=4GiB\nproc gpu=0 pid=4194302 gi=3 ci=0 mem=1GiB\n"
    )
    new.replace(rig.simulator.scenario)  # at once: half a scenario would be a layout in between
    desk.until(lambda: [one.gpu_instance for one in desk.gpu(0).mig] == [3])
    layouts = [
        ([one.gpu_instance for one in status.gpus[0].mig], [one.gpu_instance for one in status.gpus[0].processes],
         [one.metrics["hw.gpu.memory.usage"].value for one in status.gpus[0].mig])
        for status in desk.announced[seen:]
    ]  # fmt: skip
    old, new = ([1, 9], [9], [20 * GIB, 2 * GIB]), ([3], [3], [4 * GIB])
    odd = [layout for layout in layouts if layout not in (old, new)]
    assert len(odd) <= 1, odd  # the tick within which it changed


def test_heat_that_two_causes_count_at_once_is_told_while_it_lasts(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path, f"{TWO_H100}gpu 0 throttle=hw_thermal|sw_thermal\n"))
    desk.until(lambda: (value(desk.gpu(0), "hw.gpu.throttle.thermal_hardware") or 0) > 0.8)
    seen = len(desk.announced)
    desk.until(lambda: len(desk.announced) >= seen + 4)
    shares = [status.gpus[0].metrics["hw.gpu.throttle.thermal"].value for status in desk.announced[seen:]]
    assert all(share is not None and share > 0.8 for share in shares), shares


def test_heat_that_the_hardware_alone_acts_on_costs_time_as_well(start, tmp_path: Path) -> None:
    desk = start(NvmlRig(tmp_path, f"{TWO_H100}gpu 0 throttle=hw_thermal\n"))
    desk.until(lambda: (value(desk.gpu(0), "hw.gpu.throttle.thermal_hardware") or 0) > 0.8)
    assert value(desk.gpu(0), "hw.gpu.throttle.thermal_software") == 0.0
    desk.until(lambda: (value(desk.gpu(0), "hw.gpu.throttle.thermal") or 0) > 0.8)


def test_each_process_has_its_share_and_start(start, tmp_path: Path) -> None:
    busy, idle = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    try:
        rig = NvmlRig(
            tmp_path,
            f"{TWO_H100}proc gpu=0 pid={busy.pid} mem=3GiB sm=40\nproc gpu=0 pid={idle.pid} mem=1GiB sm=0\n",
        )
        desk = start(rig)
        desk.until(lambda: desk.gpu(0).processes and desk.gpu(0).processes[0].sm_ratio)
        first, second = desk.gpu(0).processes
        assert (first.pid, first.sm_ratio) == (busy.pid, pytest.approx(0.4))
        assert (second.pid, second.sm_ratio) == (idle.pid, 0.0)
        assert first.started_at == pytest.approx(time.time(), abs=60)
    finally:
        for worker in (busy, idle):
            worker.kill()
            worker.wait()


def test_longer_process_records_of_some_drivers_are_understood(start, tmp_path: Path) -> None:
    rig = NvmlRig(
        tmp_path,
        "system driver=535.86.05 proc_v3=legacy\ngpus 1 model=h100\n"
        "proc gpu=0 pid=4194301 mem=3GiB\nproc gpu=0 pid=4194302 mem=2GiB\nproc gpu=0 pid=4194303 mem=1GiB\n",
    )
    desk = start(rig)
    desk.until(lambda: desk.gpu(0).processes)
    assert [(one.pid, one.gpu_memory_bytes) for one in desk.gpu(0).processes] == [
        (4194301, 3 * GIB),
        (4194302, 2 * GIB),
        (4194303, GIB),
    ]


def listen(desk: Desk) -> list[DeviceEvent]:
    """Hear what the driver tells; what the kernel of this machine kills meanwhile is of other tests."""
    heard: list[DeviceEvent] = []
    desk.service.listen(lambda events, _status, _tick: heard.extend(one for one in events if one.kind != "oom"))
    return heard


def test_what_the_driver_reports_is_heard_once(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100)
    desk = start(rig)
    heard = listen(desk)
    time.sleep(2.5)  # an event goes only to those who listen already, and whether they do can't be seen
    rig.simulator.inject("event gpu=1 xid=48", "event gpu=1 type=dbe", "event gpu=0 xid=31")
    desk.until(lambda: len(heard) >= 3)
    time.sleep(2.5)
    found = sorted((event.kind, event.device, event.code, event.count) for event in heard)
    one, other = desk.gpu(0).uuid, desk.gpu(1).uuid
    assert found == [("ecc", other, None, 1), *sorted([("xid", one, 31, 1), ("xid", other, 48, 1)])]
    assert {event.kind: event.level for event in heard} == {"ecc": "alert", "xid": None}


def test_a_gpu_that_wants_to_be_repaired_is_heard_and_says_how(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, f"{TWO_H100}gpu 1 recovery=4\n")
    desk = start(rig)
    heard = listen(desk)
    desk.until(lambda: value(desk.gpu(1), "hw.gpu.recovery_action") == 4)
    assert value(desk.gpu(0), "hw.gpu.recovery_action") == 0
    time.sleep(2.5)
    rig.simulator.inject("event gpu=1 type=recovery", "event gpu=1 type=unavailable")
    desk.until(lambda: len(heard) >= 2)
    one = desk.gpu(1).uuid
    assert {(event.kind, event.device) for event in heard} == {("recovery", one), ("unavailable", one)}


def test_a_storm_is_folded_and_the_numbers_go_on(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100)
    desk = start(rig)
    heard = listen(desk)
    time.sleep(2.5)
    rig.simulator.inject("event gpu=1 xid=31 at=0 repeat=0.001")
    desk.until(lambda: sum(event.count for event in heard) > 300)
    assert len(heard) < 20
    assert max(event.count for event in heard) > 50
    at = desk.service.status().sampled_at
    desk.until(lambda: desk.service.status().sampled_at > at + 2)
    assert {gpu.state for gpu in desk.service.status().gpus} == {GpuState.OK}


def test_a_lost_gpu_does_not_silence_the_others(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100)
    desk = start(rig)
    heard = listen(desk)
    time.sleep(2.5)
    rig.lose(0)
    desk.until(lambda: desk.gpu(0).state is GpuState.LOST)
    desk.until(lambda: any(event.code == 79 for event in heard))
    time.sleep(3.0)
    rig.simulator.inject("event gpu=1 xid=94")
    desk.until(lambda: any(event.code == 94 for event in heard))


def test_a_gpu_that_wants_a_reset_says_so(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, TWO_H100)
    desk = start(rig)
    rig.simulator.inject("fault gpu=1 fn=nvmlDeviceGetUtilizationRates error=RESET_REQUIRED")
    desk.until(lambda: desk.gpu(1).state is GpuState.RESET_REQUIRED)
    assert "--gpu-reset -i 1" in (desk.gpu(1).note or "")
    assert value(desk.gpu(1), "hw.power") is not None
    rig.heal()
    desk.until(lambda: desk.gpu(1).state is GpuState.OK)


def test_no_share_of_time_is_impossible_while_everything_fails(start, tmp_path: Path) -> None:
    rig = NvmlRig(tmp_path, f"{TWO_H100}gpu 0 throttle=sw_power nvlink_tx=5GBps\n")
    desk = start(rig)
    desk.until(lambda: value(desk.gpu(0), "hw.gpu.throttle.power_cap"))
    begun = len(desk.announced)
    rig.simulator.inject("fault fn=nvmlDevice* error=DRIVER_NOT_LOADED", "fault driver=unloaded")
    desk.until(lambda: desk.gpu(0).state is GpuState.ERROR)
    rig.heal()
    desk.until(lambda: desk.gpu(0).state is GpuState.OK and value(desk.gpu(0), "hw.gpu.throttle.power_cap"))
    shown = [
        reading.value
        for status in desk.announced[begun:]
        for gpu in status.gpus
        for name, reading in gpu.metrics.items()
        if name.startswith("hw.gpu.throttle.") and reading.value is not None
    ]
    assert shown
    assert all(0.0 <= share <= 1.0 for share in shown)
