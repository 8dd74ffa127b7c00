"""What is under way: each task in a thread of its own, that somebody can end at once, and wait for."""

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from mlops_desk.engines.engine import ImageFacts, Obstacle, WasEnded
from mlops_desk.engines.images.tasks import TaskBook
from mlops_desk.engines.records.task import ImageTask, LayerState, TaskKind, TaskState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.errors import DeskError, NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain

_BRINGS = {TaskKind.PULL: "Pulling", TaskKind.BUILD: "Building"}
_ERRORS_KEPT = 50  # chosen: who waits for a task asks as soon as it is over
_QUOTED = 1000  # chosen: a paragraph


class Cord:
    """Ends one task: whoever pulls it, from any thread, ends what the engine does for it just now, and what follows."""

    def __init__(self) -> None:
        self.pulled = threading.Event()
        self._lock = threading.Lock()
        self._end: Callable[[], None] | None = None

    def hold(self, end: Callable[[], None]) -> None:
        """Take what ends the engine's part."""
        with self._lock:
            self._end = end
        if self.pulled.is_set():
            end()

    def pull(self) -> None:
        self.pulled.set()
        with self._lock:
            end = self._end
        if end is not None:
            end()


Run = Callable[[Cord], ImageFacts]
"""Does a task's work and returns the image. Raises DeskError."""


class Door(Protocol):
    """Sees tasks begin, and images arrive before anybody who waits for them."""

    def begins(self, task: ImageTask) -> None:
        """See a task begin. Raises DeskError, which ends it."""
        ...

    def arrived(self, task: ImageTask, facts: ImageFacts) -> None:
        """See the image that a task has brought."""
        ...


class ImageWork:
    """Runs tasks and writes down how they end. ``door`` sees them go and come."""

    def __init__(self, book: TaskBook, loop: Loop, door: "Door") -> None:
        self._book = book
        self._loop = loop
        self._door = door
        self._lock = threading.Lock()
        self._cords: dict[str, Cord] = {}
        self._errors: dict[str, DeskError] = {}
        loop.at_end(self._end_all)

    def start(self, task: ImageTask, run: Run) -> None:
        """Begin a task that is written down already."""
        cord = Cord()
        with self._lock:
            self._cords[task.id] = cord
        self._loop.start(f"image-{task.id}", lambda: self._do(task, run, cord))

    def outcome(self, task_id: str) -> ImageTask:
        """Wait for a task's end and return it. Raises what it ended with, WasEnded where somebody ended it."""
        task = self._book.wait(task_id, threading.TIMEOUT_MAX, lambda _task: False)
        with self._lock:
            error = self._errors.get(task_id)
        if task.state is TaskState.DONE:
            return task
        if error is not None:
            raise error
        raise WasEnded(f"{what(task)} was ended.")

    def cancel(self, task_id: str, by: str) -> ImageTask:
        """End a task that is under way; one that is over stays as it is."""
        reason = Reason("cancelled", f"Ended by {plain(by)}.")
        task = self._book.change(
            task_id, lambda now: replace(now, state=TaskState.CANCELLED, reason=reason, ended_at=time.time())
        )
        with self._lock:
            cord = self._cords.get(task_id)
        if cord is not None:
            cord.pull()
        return task

    def _do(self, task: ImageTask, run: Run, cord: Cord) -> None:
        try:
            self._door.begins(task)
            facts = run(cord)
            self._door.arrived(task, facts)
        except DeskError as error:
            self._fail(task, error, cord)
        else:
            self._book.change(task.id, lambda now: done(now, facts.id))
        finally:
            with self._lock:
                del self._cords[task.id]

    def _fail(self, task: ImageTask, error: DeskError, cord: Cord) -> None:
        if cord.pulled.is_set() and self._loop.ending.is_set():
            return  # the next agent finds it under way, and says that it was interrupted
        with self._lock:
            self._errors[task.id] = error
            while len(self._errors) > _ERRORS_KEPT:
                del self._errors[next(iter(self._errors))]
        reason = Reason(class_of(error, task.kind), plain(error.message, _QUOTED), hint=error.hint)
        self._book.change(
            task.id,
            lambda now: replace(
                now,
                state=TaskState.FAILED,
                reason=reason,
                ended_at=time.time(),
                eta_seconds=None,
                bytes_per_second=None,
            ),
        )

    def _end_all(self) -> None:
        with self._lock:
            cords = list(self._cords.values())
        for cord in cords:
            cord.pull()


def done(task: ImageTask, image_id: str) -> ImageTask:
    """Return a task that has brought its image: engines do not tell the end of each layer."""
    layers = tuple(
        one if one.state is LayerState.PRESENT else replace(one, state=LayerState.DONE) for one in task.layers
    )
    return replace(
        task,
        state=TaskState.DONE,
        image_id=image_id,
        ended_at=time.time(),
        layers=layers,
        layers_done=len(layers),
        done_bytes=task.done_bytes if task.total_bytes is None else task.total_bytes,
        eta_seconds=None,
        bytes_per_second=None,
        reason=None,
    )


def class_of(error: DeskError, kind: TaskKind) -> str:
    """Return the stable word for why an image did not come."""
    if isinstance(error, Obstacle):
        return error.word
    if kind is TaskKind.BUILD:
        return "build_failed"
    if isinstance(error, NotFound):
        return "image_missing"
    return "registry_unavailable" if isinstance(error, Unavailable) else "image_refused"


def what(task: ImageTask) -> str:
    """Say what a task does, as a sentence begins."""
    return f"{_BRINGS[task.kind]} the image {plain(task.reference)}"
