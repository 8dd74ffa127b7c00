"""Why a GPU is idle: each cause from a plain case, and what must hold for any numbers."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, HostLoad, LeaseInfo, NvLink
from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, Network
from mlops_desk.machine.records.metric import Reading
from mlops_desk.machine.records.status import Diagnosis, Status
from mlops_desk.machine.telemetry.history.memory import Ring
from mlops_desk.machine.telemetry.verdicts.diagnosis import IDLE_SECONDS, Idle, diagnose
from mlops_desk.machine.telemetry.verdicts.verdict_cache import Verdicts, means_of

INFO = AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i")
NOW = 1_800_000_000.0
CAUSES = {
    "busy", "loader", "processors", "storage", "network", "pcie", "nvlink", "link", "peers", "throttled",
    "small_batches", "idle", "unknown",
}  # fmt: skip
AWAKE = Idle({}, NOW)


QUIET = HostLoad(60.0, 0.1, 0.05, 9, 0.1, None, 0.0, 0.0, 0.0)
"""Of processes that wait for nothing and do next to nothing."""


def gpu(index: int = 0, container: str | None = "box", load: HostLoad | None = QUIET, **given) -> Gpu:
    process = GpuProcess(10 + index, "ada", "python train.py", 5 << 30, container, load=load)
    metrics = {"hw.gpu.memory.usage": Reading(5.0 * 2**30, "By")}
    given = {"processes": (process,), **given}
    return Gpu(f"GPU-{index}", index, "H100", None, GpuState.OK, metrics=metrics, **given)


def status(*gpus: Gpu, cores: int = 4) -> Status:
    host = Host("box", cores=tuple(Core(f"cpu{number}") for number in range(cores)))
    disks, networks = (Disk("nvme0n1"), Disk("nvme1n1")), (Network("eth0"),)
    mounts = (Filesystem("/mnt/data", "server:/data", "nfs4"),)
    return Status(gpus or (gpu(),), host, disks, networks, INFO, NOW, filesystems=mounts)


def use(*shares: float) -> dict[tuple[str, str], float]:
    return {(f"GPU-{index}", "hw.gpu.utilization"): share for index, share in enumerate(shares)}


HUNGRY = replace(QUIET, io_pressure_ratio=0.5, read_bytes_per_second=3e8)
WORKING = replace(QUIET, cores=1.2, cgroup_cores=1.2, busiest_ratio=0.99)

CASES = {
    "busy": (QUIET, {("GPU-0", "hw.gpu.utilization"): 0.97, ("GPU-0", "hw.gpu.activity.sm"): 0.8}),
    "small_batches": (QUIET, {("GPU-0", "hw.gpu.utilization"): 0.97, ("GPU-0", "hw.gpu.activity.sm"): 0.1}),
    "throttled": (QUIET, {("GPU-0", "hw.gpu.utilization"): 0.99, ("GPU-0", "hw.gpu.throttle.thermal"): 0.4}),
    "storage": (HUNGRY, {("GPU-0", "hw.gpu.utilization"): 0.4, ("host", "system.pressure.io.some"): 0.5}),
    "network": (QUIET, {("GPU-0", "hw.gpu.utilization"): 0.4, ("/mnt/data", "system.filesystem.latency"): 2.0}),
    "loader": (WORKING, {("GPU-0", "hw.gpu.utilization"): 0.4, ("host", "system.cpu.utilization"): 0.5}),
    "processors": (
        replace(QUIET, cpu_pressure_ratio=0.4),
        {("GPU-0", "hw.gpu.utilization"): 0.4, ("host", "system.cpu.utilization"): 0.98},
    ),
    "unknown": (QUIET, {("GPU-0", "hw.gpu.utilization"): 0.4, ("host", "system.cpu.utilization"): 0.2}),
    "idle": (QUIET, {("GPU-0", "hw.gpu.utilization"): 0.0}),
}


@pytest.mark.parametrize("cause", sorted(CASES))
def test_each_cause_is_found_and_shows_its_evidence(cause):
    load, means = CASES[cause]
    (verdict,) = diagnose(status(gpu(load=load)), means, AWAKE)
    assert verdict.cause == cause
    assert verdict.label == "box"
    measured = {(evidence.device, evidence.metric) for evidence in verdict.evidence}
    assert measured & set(means)


@pytest.mark.parametrize(
    ("means", "cause"),
    [
        ({("eth0", "hw.network.bandwidth.utilization"): 0.84}, "unknown"),
        ({("eth0", "hw.network.bandwidth.utilization"): 0.85}, "network"),
        ({("eth0", "system.network.receive.errors"): 50.0}, "network"),
        ({("eth0", "system.network.receive.errors"): 50.0, ("eth0", "system.network.receive.drops"): 50.0}, "unknown"),
        ({("GPU-0", "hw.gpu.throttle.power_cap"): 0.9}, "unknown"),
        ({("GPU-0", "hw.gpu.throttle.thermal"): 0.10}, "throttled"),
        ({("GPU-0", "hw.gpu.throttle.thermal"): 0.09}, "unknown"),
        (
            {
                ("GPU-0", "hw.gpu.throttle.power_cap"): 0.9,
                ("GPU-0", "hw.power.limit"): 350.0,
                ("GPU-0", "hw.power.limit.default"): 700.0,
            },
            "throttled",
        ),
        (
            {
                ("GPU-0", "hw.gpu.throttle.power_cap"): 0.49,
                ("GPU-0", "hw.power.limit"): 350.0,
                ("GPU-0", "hw.power.limit.default"): 700.0,
            },
            "unknown",
        ),
    ],
)
def test_what_holds_back_a_gpu_that_waits(means, cause):
    (verdict,) = diagnose(status(), {**use(0.4), **means}, AWAKE)
    assert verdict.cause == cause


@pytest.mark.parametrize(
    ("share", "sm", "cause"),
    [(0.84, 0.1, "unknown"), (0.85, 0.34, "small_batches"), (0.85, 0.35, "busy"), (0.85, None, "busy")],
)
def test_from_85_percent_on_a_gpu_has_enough_to_do_and_below_35_of_sm_activity_its_kernels_are_small(share, sm, cause):
    activity = {} if sm is None else {("GPU-0", "hw.gpu.activity.sm"): sm}
    (verdict,) = diagnose(status(), {**use(share), **activity}, AWAKE)
    assert verdict.cause == cause


@pytest.mark.parametrize(
    ("load", "cause"),
    [
        (replace(QUIET, io_pressure_ratio=0.10), "storage"),
        (replace(QUIET, io_pressure_ratio=0.09), "unknown"),
        (replace(QUIET, io_pressure_ratio=None, read_bytes_per_second=3e8), "unknown"),
        (replace(QUIET, busiest_ratio=0.95), "loader"),
        (replace(QUIET, busiest_ratio=0.94), "unknown"),
        (replace(QUIET, cgroup_cores=3.6, cores_limit=4.0), "loader"),
        (replace(QUIET, cgroup_cores=3.5, cores_limit=4.0), "unknown"),
        (replace(QUIET, cgroup_cores=3.6), "loader"),  # of four cores
        (replace(QUIET, cgroup_cores=3.5), "unknown"),
        (replace(QUIET, cpu_pressure_ratio=0.20), "processors"),
        (replace(QUIET, cpu_pressure_ratio=0.19), "unknown"),
        (replace(QUIET, cpu_pressure_ratio=0.5, cgroup_cores=2.5), "loader"),  # it is its own doing
        (replace(QUIET, cpu_pressure_ratio=0.5, cgroup_cores=0.9, cores_limit=1.0), "loader"),
        (QUIET, "unknown"),
        (None, "unknown"),
    ],
)
def test_on_a_machine_that_others_fill_only_the_holders_own_processes_count(load, cause):
    means = {
        **use(0.4),
        ("host", "system.cpu.utilization"): 0.98,
        ("host", "system.pressure.cpu.some"): 0.9,
        ("host", "system.pressure.io.some"): 0.9,
        ("cpu2", "system.cpu.utilization"): 1.0,
        ("nvme1n1", "system.disk.read.latency"): 0.05,
        ("nvme1n1", "system.disk.queue"): 40.0,
    }
    (verdict,) = diagnose(status(gpu(load=load)), means, AWAKE)
    assert verdict.cause == cause


@pytest.mark.parametrize(
    ("latency", "busy", "is_named"),
    [(0.010, 0.90, True), (0.010, None, True), (0.0099, 0.99, False), (0.5, 0.89, False), (None, 0.99, False)],
)
def test_a_disk_is_slow_from_ten_milliseconds_a_read_on_where_it_is_busy_or_nobody_knows(latency, busy, is_named):
    means = {**use(0.4)}
    means |= {} if latency is None else {("nvme1n1", "system.disk.read.latency"): latency}
    means |= {} if busy is None else {("nvme1n1", "system.disk.busy"): busy}
    (verdict,) = diagnose(status(gpu(load=HUNGRY)), means, AWAKE)
    assert any("a read from nvme1n1" in one.text for one in verdict.evidence) is is_named


def test_a_process_that_sleeps_while_somebody_else_uses_the_processors_is_not_sent_for_more_workers():
    means = {**use(0.3), ("host", "system.cpu.utilization"): 0.99, ("host", "system.pressure.cpu.some"): 0.8}
    (verdict,) = diagnose(status(), means, AWAKE)
    assert verdict.cause == "unknown"
    assert "worker" not in verdict.text
    assert "its processes use 0.1 of 4 cores and wait for one 0\u202f% of the time" in verdict.text
    assert "its processes wait for them 0\u202f% of the time" in verdict.text
    assert "Not known: throttling, PCIe, network." in verdict.text


def test_of_a_holder_of_whom_nothing_is_known_the_machine_is_told_and_nobody_blamed():
    means = {**use(0.3), ("host", "system.cpu.utilization"): 0.99, ("host", "system.pressure.io.some"): 0.8}
    (verdict,) = diagnose(status(gpu(load=None)), means, AWAKE)
    assert verdict.cause == "unknown"
    assert "Not known: throttling, PCIe, processors, disks, network." in verdict.text
    told = " ".join(evidence.text for evidence in verdict.evidence)
    assert "the machine's processors work 99\u202f% of the time" in told
    assert "somebody waits for disks 80\u202f% of the time" in told


def test_outside_a_container_the_tree_of_a_process_counts_not_the_session_it_is_in():
    session = replace(QUIET, cores=0.1, cgroup_cores=3.9)
    (verdict,) = diagnose(status(gpu(container=None, load=session)), use(0.4), AWAKE)
    assert verdict.cause == "unknown"
    tree = replace(QUIET, cores=3.9, cgroup_cores=0.1)
    (verdict,) = diagnose(status(gpu(container=None, load=tree)), use(0.4), AWAKE)
    assert verdict.cause == "loader"


def test_processors_that_others_use_are_told_with_numbers_of_both():
    load = replace(QUIET, cpu_pressure_ratio=0.4, cgroup_cores=0.5)
    (verdict,) = diagnose(status(gpu(load=load)), {**use(0.4), ("host", "system.cpu.utilization"): 1.0}, AWAKE)
    assert verdict.cause == "processors"
    assert "wait for a processor 40\u202f% of the time, while others keep 4 of 4 cores busy" in verdict.text
    assert "More loader workers do not help" in verdict.text


def carrying(pcie: float = 0.0, nvlink: float = 0.0, *, lanes: float = 16.0, generation: float = 5.0, up: int = 18):
    """Return an H100 and the means of what goes over its links, in GB/s."""
    metrics = {
        "hw.gpu.pcie.generation": Reading(generation, "1"),
        "hw.gpu.pcie.generation.limit": Reading(5.0, "1"),
        "hw.gpu.pcie.width": Reading(lanes, "1"),
        "hw.gpu.pcie.width.limit": Reading(16.0, "1"),
    }
    links = tuple(NvLink(number, "up" if number < up else "down", "4.0", "switch") for number in range(18))
    means = {
        ("GPU-0", "hw.gpu.io.receive"): pcie * 1e9,
        ("GPU-0", "hw.gpu.io.transmit"): 1e9,
        ("GPU-0", "hw.gpu.nvlink.transmit"): nvlink * 1e9,
        ("GPU-0", "hw.gpu.nvlink.receive"): 0.0,
    }
    return replace(gpu(), metrics=metrics, links=links), means


@pytest.mark.parametrize(
    ("of", "share", "more", "cause"),
    [
        ({"pcie": 55.0}, 0.4, {}, "pcie"),
        ({"pcie": 44.2}, 0.4, {}, "pcie"),
        ({"pcie": 44.0}, 0.4, {}, "unknown"),
        ({"pcie": 55.0, "generation": 1.0}, 0.4, {}, "pcie"),  # read while it saved power
        ({"pcie": 22.1, "lanes": 8.0}, 0.4, {}, "pcie"),
        ({"pcie": 55.0}, 0.97, {("GPU-0", "hw.gpu.activity.sm"): 0.8}, "busy"),
        ({"pcie": 55.0}, 0.97, {("GPU-0", "hw.gpu.activity.sm"): 0.1}, "pcie"),
        ({"nvlink": 315.0}, 0.5, {}, "nvlink"),
        ({"nvlink": 314.0}, 0.5, {}, "unknown"),
        ({"nvlink": 160.0, "up": 9}, 0.5, {}, "nvlink"),
        ({"nvlink": 400.0}, 0.99, {}, "nvlink"),
        ({"pcie": 55.0}, 0.4, {("host", "system.cpu.utilization"): 1.0}, "pcie"),
    ],
)
def test_a_link_that_is_full_is_what_its_gpu_waits_for(of, share, more, cause):
    held, means = carrying(**of)
    (verdict,) = diagnose(status(held), {**means, **use(share), **more}, AWAKE)
    assert verdict.cause == cause


def test_a_full_link_is_told_with_its_capacity_and_the_fuller_direction():
    held, means = carrying(pcie=55.0)
    (verdict,) = diagnose(status(held), {**means, **use(0.4)}, AWAKE)
    evidence = verdict.evidence[0]
    assert evidence.metric == "hw.gpu.io.receive"
    assert evidence.text == (
        "55\u202fGB/s go over its PCIe link (generation 5, 16 lanes) of 63\u202fGB/s, 87\u202f% of it"
    )
    narrow, means = carrying(pcie=13.0, lanes=4.0)
    (verdict,) = diagnose(status(narrow), {**means, **use(0.4)}, AWAKE)
    assert "4 of its 16 lanes" in verdict.text


def test_a_link_of_which_too_little_is_known_is_never_full():
    held, means = carrying(pcie=55.0, nvlink=400.0)
    blind = replace(held, metrics={}, links=tuple(replace(link, version=None) for link in held.links))
    (verdict,) = diagnose(status(blind), {**means, **use(0.4)}, AWAKE)
    assert verdict.cause == "unknown"
    assert "Not known: throttling, PCIe, NVLink, network." in verdict.text


def linked(index: int, lanes: float, up: float | None = 18.0) -> Gpu:
    metrics = {
        "hw.gpu.pcie.width": Reading(lanes, "1"),
        "hw.gpu.pcie.width.limit": Reading(16.0, "1"),
        "hw.gpu.nvlink.up": Reading(up, "1"),
        "hw.gpu.nvlink.limit": Reading(18.0, "1"),
    }
    return replace(gpu(index), metrics=metrics)


def test_a_narrow_pcie_link_explains_a_gpu_that_waits_where_nothing_else_does():
    narrow, wide = {("GPU-0", "hw.gpu.pcie.width"): 4.0}, {("GPU-0", "hw.gpu.pcie.width"): 16.0}
    (verdict,) = diagnose(status(linked(0, 4.0)), {**use(0.4), **narrow}, AWAKE)
    assert verdict.cause == "link"
    assert verdict.text.startswith("Its PCIe link has 4 of 16 lanes, and nothing else")
    assert verdict.evidence[0].metric == "hw.gpu.pcie.width"
    for means, cause in (
        ({**use(0.4), **wide}, "unknown"),
        ({**use(0.05), **narrow}, "unknown"),  # an idle link saves power
        ({**use(0.97), **narrow}, "busy"),
    ):
        (verdict,) = diagnose(status(linked(0, 4.0)), means, AWAKE)
        assert verdict.cause == cause


@pytest.mark.parametrize(
    ("ups", "cause", "words"),
    [
        ((16.0, 18.0), "link", "2 of its 18 NVLinks are down"),
        ((0.0, 18.0), "link", "18 of its 18 NVLinks are down"),
        ((18.0, 18.0), "unknown", ""),
        ((0.0, 0.0), "unknown", ""),  # boards without a bridge
        ((None, 18.0), "unknown", ""),
    ],
)
def test_missing_nvlinks_explain_a_job_on_several_gpus(ups, cause, words):
    gpus = [linked(index, 16.0, up) for index, up in enumerate(ups)]
    verdicts = diagnose(status(*gpus), use(0.4, 0.4), AWAKE)
    assert verdicts[0].cause == cause
    assert words in verdicts[0].text
    (alone,) = diagnose(status(gpus[0]), use(0.4), AWAKE)
    assert alone.cause == "unknown", "a job on one GPU needs no NVLink"


def test_a_gpu_at_its_ordinary_power_limit_is_busy_not_throttled():
    means = {
        **use(0.99),
        ("GPU-0", "hw.gpu.throttle.power_cap"): 0.9,
        ("GPU-0", "hw.power.limit"): 700.0,
        ("GPU-0", "hw.power.limit.default"): 700.0,
    }
    assert diagnose(status(), means, AWAKE)[0].cause == "busy"


def test_a_long_idle_gpu_is_idle_whatever_the_host_does_and_says_since_when():
    means, busy = {**use(0.0), ("host", "system.cpu.utilization"): 0.99}, status(gpu(load=WORKING))
    (verdict,) = diagnose(busy, means, Idle({"GPU-0": NOW - 600.0}, NOW))
    assert verdict.cause == "idle"
    assert "since" in verdict.text
    assert "5.0\u202fGiB" in " ".join(evidence.text for evidence in verdict.evidence)
    (loading,) = diagnose(busy, means, Idle({"GPU-0": NOW - 599.0}, NOW))
    assert loading.cause == "loader"


def test_the_one_slow_gpu_of_a_job_and_those_that_wait_for_it():
    gpus = [gpu(index) for index in range(4)]
    uneven = diagnose(status(*gpus), use(0.95, 0.94, 0.96, 0.3), AWAKE)
    assert [verdict.cause for verdict in uneven] == ["busy", "busy", "busy", "peers"]
    waiting = diagnose(status(*gpus), use(0.4, 0.42, 0.38, 0.99), AWAKE)
    assert [verdict.cause for verdict in waiting] == ["peers", "peers", "peers", "busy"]
    assert "GPU 3" in waiting[0].title
    strangers = [gpu(index, f"box{index}") for index in range(4)]
    alone = diagnose(status(*strangers), use(0.95, 0.94, 0.96, 0.3), AWAKE)
    assert [verdict.cause for verdict in alone] == ["busy", "busy", "busy", "unknown"]


def test_only_gpus_in_use_are_judged():
    free, display = gpu(0), gpu(1)
    free = replace(free, processes=())
    display = replace(display, processes=(replace(display.processes[0], kind="graphics"),))
    lost = replace(gpu(2), state=GpuState.LOST)
    leased = replace(gpu(3), processes=(), lease=LeaseInfo("leased", label="train-x"))
    found = diagnose(status(free, display, lost, leased), use(0.1, 0.1, 0.1, 0.0), AWAKE)
    assert [(verdict.device, verdict.label) for verdict in found] == [("GPU-3", "train-x")]


def test_without_numbers_nothing_is_claimed():
    (verdict,) = diagnose(status(), {}, AWAKE)
    assert verdict.cause == "unknown"


def test_older_gpus_without_counters_are_judged_by_the_reasons_of_the_moment():
    (verdict,) = diagnose(status(gpu(throttle_reasons=("thermal (software)",))), use(0.99), AWAKE)
    assert verdict.cause == "throttled"
    assert "heat" in f"{verdict.title} {verdict.text}"


names = st.sampled_from(
    [
        *sorted({key for _, case in CASES.values() for key in case}),
        ("nvme0n1", "system.disk.read.latency"),
        ("GPU-1", "hw.gpu.utilization"),
        ("GPU-2", "hw.gpu.utilization"),
    ]
)


shares = st.one_of(st.none(), st.floats(0.0, 1.0))
loads = st.one_of(
    st.none(), st.builds(HostLoad, st.just(60.0), shares, shares, st.just(3), shares, shares, shares, shares, shares)
)
OF_HOLDERS = {"system.cpu.utilization", "system.pressure.cpu.some", "system.pressure.io.some"}
"""Curves of the host that are shown beside what a holder's own processes told."""


