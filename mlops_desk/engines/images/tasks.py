"""Pulls and builds as they are written down: one file for each, so that a later agent tells what became of them.

How far one is stands in memory and is announced, a few times a second at most; its beginning and its end are written.
What was under way when the agent ended is found as interrupted.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.engines.records.task import ImageTask, TaskKind, TaskState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.short_ids import the_one

_log = logging.getLogger(__name__)

_KEPT = 100  # chosen: weeks of a small team
ANNOUNCED_SECONDS = 0.25  # chosen: a bar that moves four times a second looks alive
LIST = Hint("mlops-desk images tasks", before="Those that are known: ")


@dataclass(frozen=True, slots=True)
class ImageClaim:
    """Whose image is to be brought: a job's, as long as it is ``wanted``."""

    job_id: str
    wanted: Callable[[], bool]


class NotBuilt(Exception):  # noqa: N818 - reads as a sentence where it is raised
    """The image that a job asks to be built could not be; ``reason`` says why, and quotes the build."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason.text)
        self.reason = reason


class TaskBook:
    """The tasks, in ``folder``; ``announce`` is told of changes that people see. Safe to use from several threads."""

    def __init__(self, folder: Path, announce: Callable[[ImageTask], None]) -> None:
        self._folder = folder
        self._announce = announce
        self._changed = threading.Condition()
        self._announced: dict[str, float] = {}
        self._tasks: dict[str, ImageTask] = {task.id: task for task in _read(folder)}

    def recover(self) -> None:
        """Say of what was under way when the last agent ended that it is not any more."""
        for task in self.newest():
            if not task.state.is_final:
                self.change(task.id, _interrupted)

    def log(self, task_id: str) -> Path:
        """Return the file for what a task writes; its folder is there."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self._folder / f"{task_id}.log"

    def newest(self, limit: int | None = None) -> list[ImageTask]:
        """Return the tasks, the newest first."""
        with self._changed:
            found = sorted(self._tasks.values(), key=lambda task: (-task.started_at, task.id))
        return found[:limit]

    def get(self, task_id: str) -> ImageTask:
        """Return a task by its whole id."""
        with self._changed:
            return self._tasks[task_id]

    def find(self, given: str) -> ImageTask:
        """Return a task by its id or the beginning of it. Raises NotFound, Invalid."""
        found = [task for task in self.newest() if task.id.startswith(given)]
        return the_one(given, found, noun="image task", hint=LIST)

    def under_way(self, engine: str, reference: str) -> list[ImageTask]:
        """Return the tasks that bring an image to an engine just now."""
        return [task for task in self.newest() if not task.state.is_final and _is_of(task, engine, reference)]

    def add(self, task: ImageTask) -> None:
        """Write a new task down. Raises DeskError."""
        with self._changed:
            self._tasks[task.id] = task
            self._changed.notify_all()
        self._write(task)
        self._tell(task)
        self._forget_old()

    def change(self, task_id: str, change: Callable[[ImageTask], ImageTask | None]) -> ImageTask:
        """Change a task and return it as it is then; ``change`` returns None for what is to stay as it is.

        What is over stays over.
        """
        with self._changed:
            was = self._tasks[task_id]
            now = was if was.state.is_final else change(was) or was
            self._tasks[task_id] = now
            self._changed.notify_all()
        if now is was:
            return now
        if now.state is not was.state:
            self._write(now)
        if now.state is not was.state or time.monotonic() >= self._announced.get(task_id, 0.0) + ANNOUNCED_SECONDS:
            self._tell(now)
        return now

    def wait(self, task_id: str, seconds: float, is_news: Callable[[ImageTask], bool]) -> ImageTask:
        """Return a task as soon as it ``is_news``, or is over, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._tasks[task_id].state.is_final or is_news(self._tasks[task_id]), max(0.0, seconds)
            )
            return self._tasks[task_id]

    def _tell(self, task: ImageTask) -> None:
        if task.state.is_final:
            self._announced.pop(task.id, None)
        else:
            self._announced[task.id] = time.monotonic()
        self._announce(task)

    def _write(self, task: ImageTask) -> None:
        """Write a task down. One that can't be written goes on: what it brings is the engine's, and is there."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._folder / f"{task.id}.json", wire.dumps(replace(task, layers=())).encode())
        except OSError as error:
            _log.warning("The image task %s can't be written down: %s", task.id, error)

    def _forget_old(self) -> None:
        with self._changed:
            over = sorted((task for task in self._tasks.values() if task.state.is_final), key=lambda t: -t.started_at)
            gone = over[_KEPT:]
            for task in gone:
                del self._tasks[task.id]
        for task in gone:
            for name in (f"{task.id}.json", f"{task.id}.log"):
                (self._folder / name).unlink(missing_ok=True)


def _is_of(task: ImageTask, engine: str, reference: str) -> bool:
    return task.engine == engine and task.reference == reference


def _interrupted(task: ImageTask) -> ImageTask:
    again = {TaskKind.PULL: Hint(f"mlops-desk images pull {task.reference}", after="    goes on where it was.")}
    text = f"The agent ended while the image was {'pulled' if task.kind is TaskKind.PULL else 'built'}."
    reason = Reason("interrupted", text, hint=again.get(task.kind, "Ask for the build once more."))
    return replace(task, state=TaskState.INTERRUPTED, reason=reason, ended_at=task.heard_at or task.started_at)


def _read(folder: Path) -> list[ImageTask]:
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else []:
        try:
            found.append(wire.loads(path.read_bytes(), ImageTask))
        except (OSError, DeskError) as error:
            _log.warning("The image task in %s can't be read: %s", path, error)
    return found
