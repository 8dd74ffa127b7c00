"""What repeats and what is queued, in one thread: the keeper waits for whatever is next and does it.

A call may hang, and must not hold up the others. So a second thread stands by, asleep in the kernel: an alarm that the
keeper sets before each piece of work, and takes back after it, wakes it only where a piece takes long. It is the keeper
then. The thread that was relieved ends with what it is doing. Work that repeats falls on a grid of whole seconds, so
that what is due in the same second costs one wake-up.
"""

import ctypes
import logging
import math
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import Context
from heapq import heappop, heappush

_log = logging.getLogger(__name__)
PATIENCE_SECONDS = 0.05
"""Chosen: so long a piece of work may hold up the others. Nearly all take less than a millisecond."""
_GRID_SECONDS = 1.0  # chosen: what repeats seldom need not be on time to the second
_PHASE_SECONDS = 0.5
"""The collector reads at whole seconds, and the agent has what it read to do then."""
_NANOSECONDS = 1_000_000_000  # a second
_SOONEST_SECONDS = 1e-9
"""For timerfd 0 means never."""
_MONOTONIC, _CLOEXEC = 1, 0o2000000
"""Of <time.h> and <sys/timerfd.h>."""

Guarded = Callable[[str, Callable[[], object]], bool]
"""Does a piece of work, logs what it raises, and tells whether it may be done again."""
Pause = float | Callable[[], float]


