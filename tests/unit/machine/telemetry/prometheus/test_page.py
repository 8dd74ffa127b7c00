"""The Prometheus page: a strict reader understands it, hostile names included, and it tells what was measured."""

import math
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.machine.records.gpu import Gpu, GpuProcess, GpuState, MigInstance, NvLink
from mlops_desk.machine.records.host import Core, Disk, Filesystem, Host, Network
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.records.status import Status
from mlops_desk.machine.records.xid import CATALOGUE
from mlops_desk.machine.telemetry.metrics.table import GPU_METRICS, METRICS, TABLE
from mlops_desk.machine.telemetry.prometheus.counters import Tallies
from mlops_desk.machine.telemetry.prometheus.dcgm import RENAMED, scale_of
from mlops_desk.machine.telemetry.prometheus.page import family_name, render

INFO = AgentInfo("0.1", 1.0, AgentCost(0.004, 90 << 20, 0.001), 1, "/d", "i")
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})\{{(.*)\}} (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)')


def parsed(page: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Read the format strictly: HELP, TYPE and UNIT once before the samples, families together, no sample twice."""
    assert page.endswith("\n")
    families: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    current, kinds = "", {}
    for line in page.removesuffix("\n").split("\n"):
        if line.startswith("# HELP "):
            current = line.split(" ")[2]
            assert re.fullmatch(NAME, current)
            assert current not in families, f"{current} stands in two places"
            families[current] = {}
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name == current
            assert name not in kinds
            kinds[name] = kind
            assert kind in {"gauge", "counter"}
        elif line.startswith("# UNIT "):
            _, _, name, unit = line.split(" ")
            assert name == current
            assert name.removesuffix("_total").endswith(unit)
        else:
            match = SAMPLE.fullmatch(line)
            assert match, line
            assert match[1] == current
            labels, position = [], 0
            while position < len(match[2]):
                label = LABEL.match(match[2], position)
                assert label, line
                labels.append((label[1], label[2]))
                position = label.end()
            assert len({key for key, _ in labels}) == len(labels)
            assert tuple(labels) not in families[current], line
            families[current][tuple(labels)] = float(match[3])
    assert kinds.keys() == families.keys()
    return families


def status(gpu: dict[str, Reading], name: str = "H100", host: dict[str, Reading] | None = None) -> Status:
    link = NvLink(2, "up", metrics={"hw.gpu.nvlink.transmit": Reading(5.0, "By/s")})
    part = MigInstance("f", None, "1g.10gb", 1, 0, {"hw.gpu.memory.usage": Reading(7.0, "By")})
    return Status(
        (Gpu("GPU-0", 0, name, None, GpuState.OK, metrics=gpu, links=(link,), mig=(part,)),),
        Host(name, host or {}, cores=(Core("cpu0", {"system.cpu.utilization": Reading(0.5, "1")}),)),
        (Disk("nvme0n1", metrics={"hw.temperature": Reading(40.0, "Cel")}),),
        (Network("eth0", {"system.network.receive": Reading(1.0, "By/s")}),),
        INFO,
        5.0,
        filesystems=(Filesystem(name, "/dev/x", "ext4", {"system.filesystem.utilization": Reading(0.9, "1")}),),
    )


values = st.floats(allow_nan=False, allow_infinity=False, width=32)
gpu_readings = st.dictionaries(
    st.sampled_from([*GPU_METRICS, "not.in.the.table"]),
    st.one_of(values.map(lambda value: Reading(value, "1")), st.just(Reading(None, "1", MetricState.LOST))),
)


@given(gpu_readings, st.text())
def test_any_status_is_a_page_that_a_strict_reader_takes(gpu, name):
    families = parsed(render(status(gpu, name)))
    for metric, reading in gpu.items():
        row = TABLE.get(("gpu", metric))
        if row is None:
            continue
        found = [value for labels, value in families.get(family_name(row), {}).items() if ("gpu", "0") in labels]
        assert found == ([] if reading.value is None else [reading.value])


def test_devices_whose_names_are_alike_make_no_sample_twice():
    deep = "/var/lib/kubelet/pods/0a1b2c3d-0000-4000-8000-000000000000/volumes/kubernetes.io~nfs/"
    used = {"system.filesystem.utilization": Reading(0.5, "1")}
    mounts = [Filesystem(f"{deep}{name}", "x", "nfs", used) for name in ("a" * 300, "a" * 301, "datasets", "models")]
    page = parsed(render(replace(status({}), filesystems=tuple(mounts))))
    assert len(page["system_filesystem_utilization_ratio"]) == 3  # who is told apart by name stays apart


def test_no_name_holds_both_a_device_and_its_parts():
    wholes = {"nvlink": "gpu", "mig": "gpu", "core": "host"}
    for part, whole in wholes.items():
        names = {family_name(metric) for metric in METRICS if metric.device == part}
        assert names
        assert not names & {family_name(metric) for metric in METRICS if metric.device == whole}
        assert not names & {family_name(metric) for metric in METRICS if metric.device in wholes.keys() - {part}}


def test_a_sum_over_a_name_counts_the_whole_once_and_the_help_tells_where_it_is():
    whole = {"hw.gpu.memory.usage": Reading(9.0, "By"), "hw.gpu.nvlink.transmit": Reading(5.0, "By/s")}
    text = render(status(whole, host={"system.cpu.utilization": Reading(0.25, "1")}))
    sums = {name: sum(samples.values()) for name, samples in parsed(text).items()}
    assert (sums["hw_gpu_memory_usage_bytes"], sums["hw_gpu_mig_memory_usage_bytes"]) == (9.0, 7.0)
    assert sums["hw_gpu_nvlink_transmit_bytes_per_second"] == 5.0
    assert sums["hw_gpu_nvlink_link_transmit_bytes_per_second"] == 5.0
    assert (sums["system_cpu_utilization_ratio"], sums["system_cpu_core_utilization_ratio"]) == (0.25, 0.5)
    (told,) = re.findall("# HELP system_cpu_core_utilization_ratio (.*)", text)
    assert told.endswith("Of one core; the whole is system_cpu_utilization_ratio.")


def test_names_carry_units_and_counters_say_so():
    names = {family_name(TABLE["gpu", name]) for name in ("hw.gpu.utilization", "hw.energy", "hw.gpu.clock.sm")}
    assert names == {"hw_gpu_utilization_ratio", "hw_energy_joules_total", "hw_gpu_clock_sm_hertz"}
    assert family_name(TABLE["gpu", "hw.fan.speed_ratio"]) == "hw_fan_speed_ratio"
    assert family_name(TABLE["gpu", "hw.gpu.performance_state"]) == "hw_gpu_performance_state"


def test_one_name_never_has_two_units():
    units: dict[str, str] = {}
    for metric in METRICS:
        assert units.setdefault(family_name(metric), metric.unit) == metric.unit


def test_dcgm_names_stand_beside_in_dcgms_units():
    page = parsed(
        render(
            status(
                {
                    "hw.gpu.utilization": Reading(0.5, "1"),
                    "hw.gpu.memory.usage": Reading(float(3 << 20), "By"),
                    "hw.gpu.clock.sm": Reading(1.98e9, "Hz"),
                    "hw.energy": Reading(2.0, "J"),
                    "hw.gpu.activity.sm": Reading(0.25, "1"),
                    "hw.gpu.throttle.thermal": Reading(0.25, "1"),
                }
            )
        )
    )
    expected = {
        "DCGM_FI_DEV_GPU_UTIL": 50.0,
        "DCGM_FI_DEV_FB_USED": 3.0,
        "DCGM_FI_DEV_SM_CLOCK": 1980.0,
        "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": 2000.0,
        "DCGM_FI_PROF_SM_ACTIVE": 0.25,
    }
    for name, value in expected.items():
        ((labels, found),) = page[name].items()
        assert math.isclose(found, value)
        assert {"gpu", "UUID", "pci_bus_id", "device", "modelName", "Hostname", "hostname"} == {
            key for key, _ in labels
        }
    assert "DCGM_FI_DEV_THERMAL_VIOLATION" not in page
    assert scale_of(TABLE["gpu", "hw.gpu.throttle.thermal"]) is None


def test_what_is_missing_is_not_told_as_zero():
    page = render(status({"hw.power": Reading(None, "W", MetricState.STALE)}))
    assert "hw_power" not in page
    assert 'state="ok"' in page


def told(page: dict[str, dict[tuple[tuple[str, str], ...], float]], name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a name by the values of those labels that not all devices have."""
    known = {"gpu", "UUID", "uuid", "pci_bus_id", "device", "modelName", "Hostname", "hostname", "hw_type"}
    return {tuple(text for key, text in labels if key not in known): value for labels, value in page[name].items()}


def test_dcgm_4_7_names_stand_beside_the_older_ones_in_base_units():
    held = {
        "hw.gpu.utilization": Reading(0.5, "1"),
        "hw.gpu.utilization.memory": Reading(0.25, "1"),
        "hw.gpu.memory.usage": Reading(3.0 * (1 << 20), "By"),
        "hw.gpu.memory.limit": Reading(80.0 * (1 << 30), "By"),
        "hw.gpu.clock.sm": Reading(1.98e9, "Hz"),
        "hw.energy": Reading(2.0, "J"),
        "hw.power": Reading(650.0, "W"),
        "hw.temperature": Reading(61.0, "Cel"),
        "hw.gpu.activity.tensor": Reading(0.4, "1"),
        "hw.gpu.nvlink.transmit": Reading(1024e6, "By/s"),
        "hw.gpu.nvlink.receive": Reading(1024e6, "By/s"),
        "hw.gpu.row_remap.failure": Reading(1.0, "1"),
    }
    page = parsed(render(status(held)))
    expected = {
        "DCGM_FI_DEV_GPU_UTIL_RATIO": 0.5,
        "DCGM_FI_DEV_MEMORY_UTIL_RATIO": 0.25,
        "DCGM_FI_DEV_FB_USED_BYTES": 3145728.0,
        "DCGM_FI_DEV_FB_CAPACITY_BYTES": 85899345920.0,
        "DCGM_FI_DEV_SM_CLOCK_HERTZ": 1.98e9,
        "DCGM_FI_DEV_GPU_ENERGY_JOULES_TOTAL": 2.0,
        "DCGM_FI_DEV_BOARD_POWER_WATTS": 650.0,
        "DCGM_FI_DEV_POWER_USAGE": 650.0,
        "DCGM_FI_DEV_GPU_TEMP_CELSIUS": 61.0,
        "DCGM_FI_PROF_TENSOR_UTIL_RATIO": 0.4,
        "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": 0.4,
        "DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND": 2048e6,
        "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": 2000.0,
        "DCGM_FI_DEV_ROW_REMAP_FAILED": 1.0,
    }
    assert {name: list(page[name].values()) for name in expected} == {name: [value] for name, value in expected.items()}


def test_every_renamed_field_is_one_that_is_told_and_no_two_names_are_alike():
    ours = [metric.dcgm for metric in METRICS if metric.device == "gpu" and metric.dcgm]
    assert set(RENAMED) <= set(ours)
    assert len({*ours, *RENAMED.values()}) == len(ours) + len(RENAMED)


def counted() -> Tallies:
    tallies = Tallies()
    gpu = Gpu(
        "GPU-0", 0, "H100", None, GpuState.OK,
        metrics={"hw.gpu.io.receive": Reading(100.0, "By/s"), "hw.gpu.throttle.thermal": Reading(0.5, "1"),
                 "hw.gpu.throttle.power_cap": Reading(None, "1", MetricState.STALE)},
    )  # fmt: skip
    xids = (DeviceEvent(1.0, "xid", "GPU-0", 48), DeviceEvent(1.0, "xid", "GPU-0", 79, count=3))
    tallies.take((), [gpu], 100.0, is_tick=True)
    tallies.take(xids, [gpu], 102.0, is_tick=True)
    tallies.take((), [gpu], 102.5, is_tick=False)
    tallies.take((), [gpu], 103.0, is_tick=True)
    return tallies


def test_what_must_be_counted_is_counted_from_what_was_measured():
    page = parsed(render(status({}), counted(), 110.0))
    assert told(page, "hw_gpu_io_bytes_total") == {("GPU-0", "receive"): 300.0}
    assert told(page, "DCGM_FI_DEV_THERMAL_VIOLATION") == {(): 1.5e9}
    assert "DCGM_FI_DEV_POWER_VIOLATION" not in page  # it was never measured, which is not 0
    assert told(page, "DCGM_FI_DEV_XID_ERRORS") == {("79", CATALOGUE[79].text): 79.0}
    assert told(page, "DCGM_FI_DEV_XID_ERROR") == {("79", CATALOGUE[79].text): 79.0}
    assert told(page, "DCGM_EXP_XID_ERRORS_COUNT") == {("48", "300000"): 1.0, ("79", "300000"): 3.0}
    later = parsed(render(status({}), counted(), 403.0))
    assert "DCGM_EXP_XID_ERRORS_COUNT" not in later
    assert told(later, "DCGM_FI_DEV_XID_ERRORS") == {("79", CATALOGUE[79].text): 79.0}
    quiet = parsed(render(status({}), Tallies(), 1.0))
    assert told(quiet, "DCGM_FI_DEV_XID_ERRORS") == {("0", "No Error"): 0.0}
    assert "DCGM_FI_DEV_XID_ERRORS" not in parsed(render(status({})))


def test_a_pause_of_the_machine_adds_nothing():
    tallies, gpu = Tallies(), Gpu("G", 0, "H", None, GpuState.OK, metrics={"hw.gpu.io.receive": Reading(9.0, "By/s")})
    for now in (100.0, 5000.0, 5001.0):
        tallies.take((), [gpu], now, is_tick=True)
    assert tallies.total("G", "hw.gpu.io.receive") == 9.0
    assert tallies.total("other", "hw.gpu.io.receive") is None


def test_causes_of_low_clocks_have_dcgms_names():
    gpu = replace(status({}).gpus[0], throttle_reasons=("thermal (hardware)", "power cap", "unknown reason 0x8000"))
    page = parsed(render(replace(status({}), gpus=(gpu,))))
    for name in ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS"):
        assert list(page[name].values()) == [float(0x40 | 0x4 | 0x8000)]
    tallies = Tallies()
    slowed = replace(gpu, metrics={"hw.gpu.throttle.thermal_hardware": Reading(1.0, "1")})
    for now in (1.0, 3.0):
        tallies.take((), [slowed], now, is_tick=True)
    page = parsed(render(replace(status({}), gpus=(slowed,)), tallies, 3.0))
    assert told(page, "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS") == {(): 2e9}
    lost = replace(gpu, state=GpuState.LOST)
    assert "DCGM_FI_DEV_CLOCKS_EVENT_REASONS" not in parsed(render(replace(status({}), gpus=(lost,))))


def test_hardware_has_opentelemetrys_identity_and_errors_their_type():
    errors = {
        "hw.errors.ecc.volatile.corrected": Reading(7.0, "1"),
        "hw.errors.ecc.volatile.uncorrected": Reading(0.0, "1"),
        "hw.power": Reading(650.0, "W"),
    }
    page = parsed(render(status(errors, host={"system.memory.usage": Reading(1.0, "By")})))

    def identity(name: str) -> list[tuple[str | None, str | None]]:
        return [(dict(labels).get("hw_id"), dict(labels).get("hw_type")) for labels in page[name]]

    assert identity("hw_power_watts") == [("GPU-0", "gpu")]
    assert identity("hw_gpu_nvlink_link_transmit_bytes_per_second") == [("GPU-0/link-2", "gpu")]
    assert identity("hw_gpu_mig_memory_usage_bytes") == [("f", "gpu")]
    assert identity("hw_temperature_celsius") == [("nvme0n1", "physical_disk")]
    assert identity("system_memory_usage_bytes") == [(None, None)]
    found = {dict(labels)["error_type"]: value for labels, value in page["hw_errors_total"].items()}
    assert found == {"corrected": 7.0, "uncorrected": 0.0}


HOSTILE = 'a"b\\c\nd{},=\u202e\x00 é'


def test_users_of_a_gpu_are_told_by_job_user_and_container_however_they_are_called():
    processes = (
        GpuProcess(1, HOSTILE, "x", 5, "box", job=HOSTILE, sm_ratio=0.25, cpu_ratio=1.5, host_memory_bytes=7),
        GpuProcess(2, HOSTILE, "x", 6, "box", job=HOSTILE, sm_ratio=0.5),
        GpuProcess(3, "bo", "x", None),
    )
    gpu = replace(status({}).gpus[0], processes=processes, held_by_nobody_bytes=9)
    page = parsed(render(replace(status({}), gpus=(gpu,))))
    counts = {dict(labels)["user"]: value for labels, value in page["mlops_desk_gpu_processes"].items()}
    assert sorted(counts.values()) == [1.0, 2.0]
    assert counts["bo"] == 1.0
    assert list(page["mlops_desk_gpu_process_memory_bytes"].values()) == [11.0]
    assert list(page["mlops_desk_gpu_process_sm_ratio"].values()) == [0.75]
    assert list(page["mlops_desk_gpu_process_cpu_ratio"].values()) == [1.5]
    assert list(page["mlops_desk_gpu_unclaimed_bytes"].values()) == [9.0]
    for labels in page["mlops_desk_gpu_processes"]:
        assert {key for key, _ in labels} == {"uuid", "gpu", "job_name", "user", "container", "hostname"}


def test_however_many_use_a_gpu_the_page_stays_bounded():
    crowd = tuple(GpuProcess(pid, f"user{pid}", "x", 1000 - pid, f"box{pid}") for pid in range(500))
    gpu = replace(status({}).gpus[0], processes=crowd)
    page = parsed(render(replace(status({}), gpus=(gpu,))))
    counts = {dict(labels)["user"]: value for labels, value in page["mlops_desk_gpu_processes"].items()}
    assert len(counts) == 33
    assert counts["other"] == 468.0
    assert sum(page["mlops_desk_gpu_process_memory_bytes"].values()) == sum(range(501, 1001))


def test_an_event_between_two_ticks_adds_no_traffic():
    tallies, gpu = Tallies(), Gpu("G", 0, "H", None, GpuState.OK, metrics={"hw.gpu.io.receive": Reading(9.0, "By/s")})
    tallies.take((), [gpu], 100.0, is_tick=True)
    tallies.take((DeviceEvent(1.0, "xid", "G", 13),), [replace(gpu, metrics={})], 100.9, is_tick=False)
    tallies.take((), [gpu], 101.0, is_tick=True)
    assert tallies.total("G", "hw.gpu.io.receive") == 9.0
    assert tallies.last_xid("G") == 13
