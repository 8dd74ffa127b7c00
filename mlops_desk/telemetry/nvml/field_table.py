"""Which fields are read every tick, and which seldom, with NVML's numbers for them."""

import pynvml

from mlops_desk.telemetry.nvml.fields import ALL_LINKS, As, DriverField

_NANOSECONDS = 1e-9
_MILLI = 1e-3
_KIB = 1024.0


def _share(number: int, cause: str, causes: int = 1) -> DriverField:
    return DriverField(number, f"hw.gpu.throttle.{cause}", _NANOSECONDS, As.SHARE, causes=causes)


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
    DriverField(pynvml.NVML_FI_DEV_POWER_AVERAGE, "hw.power", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_POWER_INSTANT, "hw.power.instant", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_TOTAL_ENERGY_CONSUMPTION, "hw.energy", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_MEMORY_TEMP, "hw.temperature.memory"),
    *THROTTLING,
    DriverField(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_TX, "hw.gpu.nvlink.transmit", _KIB, As.RATE, ALL_LINKS),
    DriverField(pynvml.NVML_FI_DEV_NVLINK_THROUGHPUT_DATA_RX, "hw.gpu.nvlink.receive", _KIB, As.RATE, ALL_LINKS),
)

SELDOM = (
    DriverField(pynvml.NVML_FI_DEV_POWER_MIN_LIMIT, "hw.power.limit.min", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_POWER_MAX_LIMIT, "hw.power.limit.max", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_POWER_DEFAULT_LIMIT, "hw.power.limit.default", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_POWER_REQUESTED_LIMIT, "hw.power.limit.requested", _MILLI),
    DriverField(pynvml.NVML_FI_DEV_ECC_SBE_VOL_TOTAL, "hw.errors.ecc.volatile.corrected"),
    DriverField(pynvml.NVML_FI_DEV_ECC_DBE_VOL_TOTAL, "hw.errors.ecc.volatile.uncorrected"),
    DriverField(pynvml.NVML_FI_DEV_ECC_SBE_AGG_TOTAL, "hw.errors.ecc.aggregate.corrected"),
    DriverField(pynvml.NVML_FI_DEV_ECC_DBE_AGG_TOTAL, "hw.errors.ecc.aggregate.uncorrected"),
    DriverField(pynvml.NVML_FI_DEV_RETIRED_SBE, "hw.gpu.retired_pages.single_bit"),
    DriverField(pynvml.NVML_FI_DEV_RETIRED_DBE, "hw.gpu.retired_pages.double_bit"),
    DriverField(pynvml.NVML_FI_DEV_RETIRED_PENDING, "hw.gpu.retired_pages.pending"),
    DriverField(pynvml.NVML_FI_DEV_REMAPPED_COR, "hw.gpu.row_remap.correctable"),
    DriverField(pynvml.NVML_FI_DEV_REMAPPED_UNC, "hw.gpu.row_remap.uncorrectable"),
    DriverField(pynvml.NVML_FI_DEV_REMAPPED_PENDING, "hw.gpu.row_remap.pending"),
    DriverField(pynvml.NVML_FI_DEV_REMAPPED_FAILURE, "hw.gpu.row_remap.failure"),
    DriverField(pynvml.NVML_FI_DEV_GET_GPU_RECOVERY_ACTION, "hw.gpu.recovery_action"),
    DriverField(pynvml.NVML_FI_DEV_PCIE_REPLAY_COUNTER, "hw.gpu.pcie.replays"),
    DriverField(pynvml.NVML_FI_DEV_PCIE_COUNT_CORRECTABLE_ERRORS, "hw.gpu.pcie.errors.correctable"),
    DriverField(pynvml.NVML_FI_DEV_PCIE_COUNT_NON_FATAL_ERROR, "hw.gpu.pcie.errors.non_fatal"),
    DriverField(pynvml.NVML_FI_DEV_PCIE_COUNT_FATAL_ERROR, "hw.gpu.pcie.errors.fatal"),
    DriverField(pynvml.NVML_FI_DEV_NVLINK_LINK_COUNT, "hw.gpu.nvlink.limit"),
    DriverField(pynvml.NVML_FI_DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL, "hw.gpu.nvlink.errors.crc"),
    DriverField(pynvml.NVML_FI_DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL, "hw.gpu.nvlink.errors.replay"),
    DriverField(pynvml.NVML_FI_DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL, "hw.gpu.nvlink.errors.recovery"),
)
