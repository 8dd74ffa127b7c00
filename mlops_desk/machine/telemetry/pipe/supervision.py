"""When data is stale, when the collector is replaced, and which GPU is to blame. Pure: the clock is handed in.

A collector is judged by its own words: it says twice a second which driver call is under way and for how
long. A GPU is blamed only for a call that it was seen to hang in; a slow driver is left in peace.
"""

from dataclasses import dataclass, field

from mlops_desk.kit.base.failures import longer, pause_after
from mlops_desk.machine.telemetry.source import Busy

STALE_SECONDS = 3.0  # three of the usual samples
SILENT_SECONDS = 5.0  # ten of the collector's heartbeats while a call takes long
HUNG_SECONDS = 3.5  # chosen: calls take milliseconds, those that wake a GPU up to two seconds
OPENING_SECONDS = 30.0  # chosen: without persistence mode the driver initialises each GPU when it is opened
DEAD_POLLER_SECONDS = 60.0  # chosen: lanes that ask seldom are silent for long anyway
ABANDONED_LIMIT = 2  # chosen: each that hangs in the kernel keeps its memory
_BLAME_SECONDS = 2.0  # chosen: a GPU that is asked for less is asked by chance when the silence begins
_RETRY_SECONDS = 2.0  # chosen: a GPU that hung for a moment is back so soon
_RETRY_LIMIT_SECONDS = 300.0  # chosen: each try may cost a process that can't be ended
_START_PAUSES = (0.0, 0.5, 2.0, 5.0, 15.0, 30.0)
"""Chosen: the first is replaced at once; one that never works is tried every 30 s."""
_STEADY_SECONDS = 60.0  # chosen: a collector that can't work ends while it starts


@dataclass(frozen=True, slots=True)
class Signs:
    """What was heard of a collector, on the monotonic clock."""

    started: float
    heard: float
    gpu: float | None = None
    host: float | None = None
    busy: Busy | None = None


@dataclass(frozen=True, slots=True)
class CollectorVerdict:
    """``replace`` says in words why the collector must go; ``blame`` is the index of the GPU that hung."""

    gpu_fresh: bool
    host_fresh: bool
    replace: str | None = None
    blame: int | None = None


def judge(signs: Signs, now: float, interval_seconds: float) -> CollectorVerdict:
    """Say what a collector's signs of life amount to."""
    stale_after = max(STALE_SECONDS, interval_seconds + 2.0)
    gpu_fresh = signs.gpu is not None and now - signs.gpu <= stale_after
    host_fresh = signs.host is not None and now - signs.host <= stale_after
    silence = now - signs.heard
    busy = signs.busy
    if busy is not None:
        lasted = busy.seconds + silence
        limit = HUNG_SECONDS if busy.index is not None else OPENING_SECONDS
        if busy.seconds >= _BLAME_SECONDS and lasted > limit:
            text = f"{busy.call} has not returned for {lasted:.0f} s"
            return CollectorVerdict(gpu_fresh, host_fresh, text, busy.index)
    if silence > SILENT_SECONDS:
        return CollectorVerdict(gpu_fresh, host_fresh, f"it gave no sign of life for {silence:.0f} s")
    quiet = now - (signs.gpu if signs.gpu is not None else signs.started)
    if quiet > DEAD_POLLER_SECONDS + 2 * interval_seconds:
        return CollectorVerdict(gpu_fresh, host_fresh, f"it sent no GPU data for {quiet:.0f} s")
    quiet = now - (signs.host if signs.host is not None else signs.started)
    if quiet > DEAD_POLLER_SECONDS + 2 * interval_seconds:
        return CollectorVerdict(gpu_fresh, host_fresh, f"it sent no host data for {quiet:.0f} s")
    return CollectorVerdict(gpu_fresh, host_fresh)


@dataclass(slots=True)
class Restarts:
    """How long to wait before the next start: at once after a steady run, longer and longer in a crash loop."""

    count: int = 0

    def pause(self, ran_seconds: float) -> float:
        """Return the seconds to wait, given how long the last collector ran."""
        self.count = 0 if ran_seconds >= _STEADY_SECONDS else self.count + 1
        return pause_after(self.count - 1, _START_PAUSES)


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A GPU that is left out, since when, and when it is asked again. Monotonic seconds."""

    since: float
    ask_again: float
    pause: float


@dataclass(slots=True)
class Quarantine:
    """GPUs that hung, by index. Each is asked again by a process of its own, with more and more patience."""

    out: dict[int, Quarantined] = field(default_factory=dict)

    def blame(self, index: int, now: float, *, at_once: bool = False) -> None:
        """Leave a GPU out from now on, or for longer if it is out already; ``at_once`` it may be asked again."""
        before = self.out.get(index)
        since = before.since if before else now
        pause = longer(before.pause, _RETRY_LIMIT_SECONDS) if before else _RETRY_SECONDS
        self.out[index] = Quarantined(since, now if at_once else now + pause, pause)

    def due(self, now: float) -> list[int]:
        """Return the GPUs that it is time to ask again."""
        return [index for index, entry in self.out.items() if now >= entry.ask_again]

    def release(self, index: int) -> None:
        self.out.pop(index, None)
