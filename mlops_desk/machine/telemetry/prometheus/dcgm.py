"""The numbers of a GPU by DCGM's names, both of those before DCGM 4.7 and of those since.

The older names stand in the table of metrics, in DCGM's older units: MHz, MiB, millijoules, per cent, nanoseconds. DCGM
4.7 renamed them, and those of them whose unit it changed to the base units that ours are; they have numbers of their
own there, so both may be exported side by side. Sources: dcgm_fields.h and go-dcgm's table of base-unit fields.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.metric import Metric
from mlops_desk.machine.records.xid import CATALOGUE
from mlops_desk.machine.telemetry.metrics.gpu import GPU
from mlops_desk.machine.telemetry.metrics.table import TABLE
from mlops_desk.machine.telemetry.metrics.throttle_reasons import throttle_bits
from mlops_desk.machine.telemetry.prometheus.counters import XID_WINDOW_SECONDS, Tallies

_MIB = float(1 << 20)
_NANOSECONDS = 1e9  # DCGM's unit for times of throttling

_RENAMED = {
    "DEV_GPU_UTIL": "DEV_GPU_UTIL_RATIO",
    "DEV_MEM_COPY_UTIL": "DEV_MEMORY_UTIL_RATIO",
    "DEV_ENC_UTIL": "DEV_ENC_UTIL_RATIO",
    "DEV_DEC_UTIL": "DEV_DEC_UTIL_RATIO",
    "DEV_FB_USED": "DEV_FB_USED_BYTES",
    "DEV_FB_TOTAL": "DEV_FB_CAPACITY_BYTES",
    "DEV_FB_FREE": "DEV_FB_FREE_BYTES",
    "DEV_FB_RESERVED": "DEV_FB_RESERVED_BYTES",
    "DEV_BAR1_USED": "DEV_BAR1_USED_BYTES",
    "DEV_BAR1_TOTAL": "DEV_BAR1_CAPACITY_BYTES",
    "DEV_POWER_USAGE": "DEV_BOARD_POWER_WATTS",
    "DEV_POWER_USAGE_INSTANT": "DEV_BOARD_POWER_RAW_WATTS",
    "DEV_ENFORCED_POWER_LIMIT": "DEV_BOARD_POWER_LIMIT_ENFORCED_WATTS",
    "DEV_POWER_MGMT_LIMIT": "DEV_BOARD_POWER_LIMIT_REQUESTED_WATTS",
    "DEV_POWER_MGMT_LIMIT_DEF": "DEV_BOARD_POWER_LIMIT_DEFAULT_WATTS",
    "DEV_POWER_MGMT_LIMIT_MIN": "DEV_BOARD_POWER_LIMIT_MIN_WATTS",
    "DEV_POWER_MGMT_LIMIT_MAX": "DEV_BOARD_POWER_LIMIT_MAX_WATTS",
    "DEV_TOTAL_ENERGY_CONSUMPTION": "DEV_GPU_ENERGY_JOULES_TOTAL",
    "DEV_GPU_TEMP": "DEV_GPU_TEMP_CELSIUS",
    "DEV_MEMORY_TEMP": "DEV_MEMORY_TEMP_CELSIUS",
    "DEV_GPU_MAX_OP_TEMP": "DEV_GPU_MAX_OP_TEMP_CELSIUS",
    "DEV_MEM_MAX_OP_TEMP": "DEV_MEMORY_MAX_OP_TEMP_CELSIUS",
    "DEV_SLOWDOWN_TEMP": "DEV_GPU_TEMP_SLOWDOWN_CELSIUS",
    "DEV_SHUTDOWN_TEMP": "DEV_GPU_TEMP_SHUTDOWN_CELSIUS",
    "DEV_FAN_SPEED": "DEV_FAN_SPEED_RATIO",
    "DEV_SM_CLOCK": "DEV_SM_CLOCK_HERTZ",
    "DEV_MEM_CLOCK": "DEV_MEMORY_CLOCK_HERTZ",
    "DEV_VIDEO_CLOCK": "DEV_VIDEO_CLOCK_HERTZ",
    "DEV_MAX_SM_CLOCK": "DEV_SM_MAX_CLOCK_HERTZ",
    "DEV_MAX_MEM_CLOCK": "DEV_MEMORY_MAX_CLOCK_HERTZ",
    "DEV_MAX_VIDEO_CLOCK": "DEV_VIDEO_MAX_CLOCK_HERTZ",
    "DEV_PSTATE": "DEV_GPU_PSTATE",
    "DEV_RETIRED_SBE": "DEV_PAGE_RETIRED_SBE_TOTAL",
    "DEV_RETIRED_DBE": "DEV_PAGE_RETIRED_DBE_TOTAL",
    "DEV_RETIRED_PENDING": "DEV_PAGE_RETIRED_PENDING",
    "DEV_CORRECTABLE_REMAPPED_ROWS": "DEV_ROW_REMAP_CORRECTABLE_TOTAL",
    "DEV_UNCORRECTABLE_REMAPPED_ROWS": "DEV_ROW_REMAP_UNCORRECTABLE_TOTAL",
    "DEV_ROW_REMAP_FAILURE": "DEV_ROW_REMAP_FAILED",
    "DEV_GET_GPU_RECOVERY_ACTION": "DEV_GPU_RECOVERY_ACTION",
    "DEV_PCIE_REPLAY_COUNTER": "DEV_PCIE_REPLAY_TOTAL",
    "DEV_PCIE_COUNT_CORRECTABLE_ERRORS": "DEV_PCIE_CORRECTABLE_ERROR_TOTAL",
    "DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL": "DEV_NVLINK_CRC_FLIT_ERROR_TOTAL",
    "DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL": "DEV_NVLINK_REPLAY_ERROR_TOTAL",
    "DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL": "DEV_NVLINK_RECOVERY_ERROR_TOTAL",
    "PROF_GR_ENGINE_ACTIVE": "PROF_GR_ENGINE_UTIL_RATIO",
    "PROF_SM_ACTIVE": "PROF_SM_UTIL_RATIO",
    "PROF_SM_OCCUPANCY": "PROF_SM_OCCUPANCY_RATIO",
    "PROF_PIPE_TENSOR_ACTIVE": "PROF_TENSOR_UTIL_RATIO",
    "PROF_DRAM_ACTIVE": "PROF_DRAM_UTIL_RATIO",
    "PROF_PIPE_FP64_ACTIVE": "PROF_FP64_UTIL_RATIO",
    "PROF_PIPE_FP32_ACTIVE": "PROF_FP32_UTIL_RATIO",
    "PROF_PIPE_FP16_ACTIVE": "PROF_FP16_UTIL_RATIO",
    "PROF_PIPE_INT_ACTIVE": "PROF_INT_UTIL_RATIO",
}
RENAMED = {f"DCGM_FI_{old}": f"DCGM_FI_{new}" for old, new in _RENAMED.items()}

_REASON_SECONDS = {
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_POWER_CAP_NS": "hw.gpu.throttle.power_cap",
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SYNC_BOOST_NS": "hw.gpu.throttle.sync_boost",
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN_NS": "hw.gpu.throttle.thermal_software",
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN_NS": "hw.gpu.throttle.thermal_hardware",
    "DCGM_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN_NS": "hw.gpu.throttle.power_brake",
}
_REASONS = ("DCGM_FI_DEV_CLOCKS_EVENT_REASONS", "DCGM_FI_DEV_CLOCK_THROTTLE_REASONS")
_XID = ("DCGM_FI_DEV_XID_ERRORS", "DCGM_FI_DEV_XID_ERROR")
_SINCE = "Counted since the endpoint is on."


@dataclass(frozen=True, slots=True)
class DcgmNumber:
    """A number by DCGM's name and in its unit; ``labels`` beside those that all numbers of a GPU have."""

    name: str
    kind: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()


