"""Which fields are read every tick, and which seldom, with NVML's numbers for them."""

import pynvml

from mlops_desk.telemetry.nvml.fields import ALL_LINKS, As, Field

_NANOSECONDS = 1e-9
_MILLI = 1e-3
_KIB = 1024.0


def _share(number: int, cause: str, causes: int = 1) -> Field:
    return Field(number, f"hw.gpu.throttle.{cause}", _NANOSECONDS, As.SHARE, causes=causes)


THROTTLING = (
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_POWER, "power_cap"),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_THERMAL, "thermal", causes=2),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_SYNC_BOOST, "sync_boost"),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_BOARD_LIMIT, "board_limit"),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_LOW_UTILIZATION, "low_utilization"),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_RELIABILITY, "reliability"),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_TOTAL_APP_CLOCKS, "application_clocks"),
    _share(pynvml.NVML_FI_DEV_PERF_POLICY_TOTAL_BASE_CLOCKS, "base_clocks"),
    _share(pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_SW_THERM_SLOWDOWN, "thermal_software"),
    _share(pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_THERM_SLOWDOWN, "thermal_hardware"),
    _share(pynvml.NVML_FI_DEV_CLOCKS_EVENT_REASON_HW_POWER_BRAKE_SLOWDOWN, "power_brake"),
)

EVERY_TICK = (
    Field(pynvml.NVML_FI_DEV_POWER_AVERAGE, "hw.power", _MILLI),
    Field(pynvml.NVML_FI_DEV_POWER_INSTANT, "hw.power.instant", _MILLI),
    Field(pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, "hw.energy", _MILLI),
    Field(pynvml.NVML_FI_DEV_MEMORY_TEMP, "hw.temperature.memory"),
    *THROTTLING,
    Field(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, "hw.gpu.nvlink.transmit", _KIB, As.RATE, ALL_LINKS),
    Field(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, "hw.gpu.nvlink.receive", _KIB, As.RATE, ALL_LINKS),
)

SELDOM = (
    Field(pynvml.NVML_FI_DEV_POWER_MIN_LIMIT, "hw.power.limit.min", _MILLI),
    Field(pynvml.NVML_FI_DEV_POWER_MAX_LIMIT, "hw.power.limit.max", _MILLI),
    Field(pynvml.NVML_FI_DEV_POWER_DEFAULT_LIMIT, "hw.power.limit.default", _MILLI),
    Field(pynvml.NVML_FI_DEV_POWER_REQUESTED_LIMIT, "hw.power.limit.requested", _MILLI),
    Field(pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL, "hw.errors.ecc.volatile.corrected"),
    Field(pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL, "hw.errors.ecc.volatile.uncorrected"),
    Field(pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL, "hw.errors.ecc.aggregate.corrected"),
    Field(pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL, "hw.errors.ecc.aggregate.uncorrected"),
    Field(pynvml.NVML_FI_DEV_RETIRED_SBE, "hw.gpu.retired_pages.single_bit"),
    Field(pynvml.NVML_FI_DEV_RETIRED_DBE, "hw.gpu.retired_pages.double_bit"),
    Field(pynvml.NVML_FI_DEV_RETIRED_PENDING, "hw.gpu.retired_pages.pending"),
    Field(pynvml.NVML_FI_DEV_REMAPPED_COR, "hw.gpu.row_remap.correctable"),
    Field(pynvml.NVML_FI_DEV_REMAPPED_UNC, "hw.gpu.row_remap.uncorrectable"),
    Field(pynvml.NVML_FI_DEV_REMAPPED_PENDING, "hw.gpu.row_remap.pending"),
    Field(pynvml.NVML_FI_DEV_REMAPPED_FAILURE, "hw.gpu.row_remap.failure"),
    Field(pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, "hw.gpu.recovery_action"),
    Field(pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER, "hw.gpu.pcie.replays"),
    Field(pynvml.NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS, "hw.gpu.pcie.errors.correctable"),
    Field(pynvml.NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR, "hw.gpu.pcie.errors.non_fatal"),
    Field(pynvml.NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR, "hw.gpu.pcie.errors.fatal"),
    Field(pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT, "hw.gpu.nvlink.limit"),
    Field(pynvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, "hw.gpu.nvlink.errors.crc"),
    Field(pynvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL, "hw.gpu.nvlink.errors.replay"),
    Field(pynvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, "hw.gpu.nvlink.errors.recovery"),
)
