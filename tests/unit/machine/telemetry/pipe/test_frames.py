"""The collector's frames: what goes in comes out, and anything else is refused."""

import io
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.kit.base.errors import Hint
from mlops_desk.machine.records.gpu import (
    AccountedProcess,
    Gpu,
    GpuProcess,
    GpuState,
    HostLoad,
    LeaseInfo,
    MigInstance,
    NvLink,
)
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.pipe.frames import BrokenStream, Frame, FrameReader, FrameWriter
from mlops_desk.machine.telemetry.source import Busy, GpuSample, HostSample

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


def encode(frame: Frame) -> bytes:
    """Return a frame as the first of a pipe."""
    return FrameWriter().encode(frame)


def read_frame(stream: io.BytesIO) -> Frame | None:
    """Return the first frame of a pipe."""
    return FrameReader(stream).read()


class Pipe:
    """Both ends; ``sizes`` are the bytes of what went through."""

    def __init__(self) -> None:
        self._data = io.BytesIO()
        self._writer, self._reader = FrameWriter(), FrameReader(self._data)
        self.sizes: list[int] = []

    def through(self, frame: Frame) -> Frame | None:
        data = self._writer.encode(frame)
        self.sizes.append(len(data))
        at = self._data.tell()
        self._data.write(data)
        self._data.seek(at)
        return self._reader.read()


def test_a_frame_arrives_as_it_was_sent() -> None:
    writer = FrameWriter()
    reader = FrameReader(io.BytesIO(writer.encode(FRAME) + writer.encode(Frame(8)) + writer.encode(FRAME)))
    assert reader.read() == FRAME
    assert reader.read() == Frame(8)
    assert reader.read() == FRAME
    assert reader.read() is None


def test_a_hint_arrives_with_its_command() -> None:
    hint = Hint("sudo modprobe nvidia", before="Load the driver: ")
    frame = Frame(1, GpuSample(1.5, (), "No driver is loaded.", hint))
    arrived = Pipe().through(frame)
    assert arrived == frame
    assert (str(arrived.gpu.hint), arrived.gpu.command) == (
        "Load the driver: sudo modprobe nvidia",
        "sudo modprobe nvidia",
    )


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
    accounting=(AccountedProcess(1, running=True),),
)


def sent(*gpus: Gpu) -> Frame:
    return Frame(1, GpuSample(1.0, gpus))


def test_what_seldom_changes_is_sent_once_and_arrives_every_time() -> None:
    pipe = Pipe()
    other = replace(LINKED, links=(replace(LINKED.links[0], state="down"),))
    unaccounted = replace(LINKED, accounting=None)
    for gpu in (LINKED, LINKED, other, other, replace(other, facts={}), LINKED, unaccounted, unaccounted):
        assert pipe.through(sent(gpu)) == sent(gpu)
    assert pipe.sizes[1] < pipe.sizes[0] / 10
    assert pipe.sizes[3] < pipe.sizes[2]
    assert pipe.through(Frame(2)) == Frame(2)


def test_a_gpu_that_was_away_has_all_when_it_is_back() -> None:
    pipe = Pipe()
    lost = Gpu("GPU-1", 0, "H100", None, GpuState.LOST)
    for gpus in ((LINKED,), (), (lost,), (LINKED,), (LINKED,)):
        assert pipe.through(sent(*gpus)) == sent(*gpus)


def test_of_the_host_only_what_changed_is_sent() -> None:
    pipe = Pipe()
    for load in (1.0, 2.0, 2.0):
        metrics = {f"system.{n}": Reading(1.0, "1") for n in range(50)} | {"system.memory.usage": Reading(load, "By")}
        frame = Frame(1, None, HostSample(load, Host("box", metrics)))
        assert pipe.through(frame) == frame
        assert pipe.through(Frame(2)) == Frame(2)  # a sign of life in between changes nothing
    assert max(pipe.sizes[1:]) < 80


