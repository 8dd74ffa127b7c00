"""The collector's frames: what goes in comes out, and anything else is refused."""

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.records.status import Gpu, GpuProcess, GpuState, Host, NvLink
from mlops_desk.telemetry.frames import BrokenStream, Frame, encode, read_frame
from mlops_desk.telemetry.source import Busy, GpuSample, HostSample
from mlops_desk.telemetry.thinning import Restorer, Thinner

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


LINKED = replace(
    FRAME.gpu.gpus[0],
    facts={"VBIOS": "96"},
    links=(NvLink(0, "up", "4.0", "switch", {"hw.gpu.nvlink.errors.crc": Reading(0.0, "1")}),),
    peers={"GPU-2": "NV18"},
)


def sent(*gpus: Gpu) -> Frame:
    return Frame(1, GpuSample(1.0, gpus))


def test_what_seldom_changes_is_sent_once_and_arrives_every_time() -> None:
    thinner, restorer = Thinner(), Restorer()
    other = replace(LINKED, links=(replace(LINKED.links[0], state="down"),))
    sizes = []
    for gpu in (LINKED, LINKED, other, other, replace(other, facts={}), LINKED):
        data = encode(thinner.thin(sent(gpu)))
        sizes.append(len(data))
        frame = read_frame(io.BytesIO(data))
        assert frame is not None
        assert restorer.restore(frame) == sent(gpu)
    assert sizes[1] < sizes[0]
    assert sizes[3] < sizes[2]
    assert thinner.thin(Frame(2)) == restorer.restore(Frame(2)) == Frame(2)


def test_a_gpu_that_was_away_has_all_when_it_is_back() -> None:
    thinner, restorer = Thinner(), Restorer()
    lost = Gpu("GPU-1", 0, "H100", None, GpuState.LOST)
    for gpus in ((LINKED,), (), (lost,), (LINKED,), (LINKED,)):
        assert restorer.restore(thinner.thin(sent(*gpus))) == sent(*gpus)
