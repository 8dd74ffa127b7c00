"""Lines that flow for as long as somebody reads: a verb's output, and the events.

A blocking source runs in a thread of the loop; it is told to end when the reader goes away. Each
line of the answer is one JSON document, so that an error in mid-stream can be told from a line.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from contextvars import copy_context

import msgspec

from mlops_desk.base import wire
from mlops_desk.base.bus import Bus, Mailbox
from mlops_desk.base.changes import Teller
from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop
from mlops_desk.records import event as events

HEARTBEAT_SECONDS = 1.5  # a fourth of the silence after which a client takes the agent for lost
_EARLY_SECONDS = 0.2  # what comes once a second comes not to the millisecond
_BUFFERED_LINES = 500  # chosen: a log that is read slower than it comes waits in the engine, not in memory


class Streams:
    """The streams that are open. ``end`` closes them in good order, as a server must before it goes."""

    def __init__(self) -> None:
        self._ends: set[Callable[[], None]] = set()

    def end(self) -> None:
        """Let every stream end after what it has told; safe from any thread and from a signal handler."""
        for end in tuple(self._ends):
            end()

    @contextlib.contextmanager
    def open(self, end: Callable[[], None]) -> Iterator[None]:
        """Count a stream as open; ``end`` is called when it is to end."""
        self._ends.add(end)
        try:
            yield
        finally:
            self._ends.discard(end)


async def verb_lines(loop: Loop, streams: Streams, name: str, source: Iterator[str]) -> AsyncIterator[str]:
    """Yield ``{"line": ...}`` for each line of ``source``, and a last ``{"error": ...}`` if it raises."""

    def produce(put: Callable[[str], bool]) -> None:
        try:
            for line in source:
                if not put(wire.dumps({"line": line})):
                    return
        except DeskError as error:
            put(wire.dumps(error.told()))
        finally:
            close = getattr(source, "close", None)
            if close is not None:
                close()

    async for line in _produced(loop, streams, name, produce):
        yield line


async def event_lines(
    loop: Loop,
    streams: Streams,
    bus: Bus,
    first: Callable[[], object] | None = None,
    *,
    changes: bool = False,
    every_seconds: float = 0.0,
) -> AsyncIterator[str]:
    """Yield ``{"kind": ..., "event": ...}`` for what the bus tells, newest wins, with a heartbeat in silence.

    With ``changes`` a sample comes as ``{"kind": "Sampled", "change": ...}``: what differs from the one before
    (``base.changes``), a tenth of its size and of the work at either end. Samples come at least ``every_seconds``
    apart, everything else at once. ``first`` gives what is told before the first event, so that nobody waits for it.
    """
    mailbox = Mailbox(latest_key)
    samples = Teller() if changes else None
    unsubscribe = bus.subscribe(object, mailbox.put)

    def produce(put: Callable[[str], bool]) -> None:
        pace = _Pace(every_seconds)
        if first is not None and not put(_line(first(), samples)):
            return
        while not loop.ending.is_set() and not mailbox.closed:
            for event in pace.choose(mailbox.take(HEARTBEAT_SECONDS)):
                if not put(_line(event, samples)):
                    return

    try:
        async for line in _produced(loop, streams, "events", produce):
            yield line
    finally:
        unsubscribe()
        mailbox.close()


class _Pace:
    """Chooses what is told: samples not too often, and a heartbeat when there was nothing else for a while."""

    def __init__(self, every_seconds: float) -> None:
        self._every_seconds = every_seconds
        self._sample_due = 0.0
        self._told_at = float("-inf")

    def choose(self, taken: Iterable[object]) -> list[object]:
        """Return what of ``taken`` is to be told now. A sample that is left out is followed by another soon."""
        now = time.monotonic()
        told = [event for event in taken if type(event).__name__ in events.EVENTS and self._is_due(event, now)]
        if not told and now - self._told_at >= HEARTBEAT_SECONDS - _EARLY_SECONDS:
            told = [events.Heartbeat(time.time())]
        if told:
            self._told_at = now
        return told

    def _is_due(self, event: object, now: float) -> bool:
        if not isinstance(event, events.Sampled):
            return True
        if now < self._sample_due:
            return False
        self._sample_due = now + self._every_seconds - _EARLY_SECONDS
        return True


def _line(event: object, samples: Teller | None) -> str:
    name = type(event).__name__
    if samples is not None and isinstance(event, events.Sampled):
        return msgspec.json.encode({"kind": name, "change": samples.tell(event)}).decode()
    return wire.dumps({"kind": name, "event": event})


def latest_key(event: object) -> Hashable | None:
    """Return what an event is the newest state of, or None when each one counts."""
    return event.key if isinstance(event, events.Announcement) else None


async def _produced(
    loop: Loop, streams: Streams, name: str, produce: Callable[[Callable[[str], bool]], None]
) -> AsyncIterator[str]:
    running = asyncio.get_running_loop()
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    gone = threading.Event()
    room = threading.Semaphore(_BUFFERED_LINES)

    def hand_over(item: str | None) -> None:
        with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody reads any more
            running.call_soon_threadsafe(queue.put_nowait, item)

    def put(line: str) -> bool:
        while not room.acquire(timeout=0.5):
            if gone.is_set() or loop.ending.is_set():
                return False
        if gone.is_set():
            return False
        hand_over(line + "\n")
        return True

    def work() -> None:
        try:
            produce(put)
        finally:
            hand_over(None)

    # The source runs as whoever asked for it.
    context = copy_context()
    loop.start(name, lambda: context.run(work))
    try:
        with streams.open(lambda: hand_over(None)):
            while (line := await queue.get()) is not None:
                room.release()
                yield line
    finally:
        gone.set()