def numbers(gpu: Gpu, tallies: Tallies | None, now: float) -> Iterator[DcgmNumber]:
    """Yield what DCGM would tell of a GPU; without ``tallies`` nothing that has to be counted. ``now``: monotonic."""
    for name, reading in gpu.metrics.items():
        metric = TABLE.get((GPU, name))
        if metric is None or metric.dcgm is None or reading.value is None:
            continue
        scale = scale_of(metric)
        if scale is None:
            continue
        kind = "counter" if metric.kind == "counter" else "gauge"
        yield DcgmNumber(metric.dcgm, kind, metric.help, reading.value * scale)
        renamed = RENAMED.get(metric.dcgm)
        if renamed is not None:
            yield DcgmNumber(renamed, kind, metric.help, reading.value)
    yield from _reasons(gpu)
    yield from _nvlink(gpu)
    if tallies is not None:
        yield from _lost(gpu, tallies)
        yield from _xids(gpu, tallies, now)


def scale_of(metric: Metric) -> float | None:
    """Return what turns a value into the unit of DCGM's older name; None where DCGM's number means something else.

    DCGM counts violations in time lost, which a share of time can't be turned into.
    """
    name = metric.dcgm or ""
    if name.endswith("_VIOLATION"):
        return None
    if metric.unit == "By":
        return 1.0 / _MIB
    if metric.unit == "Hz":
        return 1e-6
    if metric.unit == "J":
        return 1000.0
    is_ratio = metric.unit == "1" and metric.high <= 1.0 and metric.resolution < 1.0
    return 100.0 if is_ratio and "_PROF_" not in name else 1.0


