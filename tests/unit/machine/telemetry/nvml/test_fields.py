"""Batched fields: what is new, what a counter becomes, and what errors, resets and garbage become."""

import struct
from collections.abc import Callable

import pynvml
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.machine.telemetry.nvml.fields import GAP, As, DriverField, FieldReader, growth
from mlops_desk.machine.telemetry.nvml.nvml_library import ErrorKind, NvmlError

POWER = DriverField(185, "hw.power", 1e-3)
LOST = DriverField(74, "hw.gpu.throttle.power_cap", 1e-9, As.SHARE)
TRAFFIC = DriverField(138, "hw.gpu.nvlink.transmit", 1024.0, As.RATE)
OK, NA, UNKNOWN_FIELD, NO_PERMISSION = 0, 3, 2, 4
UNSIGNED, LONG = 1, 3


class Device:
    """A GPU whose fields say what they are told to: (type, error, number) by field."""

    def __init__(self) -> None:
        self.says: dict[int, tuple[int, int, int]] = {}
        self.fails = 0
        self.asked: list[list[int]] = []

    def invoke(self, name: str, count: object, buffer: object) -> None:
        if self.fails:
            raise NvmlError.of(self.fails, name)
        self.asked.append([record.fieldId for record in buffer[: count.value]])
        for record in buffer[: count.value]:
            kind, code, number = self.says[record.fieldId]
            record.valueType, record.nvmlReturn = kind, code
            record.value = pynvml.c_nvmlValue_t.from_buffer_copy(struct.pack("<Q", number))


@pytest.fixture
def device() -> Device:
    made = Device()
    made.says = {185: (UNSIGNED, OK, 211_000), 74: (LONG, OK, 5_000_000_000), 138: (LONG, OK, 1000)}
    return made


def reader(device: Device, *fields: DriverField) -> Callable[[float], dict[str, object]]:
    return FieldReader(device, fields).read


def test_what_did_not_change_is_left_out(device: Device) -> None:
    read = reader(device, POWER)
    assert read(1.0) == {"hw.power": pytest.approx(211.0)}
    assert read(2.0) == {}
    device.says[185] = (UNSIGNED, OK, 212_000)
    assert read(3.0) == {"hw.power": pytest.approx(212.0)}


def test_a_counter_needs_two_readings_and_begins_anew_with_a_gap(device: Device) -> None:
    read = reader(device, LOST, TRAFFIC)
    assert read(1.0) == {LOST.name: GAP, TRAFFIC.name: GAP}
    device.says |= {74: (LONG, OK, 5_250_000_000), 138: (LONG, OK, 3000)}
    assert read(2.0) == {LOST.name: pytest.approx(0.25), TRAFFIC.name: pytest.approx(2000 * 1024.0)}
    device.says |= {74: (LONG, OK, 10), 138: (LONG, OK, 0)}
    assert read(3.0) == {LOST.name: GAP, TRAFFIC.name: GAP}
    device.says |= {74: (LONG, OK, 10), 138: (LONG, OK, 1)}
    assert read(4.0) == {LOST.name: 0.0, TRAFFIC.name: pytest.approx(1024.0)}


def test_a_counter_that_stood_still_is_zero_once_and_then_measured_since_the_last_tick(device: Device) -> None:
    read = reader(device, LOST)
    read(1.0)
    assert read(2.0) == {LOST.name: 0.0}
    assert read(3.0) == {}
    device.says[74] = (LONG, OK, 5_500_000_000)
    assert read(4.0) == {LOST.name: pytest.approx(0.5)}


def test_a_call_that_failed_makes_everything_new(device: Device) -> None:
    read = reader(device, POWER, LOST)
    read(1.0)
    device.fails = NO_PERMISSION
    with pytest.raises(NvmlError):
        read(2.0)
    device.fails = 0
    assert read(3.0) == {"hw.power": pytest.approx(211.0), LOST.name: GAP}


@pytest.mark.parametrize(("code", "kind"), [(NA, ErrorKind.NOT_SUPPORTED), (UNKNOWN_FIELD, ErrorKind.NOT_IN_DRIVER)])
def test_what_a_gpu_cannot_say_is_left_out_and_asked_again_after_a_while(
    device: Device, code: int, kind: ErrorKind
) -> None:
    device.says[74] = (LONG, code, 0)
    read = reader(device, POWER, LOST)
    answer = read(1.0)[LOST.name]
    assert isinstance(answer, NvmlError)
    assert answer.kind is kind
    read(2.0)
    device.says[74] = (LONG, OK, 0)
    assert read(70.0) == {LOST.name: GAP}
    assert device.asked == [[185, 74], [185], [185, 74]]


def test_an_error_for_now_is_asked_again_at_once(device: Device) -> None:
    device.says[185] = (UNSIGNED, NO_PERMISSION, 0)
    read = reader(device, POWER)
    read(1.0)
    device.says[185] = (UNSIGNED, OK, 1000)
    assert read(2.0) == {"hw.power": 1.0}


def test_a_value_of_a_type_that_nobody_knows_is_an_error(device: Device) -> None:
    device.says[185] = (77, OK, 5)
    assert isinstance(reader(device, POWER)(1.0)["hw.power"], NvmlError)


numbers = st.integers(0, (1 << 64) - 1).map(float)


@given(st.floats(0, 1e6), numbers, st.floats(0, 1e6), numbers)
def test_no_share_of_time_is_negative_or_above_one(before: float, low: float, now: float, high: float) -> None:
    share = growth((before, low), now, high, LOST)
    assert share is GAP or 0.0 <= share <= 1.0
    rate = growth((before, low), now, high, TRAFFIC)
    assert rate is GAP or rate >= 0.0


@pytest.mark.parametrize(
    ("causes", "rate", "share"), [(1, 1.2, 1.0), (1, 2.0, GAP), (2, 2.0, 1.0), (2, 0.4, 0.4), (2, 3.0, GAP)]
)
def test_a_share_that_adds_causes_up_may_grow_faster_than_the_clock(causes: int, rate: float, share: object) -> None:
    field = DriverField(75, "hw.gpu.throttle.thermal", 1e-9, As.SHARE, causes=causes)
    found = growth((10.0, 5e9), 11.0, 5e9 + rate * 1e9, field)
    assert found == (share if share is GAP else pytest.approx(share))
