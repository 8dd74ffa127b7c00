"""The GPUs' part of the table of metrics: whole GPUs, their MIG instances, their NVLinks.

Names follow the OpenTelemetry hardware conventions where they have one; beside them stands DCGM's name. What ends in
``.limit`` is a maximum of the hardware or a setting, and moves seldom or never.
"""

from mlops_desk.machine.records.metric import BYTES, BYTES_PER_SECOND, COUNT, DEGREES, FLAG, HERTZ, RATIO, WATTS, Metric

GPU = "gpu"
MIG = "mig"
LINK = "nvlink"


def _gauge(
    name: str, unit: str, limits: tuple[float, float, float], text: str, dcgm: str | None = None, device: str = GPU
) -> Metric:
    return Metric(name, device, unit, "gauge", *limits, text, f"DCGM_FI_{dcgm}" if dcgm else None)


def _rate(name: str, text: str, dcgm: str | None = None, device: str = GPU) -> Metric:
    return Metric(name, device, "By/s", "rate", *BYTES_PER_SECOND, text, f"DCGM_FI_{dcgm}" if dcgm else None)


def _counter(name: str, text: str, dcgm: str | None = None, device: str = GPU) -> Metric:
    return Metric(name, device, "1", "counter", *COUNT, text, f"DCGM_FI_{dcgm}" if dcgm else None)


_LOST = "Share of time in which the clocks were held down"

_UTILIZATION = (
    _gauge("hw.gpu.utilization", "1", RATIO, "Share of time in which a kernel was running.", "DEV_GPU_UTIL"),
    _gauge("hw.gpu.utilization.memory", "1", RATIO, "Share of time in which the memory controller was busy.",
           "DEV_MEM_COPY_UTIL"),
    _gauge("hw.gpu.utilization.encoder", "1", RATIO, "Share of time in which the video encoder was busy.",
           "DEV_ENC_UTIL"),
    _gauge("hw.gpu.utilization.decoder", "1", RATIO, "Share of time in which the video decoder was busy.",
           "DEV_DEC_UTIL"),
    _gauge("hw.gpu.utilization.jpeg", "1", RATIO, "Share of time in which the JPEG engine was busy."),
    _gauge("hw.gpu.utilization.ofa", "1", RATIO, "Share of time in which the optical flow accelerator was busy."),
)  # fmt: skip

_MEMORY = (
    _gauge("hw.gpu.memory.usage", "By", BYTES, "Memory in use, without what the driver reserves.", "DEV_FB_USED"),
    _gauge("hw.gpu.memory.limit", "By", BYTES, "Memory of the GPU.", "DEV_FB_TOTAL"),
    _gauge("hw.gpu.memory.free", "By", BYTES, "Memory that is free.", "DEV_FB_FREE"),
    _gauge("hw.gpu.memory.reserved", "By", BYTES, "Memory that driver and firmware keep for themselves.",
           "DEV_FB_RESERVED"),
    _gauge("hw.gpu.memory.bar1.usage", "By", BYTES, "Memory mapped for access over PCIe.", "DEV_BAR1_USED"),
    _gauge("hw.gpu.memory.bar1.limit", "By", BYTES, "Memory that can be mapped for access over PCIe.",
           "DEV_BAR1_TOTAL"),
)  # fmt: skip

_POWER = (
    _gauge("hw.power", "W", WATTS,
           "Power drawn by the board: averaged over 1 s on Ampere and newer, instant before.", "DEV_POWER_USAGE"),
    _gauge("hw.power.instant", "W", WATTS, "Power drawn by the board at this moment.", "DEV_POWER_USAGE_INSTANT"),
    _gauge("hw.power.limit", "W", WATTS, "Power at which the driver slows the GPU down.",
           "DEV_ENFORCED_POWER_LIMIT"),
    _gauge("hw.power.limit.requested", "W", WATTS, "Power limit that was asked for.", "DEV_POWER_MGMT_LIMIT"),
    _gauge("hw.power.limit.default", "W", WATTS, "Power limit that the board was built with.",
           "DEV_POWER_MGMT_LIMIT_DEF"),
    _gauge("hw.power.limit.min", "W", WATTS, "Lowest power limit that can be set.", "DEV_POWER_MGMT_LIMIT_MIN"),
    _gauge("hw.power.limit.max", "W", WATTS, "Highest power limit that can be set.", "DEV_POWER_MGMT_LIMIT_MAX"),
    Metric("hw.energy", GPU, "J", "counter", 1.0, 0.0, 1e12, "Energy used since the driver was loaded.",
           "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"),
)  # fmt: skip

