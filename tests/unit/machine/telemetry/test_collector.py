"""The collector's threads: one that hangs holds up nobody, and nothing that happened is lost before it is sent."""

import io
import os
import threading
from collections.abc import Iterator

import pytest

from mlops_desk.kit.base.loop import Finished, Loop
from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.host import Host
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.collector import Collector
from mlops_desk.machine.telemetry.pipe import outbox as module
from mlops_desk.machine.telemetry.pipe.frames import Frame, FrameReader
from mlops_desk.machine.telemetry.pipe.outbox import Outbox
from mlops_desk.machine.telemetry.source import Busy, GpuSample, HostSample, Relay, SourceLane


class Gpus:
    def __init__(self) -> None:
        self.relay = Relay()

    def read(self) -> GpuSample:
        return GpuSample(1.0, ())

    def busy(self) -> None:
        return None

    def hurry(self) -> None:
        return None


class HurriedGpus(Gpus):
    """Counts its passes, and tells in which of them it was asked to hurry."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0
        self.hurried: list[int] = []

    def read(self) -> GpuSample:
        self.relay.begin()
        self.passes += 1
        return GpuSample(float(self.passes), ())

    def hurry(self) -> None:
        self.hurried.append(self.passes)


class HostWithDeadDisk:
    """Reads well; what it asks apart never answers until the test ends."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.asked = threading.Event()
        self._untold = [DeviceEvent(1.0, "oom", "host")]

    def read(self) -> HostSample:
        events, self._untold = tuple(self._untold), []
        return HostSample(1.0, Host("box"), events=events)

    def lanes(self) -> tuple[SourceLane, ...]:
        return (SourceLane("dead", 10.0, self._hang),)

    def _hang(self) -> None:
        self.asked.set()
        self.end.wait(60)


class TwoGpus:
    """Two GPUs; the call to the second does not return until the test ends, and never again after that."""

    def __init__(self) -> None:
        self.relay = Relay()
        self.end = threading.Event()
        self.ended: list[str] = []

    def read(self) -> GpuSample:
        self.relay.begin()
        answered = []
        for index in range(2):
            if self.relay.stuck_seconds(index) is None:
                try:
                    with self.relay.inside(index):
                        answered.append(Gpu(f"GPU-{index}", index, "H100", None, GpuState.OK))
                        if index == 1:
                            self.end.wait(60)
                except Finished:
                    self.ended.append(threading.current_thread().name)
                    raise
        self.relay.check()
        return GpuSample(1.0, tuple(answered))

    def busy(self) -> Busy | None:
        seconds = self.relay.stuck_seconds(1)
        return Busy(1, "GPU-1", "nvmlX", seconds) if seconds is not None else None

    def hurry(self) -> None:
        return None


def test_a_word_of_the_agent_has_the_gpus_read_between_two_beats() -> None:
    gpus = HurriedGpus()
    lifeline, agent = os.pipe()
    reader, output = os.pipe()
    thread = Loop("test").start("collector", Collector(gpus, None, 3600.0, lifeline, output).run)
    with os.fdopen(reader, "rb") as stream:
        of_gpus = (frame for frame in iter(FrameReader(stream).read, None) if frame.gpu is not None)
        assert next(of_gpus).gpu.at == 1.0
        for number in (2.0, 3.0):
            os.write(agent, b"!!")
            assert next(of_gpus).gpu.at == number
        assert gpus.hurried == [1, 2]
        os.close(agent)
        thread.join(10)
    assert gpus.passes == 3
    os.close(output)
    os.close(lifeline)


@pytest.mark.slow
def test_while_one_gpu_hangs_the_others_go_on_and_the_thread_that_hung_ends_with_its_call() -> None:
    gpus = TwoGpus()
    lifeline, agent = os.pipe()
    reader, output = os.pipe()
    loop = Loop("test")
    thread = loop.start("collector", Collector(gpus, None, 0.1, lifeline, output).run)
    with os.fdopen(reader, "rb") as stream:
        stream_of = iter(FrameReader(stream).read, None)
        heard = [frame for _, frame in zip(range(30), stream_of, strict=False)]
        of_gpus = [frame for frame in heard if frame.gpu is not None]
        assert len(of_gpus) > 10
        assert all(len(frame.gpu.gpus) == 1 for frame in of_gpus)
        assert any(frame.busy is not None and frame.busy.index == 1 for frame in heard)
        gpus.end.set()
        both = next(frame for frame in stream_of if frame.gpu is not None and len(frame.gpu.gpus) == 2)
        assert both.busy is None
        assert len(gpus.ended) == 1
        os.close(agent)
        thread.join(10)
    os.close(output)
    os.close(lifeline)


