"""Asking GPUs that hung whether they answer again: a process each, which stays in the call until that returns.

So a GPU is back as soon as its cause has ended, however long that took, and at no cost meanwhile. The process is
replaced after longer and longer times, for calls that never return although nothing holds them up any more.
One that can't be killed (uninterruptible sleep) is asked no more than that: it ends when its call does, and until
then its GPU is left alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.machine.telemetry.pipe.frames import Frame
from mlops_desk.machine.telemetry.pipe.supervision import ABANDONED_LIMIT, Quarantine
from mlops_desk.machine.telemetry.source import GpuSample

_ANSWER_SECONDS = 8.0  # chosen: longer than a GPU that sleeps takes to wake


class CollectorProcess(Protocol):
    """What is needed of a collector process."""

    started: float
    pid: int

    def kill(self) -> bool: ...

    def hurry(self) -> None: ...

    @property
    def alive(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    process: CollectorProcess
    deadline: float


class Asking:
    """The GPUs that are left out, and the processes that ask them. Monotonic seconds."""

    def __init__(self, start: Callable[[int], CollectorProcess]) -> None:
        self._start = start
        self._asked: dict[int, _Asked] = {}
        self._stuck: list[tuple[CollectorProcess, int | None]] = []
        self.quarantine = Quarantine()

    @property
    def given_up(self) -> bool:
        """Say whether so many calls never returned that the driver is left in peace."""
        return len(self._stuck) >= ABANDONED_LIMIT

    def index_of(self, sender: object) -> int | None:
        """Return the GPU that a process asks, None for any other."""
        return next((index for index, asked in self._asked.items() if asked.process is sender), None)

    def end(self, process: CollectorProcess, index: int | None = None) -> None:
        """Kill a process; one that can't be is kept in mind, with the GPU that it hangs on."""
        if not process.kill():
            self._stuck.append((process, index))

    def stop(self) -> list[CollectorProcess]:
        """Forget all, and return the processes that are to be killed."""
        processes = [asked.process for asked in self._asked.values()]
        self._asked.clear()
        return processes

    def look_after(self, now: float) -> None:
        """Replace the processes that wait for too long, and start those that are due."""
        self._stuck = [(process, index) for process, index in self._stuck if process.alive]
        for index in [index for index, asked in self._asked.items() if now > asked.deadline]:
            self.end(self._asked.pop(index).process, index)
            self.quarantine.blame(index, now, at_once=True)
        hung = {index for _, index in self._stuck}
        for index in self.quarantine.due(now):
            if index in self._asked or index in hung or self.given_up:
                continue
            try:
                process = self._start(index)
            except OSError:
                self.quarantine.blame(index, now)  # asked again later, when a process can be started
                continue
            patience = max(_ANSWER_SECONDS, self.quarantine.out[index].pause)
            self._asked[index] = _Asked(process, now + patience)

    def take(self, index: int, frame: Frame | None, now: float) -> GpuSample | None:
        """Hear a process; returns what the GPU says once it answers. It is then no longer left out."""
        gpus = frame.gpu if frame is not None else None
        answered = gpus is not None and any(gpu.index == index for gpu in gpus.gpus)
        if frame is not None and not answered:
            return None
        self.end(self._asked.pop(index).process, index)
        if not answered:
            self.quarantine.blame(index, now)
            return None
        self.quarantine.release(index)
        return gpus
