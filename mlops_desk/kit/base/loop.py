"""The only place that starts threads: named, daemonic, counted, and asked to end together.

What repeats or is queued shares one thread (``timer.py``); what hangs has it for itself, while it hangs.
A thread that hangs in a foreign call can't be killed; it is a daemon, so it never keeps the
process from ending, and ``stop`` names it in the log.
"""

import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, TypeVar

from mlops_desk.kit.base.errors import Closed, TimedOut

if TYPE_CHECKING:
    from mlops_desk.kit.base.timer import Bell, Timer

_log = logging.getLogger(__name__)

T = TypeVar("T")


class Finished(Exception):  # noqa: N818 - no error: what is repeated says that it is over
    """Raised by work that is repeated and need not be done again; its thread ends."""


class Loop:
    """Starts, repeats and ends the background work of one process."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._ending = threading.Event()
        self._threads: list[threading.Thread] = []
        self._at_end: list[Callable[[], None]] = []
        self._lock = threading.Lock()
        self._shared: Timer | None = None

    @property
    def ending(self) -> threading.Event:
        """Set when the process is about to end; long waits wait on it."""
        return self._ending

    def at_end(self, act: Callable[[], None]) -> None:
        """Call ``act``, which must not block, when the loop is stopped: it wakes who waits for something else."""
        with self._lock:
            self._at_end.append(act)
        if self._ending.is_set():
            act()

    def start(self, name: str, work: Callable[[], None]) -> threading.Thread:
        """Run ``work`` once in a thread of its own; what it raises is logged as a bug."""
        thread = threading.Thread(target=_guarded, args=(name, work), name=f"{self._name}-{name}", daemon=True)
        with self._lock:
            self._threads = [known for known in self._threads if known.is_alive()]
            self._threads.append(thread)
        thread.start()
        return thread

    def repeat(
        self,
        name: str,
        seconds: float | Callable[[], float],
        work: Callable[[], None],
        *,
        at_once: bool = True,
        bell: "Bell | None" = None,
    ) -> None:
        """Run ``work`` every ``seconds`` (on the monotonic clock) until the loop stops, and whenever ``bell`` rings.

        A second or more is rounded to a grid of whole ones. Where ``seconds`` is asked for anew each time, the pause
        begins when the work is done.
        """
        from mlops_desk.kit.base.timer import TimedWork  # noqa: PLC0415 - the window repeats nothing, and needs no epoll or ctypes

        turn = TimedWork(name, work, seconds)
        timer = self._timer()
        timer.repeat(turn, at_once=at_once)
        if bell is not None:
            bell.hang(lambda: timer.ring(turn))

    def bell(self, name: str, work: Callable[[], None]) -> "Bell":
        """Return what has ``work`` done whenever it rings, by one thread at a time."""
        from mlops_desk.kit.base.timer import Bell, TimedWork  # noqa: PLC0415 - likewise

        turn, timer, bell = TimedWork(name, work), self._timer(), Bell()
        bell.hang(lambda: timer.ring(turn))
        return bell

    def _timer(self) -> "Timer":
        from mlops_desk.kit.base.timer import Timer  # noqa: PLC0415 - likewise

        with self._lock:
            if self._shared is not None:
                return self._shared
            made = self._shared = Timer(self._name, self._ending, self.start, _guarded)
        self.at_end(made.stop)
        return made

    def beat(
        self,
        name: str,
        seconds: float,
        work: Callable[[], None],
        *,
        first: Callable[[], None] | None = None,
        bell: threading.Event | None = None,
    ) -> None:
        """Run ``work`` at whole multiples of ``seconds`` of the monotonic clock, always in a thread of its own.

        ``first`` is run at once, before them. What takes too long leaves beats out; it does not shift them. When
        ``bell`` is set, it is run between two beats as well.
        """
        awaited = self._ending if bell is None else bell
        if bell is not None:
            self.at_end(bell.set)

        def keep_on() -> None:
            goes_on, beat = first is None or _guarded(name, first), 0
            while goes_on:
                beat = max(beat + 1, int(time.monotonic() / seconds) + 1)
                rung = awaited.wait(max(0.0, beat * seconds - time.monotonic()))
                if self._ending.is_set():
                    return
                if rung:
                    awaited.clear()
                    beat -= 1
                goes_on = _guarded(name, work)

        self.start(name, keep_on)

    def call(self, name: str, work: Callable[[], T], timeout_seconds: float) -> T:
        """Run ``work`` in a thread and wait for it; raises what it raises, or TimedOut after the deadline.

        The thread goes on after the deadline: use it for calls that may hang and do no harm when late.
        """
        from concurrent.futures import Future  # noqa: PLC0415 - 1.5 ms that the window's first paint need not wait for

        future: Future[T] = Future()
        context = copy_context()

        def run() -> None:
            try:
                future.set_result(context.run(work))
            except BaseException as error:  # noqa: BLE001 - handed to the waiting thread
                future.set_exception(error)

        self.start(name, run)
        try:
            return future.result(timeout_seconds)
        except TimeoutError as error:
            if future.done():
                raise
            text = f"{name} did not answer within {timeout_seconds:g} s."
            raise TimedOut(text, "It may still happen. Look again in a moment.") from error

    async def run(self, name: str, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread of its own and await it from asyncio; the event loop never waits."""
        import asyncio  # noqa: PLC0415 - 6 MB that processes without an event loop (the collector) do without

        waiting = asyncio.get_running_loop()
        future: asyncio.Future[T] = waiting.create_future()
        context = copy_context()

        def settle(result: T | None, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is not None:
                future.set_exception(error)
            else:
                future.set_result(result)  # type: ignore[arg-type]  # None only when T is

        def run() -> None:
            result, failure = None, None
            try:
                result = context.run(work)
            except BaseException as error:  # noqa: BLE001 - handed to whoever awaits
                failure = error
            with contextlib.suppress(RuntimeError):  # the event loop is closed: nobody awaits any more
                waiting.call_soon_threadsafe(settle, result, failure)

        self.start(name, run)
        return await future

    def stop(self, timeout_seconds: float = 1.0) -> list[str]:
        """Ask all threads to end, wait a little, and return the names of those that did not."""
        self._ending.set()
        with self._lock:
            acts = list(self._at_end)
        for act in acts:
            act()
        deadline = time.monotonic() + timeout_seconds
        # Looked up anew each time: a thread that is about to end may start another.
        while (others := self._others()) and (left := deadline - time.monotonic()) > 0:
            others[0].join(left)
        stuck = [thread.name for thread in others]
        if stuck:
            _log.warning("Threads that did not end in time: %s", ", ".join(stuck))
        return stuck

    def _others(self) -> list[threading.Thread]:
        with self._lock:
            return [t for t in self._threads if t.is_alive() and t is not threading.current_thread()]


class Lane:
    """Does things one after the other: callers never wait, order is kept. No thread waits where there is nothing."""

    def __init__(self, loop: Loop, name: str) -> None:
        self._queue: deque[Callable[[], Any]] = deque()
        self._loop = loop
        self._name = name
        self._bell = loop.bell(name, self._work_off)

    def put(self, work: Callable[[], Any]) -> None:
        """Queue ``work``."""
        self._queue.append(work)
        self._bell.ring()

    def _work_off(self) -> None:
        while self._queue and not self._loop.ending.is_set():
            _guarded(self._name, self._queue.popleft())


class OneByOne:
    """Keeps each thing to one thread at a time: who comes while another is at it has that one look once more."""

    def __init__(self, loop: Loop) -> None:
        self._ending = loop.ending
        self._lock = threading.Lock()
        self._again: dict[str, bool] = {}

    def take(self, key: str) -> bool:
        """Tell whether it is the caller's turn, who then has to ``work``; whose it is looks once more otherwise."""
        with self._lock:
            if key in self._again:
                self._again[key] = True
                return False
            self._again[key] = False
            return True

    def work(self, key: str, act: Callable[[str], Any]) -> None:
        """Do what the turn is for, once more whenever somebody came meanwhile; what ``act`` raises ends the turn."""
        while True:
            try:
                act(key)
            except BaseException:
                with self._lock:
                    del self._again[key]
                raise
            with self._lock:
                if not self._again[key] or self._ending.is_set():
                    del self._again[key]
                    return
                self._again[key] = False


def _guarded(name: str, work: Callable[[], Any]) -> bool:
    """Do ``work``; return whether it may be done again."""
    try:
        work()
    except Finished:
        return False
    except Closed as error:  # databases are closed before threads are asked to end
        _log.info("%s is over: %s", name, error.message)
        return False
    except Exception:  # noqa: BLE001 - the thread's last stop: logged as the bug it is, the process goes on
        _log.exception("%s failed", name)
    return True
