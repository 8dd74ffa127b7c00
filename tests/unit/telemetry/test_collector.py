"""The collector's threads: one that hangs holds up nobody, and nothing that happened is lost before it is sent."""

import os
import threading
from collections.abc import Iterator

import pytest

from mlops_desk.base.loop import Loop
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.records.status import Host
from mlops_desk.telemetry.collector import Collector, _Slots
from mlops_desk.telemetry.frames import Frame, read_frame
from mlops_desk.telemetry.source import GpuSample, HostSample, Lane


class Gpus:
    def read(self) -> GpuSample:
        return GpuSample(1.0, ())

    def busy(self) -> None:
        return None


class HostWithDeadDisk:
    """Reads well; what it asks apart never answers until the test ends."""

    def __init__(self) -> None:
        self.end = threading.Event()
        self.asked = threading.Event()

    def read(self) -> HostSample:
        return HostSample(1.0, Host("box"))

    def lanes(self) -> tuple[Lane, ...]:
        return (Lane("dead", 10.0, self._hang),)

    def _hang(self) -> None:
        self.asked.set()
        self.end.wait(60)


@pytest.fixture
def frames() -> Iterator[tuple[HostWithDeadDisk, Iterator[Frame]]]:
    host = HostWithDeadDisk()
    lifeline, agent = os.pipe()
    reader, output = os.pipe()
    loop = Loop("test")
    collector = Collector(Gpus(), host, 0.1, lifeline, output)
    thread = loop.start("collector", collector.run)
    with os.fdopen(reader, "rb") as stream:
        yield host, iter(lambda: read_frame(stream), None)
        host.end.set()
        os.close(agent)
        thread.join(10)
    os.close(output)
    os.close(lifeline)
    loop.stop()


def test_a_lane_that_hangs_holds_up_no_sample(frames) -> None:
    host, stream = frames
    assert host.asked.wait(10)
    heard = [frame for _, frame in zip(range(50), stream, strict=False) if frame.host is not None]
    assert len(heard) > 2


def test_what_happened_in_a_sample_that_was_not_sent_goes_with_the_next() -> None:
    slots = _Slots()
    events = [DeviceEvent(float(n), "oom", "host") for n in range(3)]
    for event in events:
        slots.put_host(HostSample(event.at, Host("box"), events=(event,)))
        slots.put_gpu(GpuSample(event.at, (), events=(event,)))
    gpu, host = slots.take()
    assert gpu is not None
    assert host is not None
    assert gpu.events == host.events == tuple(events)
    assert host.at == 2.0
    slots.put_host(HostSample(3.0, Host("box")))
    assert slots.take()[1] == HostSample(3.0, Host("box"))
