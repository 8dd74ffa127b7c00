"""Pulls that go on by themselves: with progress, tries with pauses between them, and an eye on the engine's disk.

Two who ask for the same image wait for one task. What counts is silence, never how long it takes; what broke off is
tried again, and the engine keeps the layers that were finished. What is a word of the registry (no such image, not
allowed), and a pull that did not even begin, is final at once: whoever wants it then asks again.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mlops_desk.engines.engine import Engine, ImageFacts, Obstacle, WasEnded
from mlops_desk.engines.images.progress import PullProgress
from mlops_desk.engines.images.task_runner import Cord, ImageWork, what
from mlops_desk.engines.images.tasks import TaskBook
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.logins.private_images import HearPulled, PrivateImages
from mlops_desk.engines.records.task import ImageTask, LayerProgress, TaskState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import size_text

# Whether the engine's disk has room for what is on its way: looked at before and all the time, and told in numbers.
#
# What a registry would send is known layer by layer, as the engine begins with each; unpacked it takes more, nobody
# knows how much. So what is known to come, and a reserve beyond it, has to be free; of an engine on another machine
# nothing is known, and nothing is claimed.

RESERVE_BYTES = 1 << 30
"""Chosen: what jobs, logs and the engine itself write while nobody can clear anything away."""
_UNPACKED = 2.0  # chosen: layers of Python packages and CUDA libraries are packed to about half


@dataclass(frozen=True, slots=True)
class EngineRoom:
    """Where an engine's images lie, and what is free there; None: nobody can tell from here."""

    folder: str
    free_bytes: int | None


class NoRoom(Obstacle):
    """The engine's disk would be full. ``missing_bytes`` is how much there is too little."""

    def __init__(self, what: str, room: EngineRoom, missing_bytes: int) -> None:
        free = "nothing" if not room.free_bytes else size_text(room.free_bytes)
        text = (
            f"{what} was stopped before the engine's disk is full: {free} is free in {room.folder}, and "
            f"{size_text(max(missing_bytes, 1 << 20))} more is needed."
        )
        super().__init__("engine_disk_full", text, Hint("mlops-desk images prune", before="What can be cleared away: "))
        self.missing_bytes = missing_bytes


def look(engine: Engine, is_here: Callable[[], bool]) -> EngineRoom:
    """Look how much room an engine has. Raises nothing: what can't be told is not known."""
    try:
        folder = engine.data_folder()
    except DeskError:
        return EngineRoom("", None)  # the engine is away: what is asked of it next says so
    return EngineRoom(folder, available_bytes(Path(folder)) if folder and is_here() else None)


def check(what: str, room: EngineRoom, coming_bytes: int = 0) -> None:
    """See that ``coming_bytes``, as they travel, fit with a reserve to spare. Raises NoRoom."""
    if room.free_bytes is None:
        return
    missing = int(coming_bytes * _UNPACKED) + RESERVE_BYTES - room.free_bytes
    if missing > 0:
        raise NoRoom(what, room, missing)


_log = logging.getLogger(__name__)

QUIET_SECONDS = 180.0
"""Chosen: a big layer is unpacked on a slow disk without a word for a minute or two, and a line of that age is cut."""
PAUSES = (1.0, 5.0, 15.0, 30.0, 60.0)
"""Seconds before the next try. Chosen: a router that restarts takes a minute or two. The number of them is of tries."""
_LOOK_SECONDS = 1.0  # chosen: a fast line brings 1 GiB, the reserve, in as much
_FINAL = ("denied", "unauthorized", "invalid reference format", "no matching manifest")
"""What a registry says that it will say the same in a minute."""


@dataclass(frozen=True, slots=True)
class PullParts:
    """``look`` tells of the room on an engine, ``pulled`` hears of each image, and with which login it came.

    How long silence is borne, and the pauses between tries.
    """

    look: Callable[[str], EngineRoom]
    quiet_seconds: float = QUIET_SECONDS
    pauses: Sequence[float] = PAUSES
    pulled: HearPulled = PrivateImages().pulled