@given(st.dictionaries(names, st.floats(0.0, 1.0)), st.dictionaries(st.just("GPU-0"), st.floats(0.0, NOW)), loads)
def test_any_numbers_give_one_known_verdict_with_evidence_that_was_measured(means, since, load):
    found = diagnose(status(gpu(0, load=load), gpu(1), gpu(2)), means, Idle(since, NOW))
    assert [verdict.device for verdict in found] == ["GPU-0", "GPU-1", "GPU-2"]
    for verdict in found:
        assert verdict.cause in CAUSES
        assert verdict.title
        assert verdict.text
        for evidence in verdict.evidence:
            known = (evidence.device, evidence.metric) in means
            assert known or evidence.metric in {"hw.gpu.memory.usage", *OF_HOLDERS}


def test_means_leave_out_what_was_hardly_measured():
    values = np.full((20, 3), np.nan, np.float32)
    values[:, 0] = 0.5
    values[:2, 1] = 0.5
    values[10:, 2] = np.linspace(0.0, 1.0, 10)
    keys = (("a", "x", "1"), ("b", "x", "1"), ("c", "x", "1"))
    means = means_of(Block(keys, np.arange(20.0), values, np.ones((20, 3), np.uint8)))
    assert set(means) == {("a", "x"), ("c", "x")}
    assert means["c", "x"] == pytest.approx(0.5)


