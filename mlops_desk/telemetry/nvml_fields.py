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

from mlops_desk.telemetry.nvml import UNABLE, NvmlError
from mlops_desk.telemetry.nvml_device import NvmlDevice

_ASK_ALL_SECONDS = 60.0
_CALL = "nvmlDeviceGetFieldValues"
_RECORD = struct.Struct("<IIqqii8s")
_TYPES = tuple(struct.Struct(f"<{letter}") for letter in "dIQQqiH")
_SLACK = 1.25
"""Counters and clock are not read at the same instant: a share of a little more than 1 is 1, of much more an error."""
ALL_LINKS = 0xFFFF_FFFF
_UNKNOWN_FIELD = {pynvml.NVML_ERROR_INVALID_ARGUMENT: pynvml.NVML_ERROR_FUNCTION_NOT_FOUND}
"""What an older driver says to the number of a field that it does not know."""


class As(Enum):
    """What becomes of a field's number."""

    VALUE = "value"
    RATE = "growth a second"
    SHARE = "growth in seconds, of the time that passed"


@dataclass(frozen=True, slots=True)
class Field:
    """A numbered field and where its number goes. ``factor`` turns NVML's unit into ours."""

    number: int
    name: str
    factor: float = 1.0
    kind: As = As.VALUE
    scope: int = 0


class Gap:
    """No value in this tick: a counter began anew, or there is only one reading of it yet."""


GAP = Gap()
Value = float | NvmlError | Gap


class FieldReader:
    """Reads ``fields`` of one GPU. One reader serves one generation of handles: its counters start with it."""

    def __init__(self, device: NvmlDevice, fields: Sequence[Field]) -> None:
        self._device = device
        self._fields = tuple(fields)
        self._bytes = bytearray(_RECORD.size * len(self._fields))
        self._buffer = (pynvml.c_nvmlFieldValue_t * len(self._fields)).from_buffer(self._bytes)
        self._asked: list[int] = []
        self._ask_all = 0.0
        self._raw: list[tuple[int, int, bytes] | None] = [None] * len(self._fields)
        self._numbers: list[float] = [0.0] * len(self._fields)
        self._counted: list[tuple[float, float] | None] = [None] * len(self._fields)
        self._still: list[bool] = [False] * len(self._fields)

    def read(self, now: float) -> dict[str, Value]:
        """Return what is new by name, at monotonic time ``now``; what is as it was is left out.

        Raises NvmlError when the call as a whole fails.
        """
        if now >= self._ask_all:
            self._ask(range(len(self._fields)))
        if not self._asked:
            return {}
        self._device.invoke(_CALL, ctypes.c_int32(len(self._asked)), self._buffer)
        found: dict[str, Value] = {}
        able = []
        records = _RECORD.iter_unpack(memoryview(self._bytes)[: _RECORD.size * len(self._asked)])
        for position, record in zip(self._asked, records, strict=True):
            field, raw = self._fields[position], record[4:]
            unchanged = raw == self._raw[position]
            self._raw[position] = raw
            value = self._value(position, field, raw, now, unchanged=unchanged)
            if value is not None:
                found[field.name] = value
            if not (isinstance(value, NvmlError) and value.kind in UNABLE):
                able.append(position)
        if now >= self._ask_all:
            self._ask_all = now + _ASK_ALL_SECONDS
            self._ask(able)
        return found

    def _ask(self, positions: Sequence[int]) -> None:
        self._asked = list(positions)
        for place, position in enumerate(self._asked):
            field = self._fields[position]
            self._buffer[place].fieldId, self._buffer[place].scopeId = field.number, field.scope

    def _value(
        self, position: int, field: Field, raw: tuple[int, int, bytes], now: float, *, unchanged: bool
    ) -> Value | None:
        """Return the field's value; None when it is what it was."""
        kind, code, data = raw
        if code:
            self._counted[position], self._still[position] = None, False
            return NvmlError.of(_UNKNOWN_FIELD.get(code, code), f"field {field.number}")
        if unchanged:
            number = self._numbers[position]
        else:
            if not 0 <= kind < len(_TYPES):
                return NvmlError(pynvml.NVML_ERROR_UNKNOWN, f"field {field.number}", "unknown type")
            decoder = _TYPES[kind]
            number = self._numbers[position] = float(decoder.unpack_from(data)[0])
        if field.kind is As.VALUE:
            return None if unchanged else number * field.factor
        before, self._counted[position] = self._counted[position], (now, number)
        if unchanged and self._still[position]:
            return None
        grown = growth(before, now, number, field)
        self._still[position] = grown == 0.0
        return grown


def growth(before: tuple[float, float] | None, now: float, number: float, field: Field) -> float | Gap:
    """Return how much a counter grew a second since ``before`` (time and number), in the field's unit."""
    if before is None or number < before[1] or now <= before[0]:
        return GAP
    rate = (number - before[1]) * field.factor / (now - before[0])
    if field.kind is As.SHARE:
        return min(rate, 1.0) if rate <= _SLACK else GAP
    return rate
