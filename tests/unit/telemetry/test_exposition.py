"""The Prometheus page: a strict reader understands it, hostile names included, and it tells what was measured."""

import math
import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import (
    AgentCost,
    AgentInfo,
    Core,
    Disk,
    Filesystem,
    Gpu,
    GpuState,
    Host,
    MigInstance,
    Network,
    NvLink,
    Status,
)
from mlops_desk.telemetry.exposition import dcgm_scale, family_name, render
from mlops_desk.telemetry.metrics import GPU_METRICS, METRICS, TABLE

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
        assert {"gpu", "UUID", "device", "modelName", "Hostname"} == {key for key, _ in labels}
    assert "DCGM_FI_DEV_THERMAL_VIOLATION" not in page
    assert dcgm_scale(TABLE["gpu", "hw.gpu.throttle.thermal"]) is None


def test_what_is_missing_is_not_told_as_zero():
    page = render(status({"hw.power": Reading(None, "W", MetricState.STALE)}))
    assert "hw_power" not in page
    assert 'state="ok"' in page