class Bell:
    """Has a piece of work that repeats done between two times; what rings before it repeats is heard then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ring: Callable[[], None] | None = None
        self._rang = False

    def ring(self) -> None:
        """Have it done soon, once, however often this is called until then."""
        with self._lock:
            ring, self._rang = self._ring, self._ring is None
        if ring is not None:
            ring()

    def hang(self, ring: Callable[[], None]) -> None:
        """Call ``ring``, which must not block, whenever the bell rings from now on."""
        with self._lock:
            self._ring, rang, self._rang = ring, self._rang, False
        if rang:
            ring()


class TimedWork:
    """A piece of work that is done again and again, never twice at a time."""

    __slots__ = ("due", "ideal", "is_over", "is_queued", "is_running", "name", "pause", "rung", "seconds", "work")

    def __init__(self, name: str, work: Callable[[], object], pause: Pause = math.inf) -> None:
        self.name = name
        self.work = work
        self.pause = pause
        self.seconds = _GRID_SECONDS if callable(pause) else pause
        self.ideal = self.due = math.inf
        self.is_running = self.is_queued = self.is_over = self.rung = False

    def once(self) -> None:
        """Do it, and ask how long to pause; what fails is done again after the pause before."""
        self.work()
        if callable(self.pause):
            self.seconds = self.pause()

    def begin(self, now: float, *, at_once: bool) -> None:
        """Have it due for the first time: ``at_once``, or after the first pause."""
        self.ideal = self.due = now
        if not at_once:
            if callable(self.pause):
                self.seconds = self.pause()
            self.go_on(now)

    def go_on(self, now: float) -> None:
        """Have it due once more after the pause; what took too long leaves times out, and shifts none."""
        self.ideal = now + self.seconds if callable(self.pause) else max(self.ideal + self.seconds, now)
        self.due = _on_the_grid(self.ideal) if self.seconds >= _GRID_SECONDS else self.ideal
        if self.due <= now and self.seconds >= _GRID_SECONDS:
            self.due += _GRID_SECONDS


class Timer:
    """``start`` starts a thread of a name, ``do`` does a piece of work; nothing is begun once ``ending`` is set."""

    def __init__(
        self, name: str, ending: threading.Event, start: Callable[[str, Callable[[], None]], object], do: Guarded
    ) -> None:
        self._name = name
        self._ending = ending
        self._start = start
        self._do = do
        self._lock = threading.Lock()
        self._heap: list[tuple[float, int, TimedWork]] = []
        self._count = 0
        self._ready: deque[TimedWork] = deque()
        self._keeper: int | None = None
        self._stands_by = True
        self._threads = 0
        self._waits_until = -math.inf
        self._busy_since: float | None = None
        self._poll = select.epoll()
        self._poke = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._poll.register(self._poke, select.EPOLLIN)
        self._alarm = _Alarm()
        self._is_closed = False

    def repeat(self, turn: TimedWork, *, at_once: bool) -> None:
        """Do a piece of work whenever it is due."""
        with self._lock:
            turn.begin(time.monotonic(), at_once=at_once)
            self._push(turn)
            self._begin()

    def ring(self, turn: TimedWork) -> None:
        """Have a piece of work done once more as soon as may be; who is at it does it again."""
        with self._lock:
            if turn.is_running:
                turn.rung = True
            elif not (turn.is_queued or turn.is_over):
                self._queue(turn)
                self._begin()

    def stop(self) -> None:
        """Wake both threads: the loop ends."""
        with self._lock:
            if not self._threads:
                self._close()
            elif not self._is_closed:
                os.eventfd_write(self._poke, 1)
                self._alarm.set(_SOONEST_SECONDS)

    def _begin(self) -> None:
        """Start the two threads with the first piece of work; with the lock."""
        if not self._threads and not self._ending.is_set():
            self._threads = 2
            self._start("timer", lambda: self._serve(stands_by=False))
            self._start("timer-2", lambda: self._serve(stands_by=True))

    def _push(self, turn: TimedWork) -> None:
        self._count += 1
        heappush(self._heap, (turn.due, self._count, turn))
        self._wake(turn.due)

    def _queue(self, turn: TimedWork) -> None:
        turn.is_queued = True
        self._ready.append(turn)
        self._wake(-math.inf)

    def _wake(self, due: float) -> None:
        """Wake the keeper where it waits for something later; with the lock."""
        if due < self._waits_until and not self._is_closed:
            self._waits_until = -math.inf
            os.eventfd_write(self._poke, 1)

    # -- the threads ---------------------------------------------------------------------------

    def _serve(self, *, stands_by: bool) -> None:
        goes_on = True
        while goes_on:
            goes_on = (not stands_by or self._stand_by()) and self._keep()
            stands_by = True
        with self._lock:
            self._threads -= 1
            if not self._threads:  # else a call that hangs may still return
                self._close()

    def _close(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._poll.close()
            os.close(self._poke)
            self._alarm.close()

    def _keep(self) -> bool:
        """Do what is due until another thread is the keeper; tell whether this one has to stand by then."""
        me = threading.get_ident()
        with self._lock:
            self._keeper = me
        while not self._ending.is_set():
            with self._lock:
                if self._keeper != me:
                    stood_by, self._stands_by = self._stands_by, True
                    return not stood_by
                turn = self._next()
            if turn is None:
                self._listen()
            else:
                self._run(turn, me)
        return False

    def _next(self) -> TimedWork | None:
        """Return what is to be done now; else note how long to wait. With the lock."""
        now = time.monotonic()
        while self._heap and self._heap[0][0] <= now:
            due, _, turn = heappop(self._heap)
            if due != turn.due or turn.is_over:
                continue  # it was put off, or is done no more
            turn.due = math.inf
            if not (turn.is_running or turn.is_queued):
                self._queue(turn)
        if self._ready:
            turn = self._ready.popleft()
            turn.is_queued, turn.is_running = False, True
            self._busy_since = now
            self._alarm.set(PATIENCE_SECONDS)
            return turn
        if self._busy_since is not None:
            self._busy_since = None
            self._alarm.set(0.0)
        self._waits_until = self._heap[0][0] if self._heap else math.inf
        return None

    def _listen(self) -> None:
        """Wait for what is due next, and for who has something new."""
        left = self._waits_until - time.monotonic()
        is_poked = self._poll.poll(None if left == math.inf else max(0.0, left))
        with self._lock:
            self._waits_until = -math.inf
            if is_poked:
                os.eventfd_read(self._poke)

    def _run(self, turn: TimedWork, me: int) -> None:
        thread = threading.current_thread()
        name, thread.name = thread.name, f"{self._name}-{turn.name}"
        goes_on = Context().run(self._do, turn.name, turn.once)
        thread.name = name
        with self._lock:
            turn.is_running = False
            if self._keeper == me:
                self._busy_since = time.monotonic()
            if not goes_on:
                turn.is_over = True
                return
            if turn.rung:
                turn.rung = False
                self._queue(turn)
            if callable(turn.pause) or (turn.due == math.inf and turn.seconds != math.inf):
                turn.go_on(time.monotonic())
                self._push(turn)

    def _stand_by(self) -> bool:
        """Wait until the keeper takes long over something; True when this thread is to take its place."""
        while not self._ending.is_set():
            self._alarm.wait()
            with self._lock:
                since = self._busy_since
                if since is None or time.monotonic() - since < PATIENCE_SECONDS / 2 or self._ending.is_set():
                    continue  # it has got on in the last moment
                self._keeper, self._busy_since = threading.get_ident(), None
                self._threads += 1
            try:
                self._start("timer", lambda: self._serve(stands_by=True))
            except RuntimeError:  # the system gives no more threads: who was relieved stands by when it is back
                _log.warning("No thread can be started to stand by")
                with self._lock:
                    self._threads -= 1
                    self._stands_by = False
            return True
        return False


class _Alarm:
    """A timer of the kernel (timerfd), which Python has from 3.13 on."""

    def __init__(self) -> None:
        library = ctypes.PyDLL(None, use_errno=True)  # both calls take a microsecond: nobody else needs to have a turn
        self._descriptor = library.timerfd_create(_MONOTONIC, _CLOEXEC)
        if self._descriptor < 0:
            raise OSError(ctypes.get_errno(), "The kernel gives no timer")
        self._set = library.timerfd_settime

    def set(self, seconds: float) -> None:
        """Ring after so long; 0: not at all."""
        whole, rest = divmod(seconds, 1.0)
        when = (ctypes.c_long * 4)(0, 0, int(whole), math.ceil(rest * _NANOSECONDS))
        self._set(self._descriptor, 0, when, None)

    def wait(self) -> None:
        """Wait until it rings."""
        os.read(self._descriptor, 8)

    def close(self) -> None:
        os.close(self._descriptor)


def _on_the_grid(moment: float) -> float:
    """Return the moment of the grid that is nearest."""
    return math.floor((moment - _PHASE_SECONDS) / _GRID_SECONDS + 0.5) * _GRID_SECONDS + _PHASE_SECONDS