class Pulls:
    """Pulls of all engines. Safe to use from several threads."""

    def __init__(self, book: TaskBook, work: ImageWork, engines: Callable[[str], Engine], parts: PullParts) -> None:
        self._book = book
        self._work = work
        self._engines = engines
        self._parts = parts
        self._lock = threading.Lock()
        self._logged_in: set[str] = set()

    def begin(self, wanted: ImageTask, login: RegistryLogin | None = None) -> ImageTask:
        """Begin what ``wanted`` says, unless it is on its way already; return the task. Raises NoRoom, DeskError.

        A pull with somebody's login is shared with nobody else.
        """
        with self._lock:
            known = self._shared(wanted, login)
            if known is None:
                seen = self._parts.look(wanted.engine)
                check(what(wanted), seen)
                self._book.add(replace(wanted, free_bytes=seen.free_bytes))
                if login is not None:
                    self._logged_in.add(wanted.id)
        if known is not None:
            return self._book.change(known.id, lambda now: joined(now, wanted))
        self._work.start(wanted, lambda cord: self._run(wanted, login, cord))
        return self._book.get(wanted.id)

    def _shared(self, wanted: ImageTask, login: RegistryLogin | None) -> ImageTask | None:
        for known in self._book.under_way(wanted.engine, wanted.reference):
            openly = login is None and known.id not in self._logged_in
            if openly or known.submitted_by == wanted.submitted_by:
                return known
        return None

    def _run(self, task: ImageTask, login: RegistryLogin | None, cord: Cord) -> ImageFacts:
        """Pull until it is there or makes no sense any more. Raises DeskError."""
        try:
            for number, pause in enumerate((*self._parts.pauses, None), 1):
                self._book.change(task.id, lambda now, n=number: _begun(now, n))  # type: ignore[misc]  # a default
                ear = _Ear(self._book, task, self._parts.look)
                try:
                    facts = self._engines(task.engine).pull(
                        task.reference, self._parts.quiet_seconds, login, heard=ear.hear, hand=cord.hold
                    )
                except DeskError as error:
                    if pause is None or cord.pulled.is_set() or is_final(error) or not ear.has_begun:
                        raise
                    self._tell_wait(task, error, pause)
                    cord.pulled.wait(pause)
                else:
                    self._parts.pulled(task.reference, facts, task.submitted_by, login)
                    return facts
            raise AssertionError("the last try returns or raises")
        finally:
            with self._lock:
                self._logged_in.discard(task.id)

    def _tell_wait(self, task: ImageTask, error: DeskError, seconds: float) -> None:
        _log.info("%s: %s It is tried again in %g s.", what(task), error.message, seconds)
        reason = Reason("broken", f"{error.message} It is tried again in {seconds:g} s.", hint=error.hint)
        self._book.change(task.id, lambda now: replace(now, state=TaskState.WAITING, reason=reason, eta_seconds=None))


def joined(task: ImageTask, wanted: ImageTask) -> ImageTask:
    """Return a task that is under way for one more who asks."""
    waits = tuple(job for job in wanted.jobs if job not in task.jobs)
    return replace(task, jobs=(*task.jobs, *waits), by_hand=task.by_hand or wanted.by_hand)


def _begun(task: ImageTask, number: int) -> ImageTask:
    return replace(task, state=TaskState.RUNNING, tries=number, reason=None)


class _Ear:
    """Hears what one try tells, puts it into the task, and looks at the disk meanwhile."""

    def __init__(self, book: TaskBook, task: ImageTask, look: Callable[[str], EngineRoom]) -> None:
        self._book = book
        self._task = task
        self._look = look
        self._progress = PullProgress()
        self._looked: float | None = None
        self._free: int | None = None
        self.has_begun = False

    def hear(self, news: LayerProgress) -> None:
        """Take in what was told. Raises NoRoom and WasEnded, which end the pull."""
        now = time.monotonic()
        self.has_begun = True
        self._progress.hear(news, now)
        if self._looked is None or now - self._looked >= _LOOK_SECONDS:
            self._looked = now
            seen = self._look(self._task.engine)
            self._free = seen.free_bytes
            check(what(self._task), seen, self._progress.missing_bytes)
        task = self._book.change(
            self._task.id,
            lambda task: replace(self._progress.on(task, now), heard_at=time.time(), free_bytes=self._free),
        )
        if task.state.is_final:
            raise WasEnded(f"{what(task)} was ended.")


def is_final(error: DeskError) -> bool:
    """Tell whether it makes no sense to try once more."""
    said = error.message.lower()
    final = any(word in said for word in _FINAL)
    return final or isinstance(error, (NotFound, Refused)) or not isinstance(error, Unavailable)