@pytest.fixture
def frames() -> Iterator[tuple[HostWithDeadDisk, Iterator[Frame]]]:
    host = HostWithDeadDisk()
    lifeline, agent = os.pipe()
    reader, output = os.pipe()
    loop = Loop("test")
    collector = Collector(Gpus(), host, 0.1, lifeline, output)
    thread = loop.start("collector", collector.run)
    with os.fdopen(reader, "rb") as stream:
        yield host, iter(FrameReader(stream).read, None)
        host.end.set()
        os.close(agent)
        thread.join(10)
    os.close(output)
    os.close(lifeline)
    loop.stop()


@pytest.mark.slow
def test_a_lane_that_hangs_holds_up_no_sample(frames) -> None:
    host, stream = frames
    assert host.asked.wait(10)
    heard = [frame for _, frame in zip(range(50), stream, strict=False) if frame.host is not None]
    assert len(heard) > 2


def test_what_happened_before_the_start_is_told_though_the_first_sample_is_not(frames) -> None:
    _, stream = frames
    first = next(frame.host for frame in stream if frame.host is not None)
    assert [event.kind for event in first.events] == ["oom"]


class Sent:
    """An outbox at a clock of its own, and the frames that came out of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, self._output = os.pipe()
        os.set_blocking(reader, False)
        self._stream = os.fdopen(reader, "rb", buffering=0)
        self._data = io.BytesIO()
        self._reader = FrameReader(self._data)
        self.now = 100.01
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)
        self.outbox = Outbox(self._output, 1.0, lambda: None, tuple)

    def gpu(self, at: float, *events: DeviceEvent) -> None:
        self.outbox.put_gpu(GpuSample(at, (), events=events))

    def host(self, at: float, *events: DeviceEvent) -> None:
        self.outbox.put_host(HostSample(at, Host("box"), events=events))

    def frames(self) -> list[Frame]:
        found = []
        while (head := self._stream.read(4)) is not None:
            self._data.seek(0)
            self._data.truncate()
            self._data.write(head + self._stream.read(int.from_bytes(head, "little")))
            self._data.seek(0)
            frame = self._reader.read()
            assert frame is not None
            found.append(frame)
        return found

    def times(self) -> list[tuple[float | None, float | None]]:
        """Of each frame: when the GPUs and the host in it were read."""
        return [(frame.gpu and frame.gpu.at, frame.host and frame.host.at) for frame in self.frames()]

    def close(self) -> None:
        self._stream.close()
        os.close(self._output)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sent]:
    made = Sent(monkeypatch)
    yield made
    made.close()


def test_what_ticks_together_goes_together_whoever_is_first(sent: Sent) -> None:
    sent.host(0.0)
    sent.gpu(0.0)
    assert sent.times() == [(None, 0.0), (0.0, None)]  # the very first is waited for by nobody
    for second in range(1, 5):
        sent.now = 100.01 + second
        halves = [sent.gpu, sent.host] if second % 2 else [sent.host, sent.gpu]
        halves[0](float(second))
        assert sent.times() == []
        sent.now += 0.6  # a slow driver: its half of the tick is still the other's
        halves[1](float(second))
        assert sent.times() == [(float(second), float(second))]


def test_a_source_that_does_not_keep_pace_is_not_waited_for(sent: Sent) -> None:
    sent.host(0.0)
    sent.gpu(0.0)
    sent.frames()
    sent.now += 1.0
    sent.host(1.0)
    assert sent.times() == []
    sent.outbox.send()  # the next sign of life takes it along
    assert sent.times() == [(None, 1.0)]
    for second in (2.0, 3.0):
        sent.now += 1.0
        sent.host(second)
        assert sent.times() == [(None, second)]
    sent.now += 0.5
    sent.gpu(3.5)
    assert sent.times() == [(3.5, None)]


def test_what_happened_in_a_sample_that_was_not_sent_goes_with_the_next(sent: Sent) -> None:
    sent.host(0.0)
    sent.gpu(0.0)
    sent.frames()
    sent.now += 1.0
    events = [DeviceEvent(float(n), "oom", "host") for n in range(3)]
    for event in events:
        sent.gpu(event.at, event)
    sent.host(1.0)
    (frame,) = sent.frames()
    assert frame.gpu is not None
    assert frame.gpu.events == tuple(events)
    assert frame.gpu.at == 2.0
    sent.now += 1.0
    sent.gpu(3.0)
    sent.host(3.0)
    assert sent.times() == [(3.0, 3.0)]