_TEMPERATURE = (
    _gauge("hw.temperature", "Cel", DEGREES, "Temperature of the GPU core.", "DEV_GPU_TEMP"),
    _gauge("hw.temperature.memory", "Cel", DEGREES, "Temperature of the GPU's memory.", "DEV_MEMORY_TEMP"),
    _gauge("hw.temperature.limit.gpu", "Cel", DEGREES, "Highest core temperature at full clocks.",
           "DEV_GPU_MAX_OP_TEMP"),
    _gauge("hw.temperature.limit.memory", "Cel", DEGREES, "Highest memory temperature at full clocks.",
           "DEV_MEM_MAX_OP_TEMP"),
    _gauge("hw.temperature.limit.slowdown", "Cel", DEGREES, "Core temperature at which the hardware halves the clocks.",
           "DEV_SLOWDOWN_TEMP"),
    _gauge("hw.temperature.limit.shutdown", "Cel", DEGREES, "Core temperature at which the GPU shuts down.",
           "DEV_SHUTDOWN_TEMP"),
    _gauge("hw.fan.speed_ratio", "1", RATIO, "Fan speed the driver asks for, of its maximum.", "DEV_FAN_SPEED"),
)  # fmt: skip

_CLOCKS = (
    _gauge("hw.gpu.clock.sm", "Hz", HERTZ, "Clock of the streaming multiprocessors.", "DEV_SM_CLOCK"),
    _gauge("hw.gpu.clock.memory", "Hz", HERTZ, "Clock of the memory.", "DEV_MEM_CLOCK"),
    _gauge("hw.gpu.clock.graphics", "Hz", HERTZ, "Clock of the graphics engine."),
    _gauge("hw.gpu.clock.video", "Hz", HERTZ, "Clock of the video engines.", "DEV_VIDEO_CLOCK"),
    _gauge("hw.gpu.clock.sm.limit", "Hz", HERTZ, "Highest clock of the streaming multiprocessors.",
           "DEV_MAX_SM_CLOCK"),
    _gauge("hw.gpu.clock.memory.limit", "Hz", HERTZ, "Highest clock of the memory.", "DEV_MAX_MEM_CLOCK"),
    _gauge("hw.gpu.clock.graphics.limit", "Hz", HERTZ, "Highest clock of the graphics engine."),
    _gauge("hw.gpu.clock.video.limit", "Hz", HERTZ, "Highest clock of the video engines.", "DEV_MAX_VIDEO_CLOCK"),
    _gauge("hw.gpu.performance_state", "1", (1.0, 0.0, 15.0), "P-state: 0 is the fastest, 15 the slowest.",
           "DEV_PSTATE"),
)  # fmt: skip

_THROTTLING = (
    _gauge("hw.gpu.throttle.power_cap", "1", RATIO, f"{_LOST} to stay below the power limit.", "DEV_POWER_VIOLATION"),
    _gauge("hw.gpu.throttle.thermal", "1", RATIO, f"{_LOST} by heat, by driver or hardware.", "DEV_THERMAL_VIOLATION"),
    _gauge("hw.gpu.throttle.thermal_software", "1", RATIO, f"{_LOST} by the driver because of heat."),
    _gauge("hw.gpu.throttle.thermal_hardware", "1", RATIO, f"{_LOST} by the hardware because of heat."),
    _gauge("hw.gpu.throttle.power_brake", "1", RATIO, f"{_LOST} by the power supply's brake signal."),
    _gauge("hw.gpu.throttle.hardware_slowdown", "1", RATIO,
           f"{_LOST} by the hardware: the sum of its heat and power brake causes."),
    _gauge("hw.gpu.throttle.sync_boost", "1", RATIO, f"{_LOST} to keep GPUs of a group at one clock.",
           "DEV_SYNC_BOOST_VIOLATION"),
    _gauge("hw.gpu.throttle.board_limit", "1", RATIO, f"{_LOST} by a limit of the board, as of its voltage.",
           "DEV_BOARD_LIMIT_VIOLATION"),
    _gauge("hw.gpu.throttle.low_utilization", "1", RATIO, f"{_LOST} because there was little to do.",
           "DEV_LOW_UTIL_VIOLATION"),
    _gauge("hw.gpu.throttle.reliability", "1", RATIO, f"{_LOST} to keep the board reliable.",
           "DEV_RELIABILITY_VIOLATION"),
    _gauge("hw.gpu.throttle.application_clocks", "1", RATIO, "Share of time below the application clocks.",
           "DEV_TOTAL_APP_CLOCKS_VIOLATION"),
    _gauge("hw.gpu.throttle.base_clocks", "1", RATIO, "Share of time below the base clocks.",
           "DEV_TOTAL_BASE_CLOCKS_VIOLATION"),
)  # fmt: skip

