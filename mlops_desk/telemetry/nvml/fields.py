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

from mlops_desk.telemetry.nvml.device import NvmlDevice
from mlops_desk.telemetry.nvml.door import UNABLE, UNABLE_SECONDS, CallError, NvmlError

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