def _reasons(gpu: Gpu) -> Iterator[DcgmNumber]:
    """Yield why the clocks are low, as the driver's bits; that nothing runs is no reason here."""
    if gpu.state is not GpuState.OK:
        return
    bits = float(throttle_bits(gpu.throttle_reasons))
    for name in _REASONS:
        yield DcgmNumber(
            name, "gauge", "Why the clocks are held down, as the driver's bits, without that of idling.", bits
        )


def _nvlink(gpu: Gpu) -> Iterator[DcgmNumber]:
    readings = [gpu.metrics.get(f"hw.gpu.nvlink.{way}") for way in ("transmit", "receive")]
    values = [reading.value for reading in readings if reading is not None and reading.value is not None]
    if len(values) == len(readings):
        text = "What goes over all NVLinks, both ways."
        yield DcgmNumber("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", "gauge", f"{text} In MB/s.", sum(values) / 1024 / 1000)
        yield DcgmNumber("DCGM_FI_DEV_NVLINK_THROUGHPUT_BYTES_PER_SECOND", "gauge", text, sum(values))


def _lost(gpu: Gpu, tallies: Tallies) -> Iterator[DcgmNumber]:
    """Yield the time that each cause of low clocks has cost."""
    for (device, name), metric in TABLE.items():
        if device == GPU and (metric.dcgm or "").endswith("_VIOLATION"):
            seconds = tallies.total(gpu.uuid, name)
            if seconds is not None:
                text = f"Nanoseconds, not a share: {metric.help} {_SINCE}"
                yield DcgmNumber(metric.dcgm or "", "counter", text, seconds * _NANOSECONDS)
    for name, of in _REASON_SECONDS.items():
        seconds = tallies.total(gpu.uuid, of)
        if seconds is not None:
            yield DcgmNumber(
                name, "counter", f"Nanoseconds, not a share: {TABLE[GPU, of].help} {_SINCE}", seconds * _NANOSECONDS
            )
    seconds = tallies.total(gpu.uuid, "hw.gpu.throttle.power_cap")
    if seconds is not None:
        text = f"Seconds in which the clocks were held down to stay below the power limit. {_SINCE}"
        yield DcgmNumber("DCGM_FI_DEV_GPU_POWER_THROTTLE_SECONDS_TOTAL", "counter", text, seconds)


def _xids(gpu: Gpu, tallies: Tallies, now: float) -> Iterator[DcgmNumber]:
    last = tallies.last_xid(gpu.uuid)
    known = CATALOGUE.get(last)
    words = "No Error" if not last else known.text if known is not None else "Unknown Error"
    for name in _XID:
        text = "The newest XID since the endpoint is on; 0: there was none."
        yield DcgmNumber(name, "gauge", text, float(last), (("err_code", str(last)), ("err_msg", words)))
    for code, count in sorted(tallies.xids(gpu.uuid, now).items()):
        window = f"{XID_WINDOW_SECONDS * 1000:.0f}"
        labels = (("xid", str(code)), ("window_size_in_ms", window))
        yield DcgmNumber("DCGM_EXP_XID_ERRORS_COUNT", "gauge", "XIDs of the last minutes.", float(count), labels)