_ERRORS = (
    _counter("hw.errors.ecc.volatile.corrected", "Memory errors corrected since the driver was loaded.",
             "DEV_ECC_SBE_VOL_TOTAL"),
    _counter("hw.errors.ecc.volatile.uncorrected", "Memory errors not corrected since the driver was loaded.",
             "DEV_ECC_DBE_VOL_TOTAL"),
    _counter("hw.errors.ecc.aggregate.corrected", "Memory errors corrected in the life of the GPU.",
             "DEV_ECC_SBE_AGG_TOTAL"),
    _counter("hw.errors.ecc.aggregate.uncorrected", "Memory errors not corrected in the life of the GPU.",
             "DEV_ECC_DBE_AGG_TOTAL"),
    _counter("hw.gpu.retired_pages.single_bit", "Memory pages given up because of corrected errors.",
             "DEV_RETIRED_SBE"),
    _counter("hw.gpu.retired_pages.double_bit", "Memory pages given up because of uncorrected errors.",
             "DEV_RETIRED_DBE"),
    _gauge("hw.gpu.retired_pages.pending", "1", FLAG, "1 when pages are given up at the next start.",
           "DEV_RETIRED_PENDING"),
    _counter("hw.gpu.row_remap.correctable", "Memory rows replaced because of corrected errors.",
             "DEV_CORRECTABLE_REMAPPED_ROWS"),
    _counter("hw.gpu.row_remap.uncorrectable", "Memory rows replaced because of uncorrected errors.",
             "DEV_UNCORRECTABLE_REMAPPED_ROWS"),
    _gauge("hw.gpu.row_remap.pending", "1", FLAG, "1 when rows are replaced at the next reset.",
           "DEV_ROW_REMAP_PENDING"),
    _gauge("hw.gpu.row_remap.failure", "1", FLAG, "1 when a row could not be replaced: the board is to be exchanged.",
           "DEV_ROW_REMAP_FAILURE"),
    _gauge("hw.gpu.recovery_action", "1", (1.0, 0.0, 100.0),
           "What the driver asks for: 0 nothing, 1 reset the GPU, 2 restart, 3 stop peer traffic, 4 drain and reset, "
           "5 recover the IMEX domain, 6 reset it over the bus, 7 restart the system.",
           "DEV_GET_GPU_RECOVERY_ACTION"),
)  # fmt: skip

_LINKS = (
    _gauge("hw.gpu.pcie.generation", "1", (1.0, 1.0, 10.0), "PCIe generation now; an idle GPU saves power with 1.",
           "DEV_PCIE_LINK_GEN"),
    _gauge("hw.gpu.pcie.generation.limit", "1", (1.0, 1.0, 10.0), "Highest PCIe generation of GPU and slot.",
           "DEV_PCIE_MAX_LINK_GEN"),
    _gauge("hw.gpu.pcie.width", "1", (1.0, 1.0, 32.0), "PCIe lanes in use.", "DEV_PCIE_LINK_WIDTH"),
    _gauge("hw.gpu.pcie.width.limit", "1", (1.0, 1.0, 32.0), "PCIe lanes of GPU and slot.", "DEV_PCIE_MAX_LINK_WIDTH"),
    _counter("hw.gpu.pcie.replays", "Times something had to be sent again over PCIe.", "DEV_PCIE_REPLAY_COUNTER"),
    _counter("hw.gpu.pcie.errors.correctable", "Errors on PCIe that were corrected.",
             "DEV_PCIE_COUNT_CORRECTABLE_ERRORS"),
    _counter("hw.gpu.pcie.errors.non_fatal", "Errors on PCIe that lost something."),
    _counter("hw.gpu.pcie.errors.fatal", "Errors on PCIe that broke the link."),
    _rate("hw.gpu.io.transmit", "Bytes sent over PCIe a second; before Hopper a sample of 20 ms, twice a minute.",
          "PROF_PCIE_TX_BYTES"),
    _rate("hw.gpu.io.receive", "Bytes received over PCIe a second; before Hopper a sample of 20 ms, twice a minute.",
          "PROF_PCIE_RX_BYTES"),
    _gauge("hw.gpu.nvlink.up", "1", (1.0, 0.0, 64.0), "NVLinks that are up."),
    _gauge("hw.gpu.nvlink.limit", "1", (1.0, 0.0, 64.0), "NVLinks of the GPU."),
    _rate("hw.gpu.nvlink.transmit", "Bytes sent over all NVLinks a second.", "PROF_NVLINK_TX_BYTES"),
    _rate("hw.gpu.nvlink.receive", "Bytes received over all NVLinks a second.", "PROF_NVLINK_RX_BYTES"),
    _counter("hw.gpu.nvlink.errors.crc", "Damaged packets on all NVLinks.",
             "DEV_NVLINK_CRC_FLIT_ERROR_COUNT_TOTAL"),
    _counter("hw.gpu.nvlink.errors.replay", "Times something had to be sent again over an NVLink.",
             "DEV_NVLINK_REPLAY_ERROR_COUNT_TOTAL"),
    _counter("hw.gpu.nvlink.errors.recovery", "Times an NVLink had to be trained again.",
             "DEV_NVLINK_RECOVERY_ERROR_COUNT_TOTAL"),
)  # fmt: skip


