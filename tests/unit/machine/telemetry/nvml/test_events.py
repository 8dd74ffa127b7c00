"""What the driver reports by itself: heard once, folded in a storm, never at the cost of the others."""

import time
from collections.abc import Callable, Iterator, Mapping
from queue import Empty, SimpleQueue

import pytest

from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.incident import DeviceEvent
from mlops_desk.machine.telemetry.nvml.events import EventListener, Raw
from mlops_desk.machine.telemetry.nvml.nvml_library import NvmlError

LOST, CLOSED = 15, 1


class Source:
    """Event sets that tell what is put into ``queue``; ``fails`` is the error of every wait."""

    def __init__(self) -> None:
        self.queue: SimpleQueue[Raw] = SimpleQueue()
        self.fails = 0
        self.listening: list[tuple[str, ...]] = []
        self.open = 0
        self.untold: list[Raw] = []

    def watch(self) -> None:
        self.untold.clear()

    def leave(self) -> list[Raw]:
        return self.untold

    def listen(self, devices: Mapping[str, object]) -> "Source":
        self.listening.append(tuple(devices))
        self.open += 1
        return self

    def wait(self, seconds: float) -> Raw | None:
        if self.fails:
            raise NvmlError.of(self.fails, "nvmlEventSetWait_v2")
        try:
            return self.queue.get(timeout=min(seconds, 0.02))
        except Empty:
            return None

    def close(self) -> None:
        self.open -= 1


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def listener(source: Source) -> Iterator[EventListener]:
    loop = Loop("test")
    made = EventListener(source)
    made.start(loop)
    yield made
    made.rest()
    assert loop.stop(3.0) == []


def until(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 20
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def drained(listener: EventListener, enough: Callable[[list[DeviceEvent]], bool]) -> list[DeviceEvent]:
    heard: list[DeviceEvent] = []

    def look() -> bool:
        heard.extend(listener.take())
        return enough(heard)

    until(look)
    return heard


def test_each_event_is_handed_out_once(source: Source, listener: EventListener) -> None:
    listener.follow({"GPU-a": 1})
    source.queue.put(Raw("GPU-a", "xid", 48))
    source.queue.put(Raw("GPU-a", "ecc", None, "uncorrected memory error"))
    heard = drained(listener, lambda heard: len(heard) == 2)
    assert [(event.kind, event.device, event.code) for event in heard] == [
        ("xid", "GPU-a", 48),
        ("ecc", "GPU-a", None),
    ]
    assert listener.take() == ()


@pytest.mark.slow
def test_a_storm_is_one_entry_with_a_count_and_hides_no_other(source: Source, listener: EventListener) -> None:
    for _ in range(500):
        source.queue.put(Raw("GPU-a", "xid", 31))
    source.queue.put(Raw("GPU-b", "xid", 79))
    listener.follow({"GPU-a": 1, "GPU-b": 2})
    until(source.queue.empty)
    heard = drained(listener, lambda heard: any(event.code == 79 for event in heard))
    assert sum(event.count for event in heard if event.code == 31) == 500
    assert len(heard) < 30


@pytest.mark.slow
def test_countless_kinds_of_events_take_no_more_memory_than_some(source: Source, listener: EventListener) -> None:
    for code in range(1000):
        source.queue.put(Raw("GPU-a", "xid", code))
    listener.follow({"GPU-a": 1})
    until(source.queue.empty)
    heard = listener.take()
    assert heard[0].code == 0
    assert len(heard) <= 256


def test_other_gpus_are_listened_to_as_soon_as_they_are_wanted(source: Source, listener: EventListener) -> None:
    listener.follow({"GPU-a": 1})
    until(lambda: source.listening)
    listener.follow({"GPU-a": 1, "GPU-b": 2})
    until(lambda: len(source.listening) == 2)
    assert source.listening == [("GPU-a",), ("GPU-a", "GPU-b")]
    listener.follow({"GPU-a": 1, "GPU-b": 2})
    source.queue.put(Raw("GPU-b", "xid", 1))
    drained(listener, lambda heard: len(heard) == 1)
    assert len(source.listening) == 2


def test_a_set_that_fails_is_tried_again_after_a_pause_or_with_other_gpus_at_once(
    source: Source, listener: EventListener
) -> None:
    source.fails = LOST
    listener.follow({"GPU-a": 1, "GPU-b": 2})
    until(lambda: source.listening)
    time.sleep(0.05)
    assert len(source.listening) == 1, "it must not be tried without a pause"
    source.fails = 0
    listener.follow({"GPU-b": 2})
    source.queue.put(Raw("GPU-b", "xid", 94))
    assert drained(listener, bool)[0].code == 94


def test_at_rest_the_library_is_left_alone(source: Source, listener: EventListener) -> None:
    listener.follow({"GPU-a": 1})
    until(lambda: source.open)
    listener.rest()
    assert source.open == 0


def test_that_a_driver_was_bound_is_said_once_and_heard_also_at_the_last_moment(
    source: Source, listener: EventListener
) -> None:
    assert not listener.rebound()
    listener.follow({"GPU-a": 1})
    source.queue.put(Raw(None, "bind", 0x1B00))
    drained(listener, bool)
    assert listener.rebound()
    assert not listener.rebound()
    source.untold = [Raw(None, "unbind", 0x1B00)]
    listener.rest()
    assert [(event.kind, event.code) for event in listener.take()] == [("unbind", 0x1B00)]
    assert listener.rebound()


def test_a_bug_in_one_turn_does_not_end_the_listening(
    source: Source, listener: EventListener, caplog: pytest.LogCaptureFixture
) -> None:
    source.queue.put("no event")
    listener.follow({"GPU-a": 1})
    until(lambda: "gpu-events failed" in caplog.text)
    source.queue.put(Raw("GPU-a", "xid", 13))
    assert drained(listener, bool)[0].code == 13


def test_what_a_lost_gpu_has_told_already_is_heard_though_it_is_followed_no_more(
    source: Source, listener: EventListener
) -> None:
    told = [Raw("GPU-0", "xid", code) for code in (79, 154, 45)]

    def wait(_seconds: float) -> Raw | None:
        if not told or len(source.listening) > 1:  # a set is forgotten with what it had to tell
            time.sleep(0.005)
            return None
        if len(told) == 3:
            listener.follow({"GPU-1": object()})  # as the pass that found the GPU lost does, at the same moment
        return told.pop(0)

    source.wait = wait
    listener.follow({"GPU-0": object()})
    heard = drained(listener, lambda events: len(events) == 3)
    assert [event.code for event in heard] == [79, 154, 45]
    until(lambda: source.listening == [("GPU-0",), ("GPU-1",)])
