"""The collector's frames: what goes in comes out, and anything else is refused."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Gpu, GpuProcess, GpuState, Host
from mlops_desk.telemetry.frames import BrokenStream, Frame, encode, read_frame
from mlops_desk.telemetry.source import Busy, GpuSample, HostSample

FRAME = Frame(
    7,
    GpuSample(
        1.5,
        (
            Gpu(
                "GPU-1",
                0,
                "H100",
                None,
                GpuState.OK,
                metrics={"hw.power": Reading(70.0, "W"), "hw.fan.speed_ratio": Reading(None, "1", MetricState.LOST)},
                processes=(GpuProcess(1, "ada", "python", None),),
                throttle_reasons=("power cap",),
            ),
        ),
    ),
    HostSample(1.5, Host("box", {"system.memory.usage": Reading(1.0, "By")})),
    Busy(3, "GPU-1", "nvmlDeviceGetFanSpeed", 0.5),
)


def test_a_frame_arrives_as_it_was_sent() -> None:
    stream = io.BytesIO(encode(FRAME) + encode(Frame(8)))
    assert read_frame(stream) == FRAME
    assert read_frame(stream) == Frame(8)
    assert read_frame(stream) is None


@given(st.integers(0, len(encode(FRAME)) - 1))
def test_a_cut_stream_is_its_end(length: int) -> None:
    assert read_frame(io.BytesIO(encode(FRAME)[:length])) is None


@given(st.binary(max_size=300))
def test_garbage_never_becomes_anything_but_a_frame(garbage: bytes) -> None:
    try:
        frame = read_frame(io.BytesIO(garbage))
    except BrokenStream:
        return
    assert frame is None or isinstance(frame, Frame)


def test_an_endless_frame_is_refused() -> None:
    with pytest.raises(BrokenStream):
        read_frame(io.BytesIO(b"\xff\xff\xff\xff" + b"x" * 100))


def test_a_reading_that_claims_a_value_it_has_not_is_refused() -> None:
    sent = encode(FRAME).replace(b"\xa2ok", b"\xa4lost", 1)
    length = len(sent) - 4
    with pytest.raises(BrokenStream):
        read_frame(io.BytesIO(length.to_bytes(4, "little") + sent[4:].replace(b"\xa2ok", b"\xa4lost")))