def _activity(device: str) -> tuple[Metric, ...]:
    """Return what GPM measures on Hopper and newer, since the last sample."""
    return (
        _gauge("hw.gpu.activity.graphics", "1", RATIO, "Share of time in which graphics or compute was active.",
               "PROF_GR_ENGINE_ACTIVE", device),
        _gauge("hw.gpu.activity.sm", "1", RATIO, "Share of multiprocessors with work, in time: how busy it really is.",
               "PROF_SM_ACTIVE", device),
        _gauge("hw.gpu.activity.occupancy", "1", RATIO, "Warps on the multiprocessors, of what they can hold.",
               "PROF_SM_OCCUPANCY", device),
        _gauge("hw.gpu.activity.tensor", "1", RATIO, "Share of time in which the tensor cores worked.",
               "PROF_PIPE_TENSOR_ACTIVE", device),
        _gauge("hw.gpu.activity.dram", "1", RATIO, "Memory bandwidth used, of what there is.", "PROF_DRAM_ACTIVE",
               device),
        _gauge("hw.gpu.activity.fp64", "1", RATIO, "Share of time in which the FP64 units worked.",
               "PROF_PIPE_FP64_ACTIVE", device),
        _gauge("hw.gpu.activity.fp32", "1", RATIO, "Share of time in which the FP32 units worked.",
               "PROF_PIPE_FP32_ACTIVE", device),
        _gauge("hw.gpu.activity.fp16", "1", RATIO, "Share of time in which the FP16 units worked.",
               "PROF_PIPE_FP16_ACTIVE", device),
        _gauge("hw.gpu.activity.integer", "1", RATIO, "Share of time in which the integer units worked.",
               "PROF_PIPE_INT_ACTIVE", device),
    )  # fmt: skip


_ENGINES = (
    _gauge("hw.gpu.activity.decoder", "1", RATIO, "Mean share of time in which the video decoders worked."),
    _gauge("hw.gpu.activity.jpeg", "1", RATIO, "Mean share of time in which the JPEG engines worked."),
    _gauge("hw.gpu.activity.ofa", "1", RATIO, "Mean share of time in which the optical flow accelerators worked."),
)

_MIG = (
    _gauge("hw.gpu.memory.usage", "By", BYTES, "Memory of the instance in use.", "DEV_FB_USED", MIG),
    _gauge("hw.gpu.memory.limit", "By", BYTES, "Memory of the instance.", "DEV_FB_TOTAL", MIG),
    _gauge("hw.gpu.memory.free", "By", BYTES, "Memory of the instance that is free.", "DEV_FB_FREE", MIG),
    *_activity(MIG),
)

_LINK = (
    _rate("hw.gpu.nvlink.transmit", "Bytes sent over the link a second.", None, LINK),
    _rate("hw.gpu.nvlink.receive", "Bytes received over the link a second.", None, LINK),
    _rate("hw.gpu.nvlink.bandwidth.limit", "Speed of the link in one direction.", None, LINK),
    _counter("hw.gpu.nvlink.errors.crc", "Damaged packets on the link.", None, LINK),
    _counter("hw.gpu.nvlink.errors.replay", "Times something had to be sent again over the link.", None, LINK),
    _counter("hw.gpu.nvlink.errors.recovery", "Times the link had to be trained again.", None, LINK),
)

GPU_TABLE: tuple[Metric, ...] = (
    *_UTILIZATION,
    *_MEMORY,
    *_POWER,
    *_TEMPERATURE,
    *_CLOCKS,
    *_THROTTLING,
    *_ERRORS,
    *_LINKS,
    *_activity(GPU),
    *_ENGINES,
)
DEVICE_TABLE: tuple[Metric, ...] = (*GPU_TABLE, *_MIG, *_LINK)