@pytest.mark.parametrize("curves", [0, 1, 255, 256, 257, 1100])
def test_however_many_curves_there_are_each_has_its_own_mean(curves):
    keys = tuple((f"d{number}", "x", "1") for number in range(curves))
    values = np.arange(60 * curves, dtype=np.float32).reshape(60, curves)
    means = means_of(Block(keys, np.arange(60.0), values, np.ones(values.shape, np.uint8)))
    assert means == {(key[0], "x"): pytest.approx(29.5 * curves + place) for place, key in enumerate(keys)}


_MINUTES = """
import resource
import numpy as np
from mlops_desk.kit.base.allocator import give_back_memory
assert give_back_memory()
from mlops_desk.kit.storage.history.blocks import Block
from mlops_desk.machine.telemetry.verdicts.verdict_cache import means_of

values = np.ones((60, 1100), np.float32)
minute = Block(tuple((str(n), "x", "1") for n in range(1100)), np.arange(60.0), values, np.ones(values.shape, np.uint8))

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

for _ in range(10):
    kept = means_of(minute)
before = faults()
for _ in range(100):
    kept = means_of(minute)
print(faults() - before)
"""


@pytest.mark.slow
def test_the_means_of_a_minute_are_made_in_memory_that_stays():
    done = subprocess.run([sys.executable, "-c", _MINUTES], capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 2000  # of 13,000 pages


def test_a_clock_that_is_set_forward_makes_no_gpu_idle_for_hours():
    verdicts, ring, held = Verdicts(), Ring(), gpu(load=WORKING)
    metrics = {"hw.gpu.utilization": Reading(0.0, "1")}
    sample = status(replace(held, metrics=metrics))
    for second in range(30):
        at = NOW + second + (7200.0 if second >= 10 else 0.0)
        ring.append(at, [("GPU-0", metrics), ("host", {"system.cpu.utilization": Reading(0.99, "1")})])
        verdicts.look(sample, ring, 50.0 + second, at)
    assert [verdict.cause for verdict in verdicts.current] == ["loader"]
    verdicts.look(sample, ring, 50.0 + IDLE_SECONDS, at + 600.0)
    assert [verdict.cause for verdict in verdicts.current] == ["idle"]


def watched(verdicts: Verdicts, ring: Ring, seconds: range, held: Gpu, use: float) -> list[list[Diagnosis]]:
    """Play seconds in which a GPU works so hard, beside busy disks; return the verdicts after each."""
    metrics = {"hw.gpu.utilization": Reading(use, "1")}
    found = []
    for second in seconds:
        at = NOW + second
        ring.append(at, [("GPU-0", metrics), ("host", {"system.pressure.io.some": Reading(0.5, "1")})])
        verdicts.look(status(replace(held, metrics=metrics)), ring, 50.0 + second, at)
        found.append([*verdicts.current])
    return found


def test_only_seconds_of_who_holds_a_gpu_now_are_judged():
    verdicts, ring, free = Verdicts(), Ring(), gpu(processes_known=True)
    watched(verdicts, ring, range(60), replace(free, processes=()), 0.0)
    taken = watched(verdicts, ring, range(60, 90), free, 0.97)
    assert taken[15] == []
    assert [verdict.cause for verdict in taken[-1]] == ["busy"]
    later = replace(free, processes=(replace(free.processes[0], pid=77),))
    handed_on = watched(verdicts, ring, range(90, 125), later, 0.4)
    assert not any(handed_on[:10])
    assert "40\u202f%" in handed_on[-1][0].text
    freed = watched(verdicts, ring, range(125, 131), replace(free, processes=()), 0.0)
    assert freed[-1] == []


def test_a_holder_that_is_older_than_the_agent_is_judged_by_all_that_was_measured():
    process = replace(gpu().processes[0], started_at=NOW - 500.0)
    fresh = watched(Verdicts(), Ring(), range(30), gpu(processes=(process,)), 0.97)
    assert not any(fresh[:15])
    assert [verdict.cause for verdict in fresh[-1]] == ["busy"]
    ring, metrics = Ring(), {"hw.gpu.utilization": Reading(0.97, "1")}
    for second in range(60):
        ring.append(NOW - 60.0 + second, [("GPU-0", metrics)])
    verdicts = Verdicts()
    verdicts.look(replace(status(), gpus=()), ring, 44.0, NOW - 6.0)  # nothing is measured yet
    assert watched(verdicts, ring, range(1), gpu(processes=(process,)), 0.97)[0]


@pytest.mark.parametrize(("shares", "causes"), [
    ((0.9, 0.65), ["busy", "peers"]),
    ((0.9, 0.66), ["busy", "unknown"]),
    ((0.9, 0.3, 0.9, 0.66), ["busy", "peers", "busy", "unknown"]),
])  # fmt: skip
def test_of_the_gpus_of_a_job_the_one_that_has_less_to_do_is_told(shares, causes):
    gpus = [gpu(index) for index in range(len(shares))]
    assert [verdict.cause for verdict in diagnose(status(*gpus), use(*shares), AWAKE)] == causes


def test_where_no_two_gpus_are_alike_none_is_the_odd_one():
    gpus = [gpu(index) for index in range(4)]
    verdicts = diagnose(status(*gpus), use(0.1, 0.84, 0.5, 0.84), AWAKE)
    assert verdicts[0].cause == "unknown"


def test_a_full_link_is_never_fuller_than_full():
    held, means = carrying(pcie=55.0, generation=1.0)
    (verdict,) = diagnose(status(held), {**means, **use(0.4)}, AWAKE)
    assert "generation 5" in verdict.text
    assert "87\u202f% of it" in verdict.text
    impossible, means = carrying(pcie=200.0)
    (verdict,) = diagnose(status(impossible), {**means, **use(0.4)}, AWAKE)
    assert verdict.cause == "unknown"