_NUMBERS = st.one_of(st.none(), st.floats(-10, 10), st.integers(0, 5))
_READINGS = st.dictionaries(
    st.sampled_from(("hw.power", "hw.temperature", "hw.gpu.utilization")),
    st.builds(
        lambda value, unit: Reading(value, unit) if value is not None else Reading(None, unit, MetricState.STALE),
        _NUMBERS,
        st.sampled_from(("W", "1")),
    ),
)
_LINKS = st.lists(
    st.builds(NvLink, st.integers(0, 2), st.sampled_from(("up", "down")), metrics=_READINGS), max_size=2
).map(tuple)
_GPUS = st.builds(
    Gpu,
    uuid=st.sampled_from(("GPU-1", "GPU-2", "GPU-3")),
    index=st.just(0),
    name=st.sampled_from(("H100", "H200")),
    pci_bus_id=st.none(),
    state=st.sampled_from((GpuState.OK, GpuState.LOST)),
    metrics=_READINGS,
    processes=st.lists(st.builds(GpuProcess, st.integers(1, 3), st.just("ada"), st.none(), st.none()), max_size=2).map(
        tuple
    ),
    throttle_reasons=st.sampled_from(((), ("power cap",))),
    note=st.sampled_from((None, "slow")),
    links=_LINKS,
    mig=st.sampled_from(((), (MigInstance("one", None, "1g", 1, None, {"hw.power": Reading(1.0, "W")}),))),
)


@pytest.mark.slow
@given(st.lists(st.lists(_GPUS, max_size=3, unique_by=lambda gpu: gpu.uuid), min_size=1, max_size=6))
def test_whatever_changes_arrives(samples: list[list[Gpu]]) -> None:
    pipe = Pipe()
    for gpus in samples:
        frame = sent(*(replace(gpu, index=int(gpu.uuid[-1])) for gpu in sorted(gpus, key=lambda gpu: gpu.uuid)))
        assert pipe.through(frame) == frame


def test_a_number_that_changed_is_all_that_goes_up_the_pipe() -> None:
    writer = FrameWriter()
    first, second = (replace(LINKED, metrics={**LINKED.metrics, "hw.power": Reading(w, "W")}) for w in (70.0, 71.0))
    writer.encode(sent(first))
    told = msgspec.msgpack.decode(writer.encode(sent(second))[4:], strict=False)
    assert told == {"sequence": 1, "gpu": [1, {1: [3, {0: [1, {6: [2, {"hw.power": 71.0}, []]}]}]}]}


def test_a_change_of_what_was_never_told_breaks_the_stream() -> None:
    writer = FrameWriter()
    writer.encode(sent(LINKED))
    with pytest.raises(BrokenStream):
        read_frame(io.BytesIO(writer.encode(sent(LINKED))))


@pytest.mark.parametrize(
    "change",
    [
        {"index": 5}, {"name": "H200"}, {"pci_bus_id": "00000000:1B:00.0"}, {"state": GpuState.RESET_REQUIRED},
        {"lease": LeaseInfo("leased")}, {"note": "slow"}, {"processes_known": True}, {"facts": {"VBIOS": "97"}},
        {"peers": {"GPU-2": "SYS"}}, {"numa_node": 1}, {"cpu_affinity": "0-31"}, {"accounting": None},
        {"throttle_reasons": ("power cap",)}, {"mig": (MigInstance("one", None, "1g", 1, None),)},
        {"processes": (GpuProcess(7, "ada", "python", None, cpu_ratio=0.5, load=HostLoad(10.0, 0.5)),)},
    ],
    ids=lambda change: next(iter(change)),
)  # fmt: skip
def test_each_thing_that_changes_of_a_gpu_arrives(change: dict[str, object]) -> None:
    pipe = Pipe()
    for gpu in (LINKED, replace(LINKED, **change)):
        assert pipe.through(sent(gpu)) == sent(gpu)
