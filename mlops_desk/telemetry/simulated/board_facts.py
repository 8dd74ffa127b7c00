"""What seldom or never changes about a simulated H100 board: sizes, limits, settings, and errors that do not happen."""

from mlops_desk.telemetry.simulated.works import GIB

MEMORY_BYTES = 80 * GIB
RESERVED_BYTES = 0.6 * GIB
IDLE_WATTS = 70.0  # about what an H100 SXM draws that does nothing
LIMIT_WATTS = 700.0  # an H100 SXM's
FULL_CLOCK = 1980e6  # an H100 SXM's boost clock
LINKS = 18  # an H100 SXM's

STEADY = {
    "hw.gpu.memory.limit": MEMORY_BYTES,
    "hw.gpu.memory.reserved": RESERVED_BYTES,
    "hw.gpu.memory.bar1.usage": 3 * GIB / 1024,
    "hw.gpu.memory.bar1.limit": 128 * GIB,
    "hw.power.limit": LIMIT_WATTS,
    "hw.power.limit.requested": LIMIT_WATTS,
    "hw.power.limit.default": LIMIT_WATTS,
    "hw.power.limit.min": 200.0,
    "hw.power.limit.max": LIMIT_WATTS,
    "hw.temperature.limit.gpu": 87.0,
    "hw.temperature.limit.memory": 95.0,
    "hw.temperature.limit.slowdown": 89.0,
    "hw.temperature.limit.shutdown": 92.0,
    "hw.gpu.clock.memory": 2619e6,
    "hw.gpu.clock.sm.limit": FULL_CLOCK,
    "hw.gpu.clock.memory.limit": 2619e6,
    "hw.gpu.clock.graphics.limit": FULL_CLOCK,
    "hw.gpu.clock.video.limit": 1545e6,
    "hw.gpu.performance_state": 0.0,
    "hw.errors.ecc.volatile.corrected": 0.0,
    "hw.errors.ecc.aggregate.corrected": 3.0,
    "hw.gpu.row_remap.correctable": 0.0,
    "hw.gpu.row_remap.failure": 0.0,
    "hw.gpu.recovery_action": 0.0,
    "hw.gpu.pcie.generation": 5.0,
    "hw.gpu.pcie.generation.limit": 5.0,
    "hw.gpu.pcie.width": 16.0,
    "hw.gpu.pcie.width.limit": 16.0,
    "hw.gpu.pcie.errors.correctable": 0.0,
    "hw.gpu.pcie.errors.non_fatal": 0.0,
    "hw.gpu.pcie.errors.fatal": 0.0,
    "hw.gpu.nvlink.up": float(LINKS),
    "hw.gpu.nvlink.limit": float(LINKS),
    "hw.gpu.utilization.encoder": 0.0,
    "hw.gpu.utilization.jpeg": 0.0,
    "hw.gpu.utilization.ofa": 0.0,
    "hw.gpu.activity.jpeg": 0.0,
    "hw.gpu.activity.ofa": 0.0,
    "hw.gpu.throttle.thermal_hardware": 0.0,
    "hw.gpu.throttle.power_brake": 0.0,
    "hw.gpu.throttle.hardware_slowdown": 0.0,
    "hw.gpu.throttle.sync_boost": 0.0,
    "hw.gpu.throttle.board_limit": 0.0,
    "hw.gpu.throttle.reliability": 0.0,
    "hw.gpu.throttle.base_clocks": 0.0,
}

FACTS = {
    "Architecture": "Hopper",
    "CUDA capability": "9.0",
    "VBIOS": "96.00.74.00.01 (simulated)",
    "Persistence mode": "on",
    "Compute mode": "default",
    "ECC mode": "on",
    "MIG mode": "off",
    "Accounting mode": "on",
}
