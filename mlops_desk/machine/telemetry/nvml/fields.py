"""Many fields of a GPU in one call, into a buffer that is used again and again.

Each field has its own error. What a GPU can't say is left out of the calls that follow and asked again
after a minute. A counter that is shown as a rate or as a share of time gives nothing in the tick in which it
went back (reset, driver reload, wrap): a gap, never a spike.
"""

import ctypes
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import pynvml

from mlops_desk.machine.telemetry.nvml.nvml_library import UNABLE, UNABLE_SECONDS, CallError, NvmlDevice, NvmlError

_CALL = "nvmlDeviceGetFieldValues"
_RECORD = struct.Struct("<24xii8s")
"""Of a record: the type of the value, the error, the value."""
_TYPES = tuple(struct.Struct(f"<{letter}") for letter in "dIQQqiH")
_SLACK = 1.25
"""Counters and clock are not read at the same instant: a share of a little more than 1 is 1, of much more an error."""
ALL_LINKS = 0xFFFF_FFFF  # NVML: a scope of all ones is the sum over links
_UNKNOWN_FIELD = {pynvml.NVML_ERROR_INVALID_ARGUMENT: pynvml.NVML_ERROR_FUNCTION_NOT_FOUND}
"""What an older driver says to the number of a field that it does not know."""


class As(Enum):
    """What becomes of a field's number."""

    VALUE = "value"
    RATE = "growth a second"
    SHARE = "growth in seconds, of the time that passed"


@dataclass(frozen=True, slots=True)
class DriverField:
    """A numbered field and where its number goes. ``factor`` turns NVML's unit into ours.

    ``causes`` may add up in a share of time: with two at once its counter grows twice as fast as the clock.
    """

    number: int
    name: str
    factor: float = 1.0
    kind: As = As.VALUE
    scope: int = 0
    causes: int = 1


class Gap:
    """No value in this tick: a counter began anew, or there is only one reading of it yet."""


GAP = Gap()
Value = float | NvmlError | Gap


class FieldReader:
    """Reads ``fields`` of one GPU. One reader serves one generation of handles: its counters start with it."""

    def __init__(self, device: NvmlDevice, fields: Sequence[DriverField]) -> None:
        self._device = device
        self._fields = tuple(fields)
        self._bytes = bytearray(_RECORD.size * len(self._fields))
        self._buffer = (pynvml.c_nvmlFieldValue_t * len(self._fields)).from_buffer(self._bytes)
        self._asked: list[int] = []
        self._ask_all = 0.0
        self._read_at = 0.0
        self._forget()

    def read(self, now: float) -> dict[str, Value]:
        """Return what is new by name, at monotonic time ``now``; what is as it was is left out.

        Raises NvmlError when the call as a whole fails; then everything is new the next time.
        """
        asks_all = now >= self._ask_all
        if asks_all:
            self._ask(range(len(self._fields)))
        if not self._asked:
            return {}
        try:
            self._device.invoke(_CALL, ctypes.c_int32(len(self._asked)), self._buffer)
        except NvmlError:
            self._forget()
            raise
        found = self._decode(now)
        self._read_at = now
        if asks_all:
            self._ask_all = now + UNABLE_SECONDS
            self._ask([position for position in self._asked if not _is_unable(found.get(self._fields[position].name))])
        return found

    def _forget(self) -> None:
        self._raw: list[tuple[int, int, bytes] | None] = [None] * len(self._fields)
        self._counted: list[float | None] = [None] * len(self._fields)
        self._settled: list[bool] = [False] * len(self._fields)

    def _ask(self, positions: Sequence[int]) -> None:
        self._asked = list(positions)
        for place, position in enumerate(self._asked):
            field = self._fields[position]
            self._buffer[place].fieldId, self._buffer[place].scopeId = field.number, field.scope

    def _decode(self, now: float) -> dict[str, Value]:
        found: dict[str, Value] = {}
        known, settled = self._raw, self._settled
        records = _RECORD.iter_unpack(memoryview(self._bytes)[: _RECORD.size * len(self._asked)])
        for position, record in zip(self._asked, records, strict=True):
            if settled[position] and record == known[position]:
                continue
            known[position] = record
            field = self._fields[position]
            value = found[field.name] = self._value(position, field, record, now)
            settled[position] = isinstance(value, float) and (field.kind is As.VALUE or value == 0.0)
        return found

    def _value(self, position: int, field: DriverField, record: tuple[int, int, bytes], now: float) -> Value:
        kind, code, data = record
        if code:
            self._counted[position] = None
            return NvmlError.of(_UNKNOWN_FIELD.get(code, code), f"field {field.number}")
        if not 0 <= kind < len(_TYPES):
            return CallError(pynvml.NVML_ERROR_UNKNOWN, f"field {field.number}", "unknown type")
        number = float(_TYPES[kind].unpack_from(data)[0])
        if field.kind is As.VALUE:
            return number * field.factor
        before, self._counted[position] = self._counted[position], number
        return growth(None if before is None else (self._read_at, before), now, number, field)


def _is_unable(value: Value | None) -> bool:
    return isinstance(value, NvmlError) and value.kind in UNABLE


def growth(before: tuple[float, float] | None, now: float, number: float, field: DriverField) -> float | Gap:
    """Return how much a counter grew a second since ``before`` (time and number), in the field's unit."""
    if before is None or number < before[1] or now <= before[0]:
        return GAP
    rate = (number - before[1]) * field.factor / (now - before[0])
    if field.kind is As.SHARE:
        return min(rate, 1.0) if rate <= _SLACK * field.causes else GAP
    return rate


# Which fields are read every tick, and which seldom, with NVML's numbers for them.

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
