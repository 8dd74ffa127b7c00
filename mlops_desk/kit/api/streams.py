"""Lines that flow for as long as somebody reads: a verb's output, and the events.

A blocking source runs in a thread of the loop; it is told to end when the reader goes away. Each
line of the answer is one JSON document, so that an error in mid-stream can be told from a line.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextvars import copy_context

import msgspec

from mlops_desk.kit.api.backlog import Backlog, Hears, Joined, Numbered, everything, mark_of
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.deltas import Teller
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records import event as events

HEARTBEAT_SECONDS = 1.5  # a fourth of the silence after which a client takes the agent for lost
_EARLY_SECONDS = 0.2  # what comes once a second comes not to the millisecond
_BUFFERED_LINES = 500  # chosen: a log that is read slower than it comes waits in the engine, not in memory
_UNNUMBERED = 0
"""A heartbeat is one listener's alone."""


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
    backlog: Backlog,
    first: Callable[[], events.Event] | None = None,
    *,
    changes: bool = False,
    every_seconds: float = 0.0,
    after: str | None = None,
    hears: Hears = everything,
) -> AsyncIterator[str]:
    """Yield ``{"kind": ..., "event": ..., "seq": ...}`` for what is announced, newest wins; in silence a heartbeat.

    With ``changes`` a sample comes as ``{"kind": "Sampled", "change": ...}``: what differs from the one before
    (``base.changes``), a tenth of its size and of the work at either end. Samples come at least ``every_seconds``
    apart, everything else at once. ``first`` gives what is told before the first event, so that nobody waits for it.
    With ``after``, what was heard last (``api.backlog``), a ``Hello`` comes first, then what was missed. Only what the
    listener ``hears`` is told.
    """
    with backlog.joined(None if after is None else mark_of(after)) as joined:
        told = _Told(backlog.epoch, joined, hears, greets=after is not None, changes=changes)

        def produce(put: Callable[[str], bool]) -> None:
            for line in told.lines(first, _Pace(every_seconds, hears), loop):
                if not put(line):
                    return

        async for line in _produced(loop, streams, "events", produce):
            yield line


class _Told:
    """What one listener is told: where it stands, what it missed, then what is announced."""

    def __init__(self, epoch: str, joined: Joined, hears: Hears, *, greets: bool, changes: bool) -> None:
        self._epoch = epoch
        self._joined = joined
        self._hears = hears
        self._greets = greets
        self._samples = Teller() if changes else None
        self._dropped = 0

    def lines(self, first: Callable[[], events.Event] | None, pace: "_Pace", loop: Loop) -> Iterator[str]:
        """Yield lines until the loop ends, or nobody listens any more."""
        joined = self._joined
        if self._greets:
            yield self._hello(joined.seq, complete=joined.complete)
        if first is not None and self._hears(newest := first()):
            yield _line(newest, self._samples)
        for one in joined.missed:
            if self._hears(one.event):
                yield _line(one.event, self._samples, one.seq)
        while not loop.ending.is_set() and not joined.mailbox.closed:
            taken = [one for one in joined.mailbox.take(HEARTBEAT_SECONDS) if isinstance(one, Numbered)]
            if self._greets and taken and joined.mailbox.dropped > self._dropped:
                self._dropped = joined.mailbox.dropped
                yield self._hello(taken[0].seq - 1, complete=False)
            for one in pace.choose(taken):
                yield _line(one.event, self._samples, one.seq or None)

    def _hello(self, seq: int, *, complete: bool) -> str:
        return _line(events.Hello(self._epoch, seq, complete, time.time()), None)


class _Pace:
    """Chooses what is told: samples not too often, and a heartbeat when there was nothing else for a while."""

    def __init__(self, every_seconds: float, hears: Hears) -> None:
        self._hears = hears
        self._every_seconds = every_seconds
        self._sample_due = 0.0
        self._told_at = float("-inf")

    def choose(self, taken: Iterable[Numbered]) -> list[Numbered]:
        """Return what of ``taken`` is to be told now. A sample that is left out is followed by another soon."""
        now = time.monotonic()
        told = [one for one in taken if self._hears(one.event) and self._is_due(one.event, now)]
        if not told and now - self._told_at >= HEARTBEAT_SECONDS - _EARLY_SECONDS:
            told = [Numbered(_UNNUMBERED, events.Heartbeat(time.time()))]
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


def _line(event: object, samples: Teller | None, seq: int | None = None) -> str:
    name = type(event).__name__
    number = {} if seq is None else {"seq": seq}
    if samples is not None and isinstance(event, events.Sampled):
        return msgspec.json.encode({"kind": name, "change": samples.tell(event), **number}).decode()
    return wire.dumps({"kind": name, "event": event, **number})


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
