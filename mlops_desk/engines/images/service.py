"""The verbs about images: what is there and what needs it, pulling, building, clearing away."""

import hashlib
import secrets
import threading
import time
from builtins import list as list_of
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from mlops_desk.engines import build_errors
from mlops_desk.engines.engine import Engine, ImageFacts, Obstacle, WasEnded
from mlops_desk.engines.images import pulls as engine_room
from mlops_desk.engines.images.builds import RESERVED, Builds, check_tag, name_of
from mlops_desk.engines.images.inventory import ImageParts, NeedTelling, Stock
from mlops_desk.engines.images.origins import Origins
from mlops_desk.engines.images.pulls import PullParts, Pulls, joined
from mlops_desk.engines.images.task_runner import ImageWork
from mlops_desk.engines.images.tasks import ImageClaim, NotBuilt, TaskBook
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.engines.records.image import ImageCard, ImageRoom, ImageUser, PrunePreview, UserKind, VolumeCard
from mlops_desk.engines.records.task import ImageTask, TaskKind, TaskState
from mlops_desk.engines.verbs.images import LONGEST_WAIT_SECONDS
from mlops_desk.jobs.records.job import LOCAL_RUNTIME, ImageProgress
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller, user_name
from mlops_desk.kit.base.disk.free_space import available_bytes
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.declaration import check_limit
from mlops_desk.machine.records.event import ImagesChanged, ImageTaskChanged

# The output of a build as it was kept, and as it grows.
_POLL_SECONDS = 0.2  # chosen: lines appear as if at once


def build_log(path: Path, *, follow: bool, is_over: Callable[[], bool]) -> Iterator[str]:
    """Yield the lines of a build's log; with ``follow`` until the build ``is_over``. Raises NotFound."""
    try:
        file = path.open(encoding="utf-8", errors="replace")
    except OSError as error:
        if follow and not is_over():
            time.sleep(_POLL_SECONDS)
            yield from build_log(path, follow=follow, is_over=is_over)
            return
        raise NotFound(f"The output of this build is not kept any more ({error.strerror}).") from error
    with file:
        part = ""
        while True:
            over = not follow or is_over()  # before reading: what it wrote last is read once more
            for piece in file:
                part += piece
                if part.endswith("\n"):
                    yield part.rstrip("\n")
                    part = ""
            if over:
                break
            time.sleep(_POLL_SECONDS)
    if part:
        yield part


# Images for jobs: pulled or built by the same tasks that people see, as long as somebody waits for them.
# A job that is cancelled lets go of its task, which ends when nobody else wants it. What is built for a job is called
# after what is in it, so that the same folder is built once.
_LOOK_SECONDS_supply = 0.5  # chosen: a cancelled job lets go of its pull while its person still looks
_CAUSES = 2  # chosen: the newest lines that name a cause; the others stand in the evidence
_QUOTED_LINES = 8  # chosen: where a compiler says what is wrong
_EVIDENCE_LIMIT = 2000  # chosen: eight lines of a compiler
_TAG_LENGTH = 32  # of a hash in hexadecimal: nobody finds two folders for it

Wanted = Callable[[TaskKind, str, str, int, tuple[str, ...]], ImageTask]
"""Returns the task that would bring an image: kind, reference, engine, uid, and the jobs that wait."""


class JobSupply:
    """Implements ``runtimes.local.ports.ImageSupply`` for one engine."""

    def __init__(
        self, name: str, engine: Engine, book: TaskBook, work: ImageWork, pulls: Pulls, builds: Builds, wanted: Wanted,
        loop: Loop,
    ) -> None:  # fmt: skip
        self._name = name
        self._engine = engine
        self._book = book
        self._work = work
        self._pulls = pulls
        self._builds = builds
        self._wanted = wanted
        self._loop = loop
        self._beginning = threading.Lock()  # of two jobs that ask at once the second finds the build of the first

    def pull(self, reference: str, uid: int, login: RegistryLogin | None, claim: ImageClaim) -> ImageFacts:
        """Pull an image, however long it takes. Raises NotFound, Refused, Unavailable."""
        wanted = self._wanted(TaskKind.PULL, reference, self._name, uid, (claim.job_id,))
        return self._awaited(self._pulls.begin(wanted, login), claim)

    def build(self, sha256: str, dockerfile: str, uid: int, claim: ImageClaim) -> ImageFacts:
        """Return what is built of a folder that is kept, and build it if it is not there.

        Raises NotBuilt, Unavailable, Obstacle.
        """
        tag = built_tag(sha256, dockerfile)
        wanted = self._wanted(TaskKind.BUILD, tag, self._name, uid, (claim.job_id,))
        with self._beginning:
            under_way = self._book.under_way(self._name, tag)
            if under_way:
                task = self._book.change(under_way[0].id, lambda now: joined(now, wanted))
            else:  # looked for after the tasks: one that just ended has left its image
                try:
                    return self._engine.image(tag)
                except NotFound:
                    task = self._builds.begin(wanted, sha256, dockerfile)
        try:
            return self._awaited(task, claim)
        except (Unavailable, Obstacle):
            raise
        except DeskError as error:
            raise NotBuilt(self._why(task.id, error)) from error

    def progress(self, job_id: str) -> ImageProgress | None:
        """Return how far the image is that a job waits for; None while nothing is under way for it."""
        task = next((one for one in self._book.newest() if not one.state.is_final and job_id in one.jobs), None)
        return None if task is None else told(task)

    def _awaited(self, task: ImageTask, claim: ImageClaim) -> ImageFacts:
        while not self._book.wait(task.id, _LOOK_SECONDS_supply, lambda now: now.state.is_final).state.is_final:
            if not claim.wanted():
                self._let_go(task, claim.job_id)
                raise WasEnded(f"Job {claim.job_id} does not want the image any more.")
            if self._loop.ending.is_set():
                raise Unavailable("The agent ends; the next one goes on.")
        done = self._work.outcome(task.id)
        return self._engine.image(done.image_id or task.reference)

    def _let_go(self, task: ImageTask, job_id: str) -> None:
        now = self._book.change(task.id, lambda now: replace(now, jobs=tuple(one for one in now.jobs if one != job_id)))
        if not now.jobs and not now.by_hand:
            self._work.cancel(task.id, "the desk, as no job waits for it any more")

    def _why(self, task_id: str, error: DeskError) -> Reason:
        task = self._book.get(task_id)
        written = "\n".join(line for line in task.log_tail if line.strip())
        evidence = "\n".join(written.splitlines()[-_QUOTED_LINES:])[-_EVIDENCE_LIMIT:] or None
        hint = Hint(f"mlops-desk images logs {task_id}", before="The whole output: ")
        if task.state is TaskState.CANCELLED:
            text = f"The build of its image was ended. {task.reason.text if task.reason else ''}".strip()
            return Reason("build_cancelled", text, evidence, hint, title="Build of the image ended")
        causes = build_errors.causes(written)
        return Reason(
            "build_failed",
            f"Its image could not be built: {plain(' '.join(causes[-_CAUSES:]) or error.message, 600)}",
            evidence,
            hint,
            title="Image not built",
        )


def built_tag(sha256: str, dockerfile: str) -> str:
    """Return what the image is called that is built of a folder with this hash, by that Dockerfile in it."""
    whole = hashlib.sha256(f"{sha256} {dockerfile}".encode()).hexdigest()
    return f"{RESERVED}:{whole[:_TAG_LENGTH]}"


def told(task: ImageTask) -> ImageProgress:
    """Return what of a task is told with a job."""
    step = task.step
    return ImageProgress(
        task.id,
        task.kind.value,
        task.state.value,
        task.layers_done,
        task.layers_count,
        task.done_bytes,
        task.total_bytes,
        task.bytes_per_second,
        task.eta_seconds,
        None if step is None else step.number,
        None if step is None else step.count,
        "" if step is None else step.text,
        task.log_tail[-1] if task.log_tail else "",
    )


_LOOK_SECONDS = 3600.0  # chosen: what was needed is dated to the hour, and prunes are about days
_REFERENCE_LIMIT = 512  # chosen: twice what registries take


class ImagesService:
    """Implements ``verbs.Images``; its files are in ``folder``. ``pulls`` are for jobs too, which wait for them."""

    def __init__(self, folder: Path, bus: Bus, loop: Loop, parts: ImageParts) -> None:
        self._bus = bus
        self._loop = loop
        self._parts = parts
        self.stock = Stock(Origins(folder / "origins.json"), parts, lambda name: bus.publish(ImagesChanged(name)))
        self._book = TaskBook(folder / "tasks", lambda task: bus.publish(ImageTaskChanged(task)))
        self.work = ImageWork(self._book, loop, self.stock)
        self.pulls = Pulls(self._book, self.work, self.stock.engine, PullParts(self._look, pulled=parts.private.pulled))
        self.builds = Builds(
            self._book, self.work, self.stock.engine, self._look, parts.contexts, parts.labels, parts.arguments,
            parts.private.find,
        )  # fmt: skip

    def start(self) -> None:
        """Tell what the last agent left half done, and begin to note what is needed."""
        self._book.recover()
        self._loop.repeat("images-use", _LOOK_SECONDS, self.stock.note_use)
        NeedTelling(self._bus, self._loop, self._parts.wanted, self._parts.neighbours).start()

    # -- verbs: what is there ----------------------------------------------------------------------

    def list(self, engine: str | None = None) -> list_of[ImageCard]:
        return self.stock.cards(engine or LOCAL_RUNTIME)

    def show(self, image_id: str, engine: str | None = None) -> ImageCard:
        return self.stock.find(engine or LOCAL_RUNTIME, image_id)

    def volumes(self, engine: str | None = None) -> list_of[VolumeCard]:
        name = engine or LOCAL_RUNTIME
        owners = {container: need.user for need in self._parts.needs(name) for container in need.containers}
        return [
            VolumeCard(
                one.name,
                one.driver,
                one.size_bytes,
                one.created_at,
                tuple(owners.get(word) or ImageUser(UserKind.CONTAINER, word, word) for word in one.containers),
                name,
            )
            for one in sorted(self.stock.engine(name).volumes(), key=lambda one: one.name)
        ]

    def room(self, engine: str | None = None) -> ImageRoom:
        name = engine or LOCAL_RUNTIME
        used = self.stock.engine(name).room()
        free = available_bytes(Path(used.folder)) if used.folder and self._parts.is_here(name) else None
        return ImageRoom(used.images_bytes, used.build_cache_bytes, used.volumes_bytes, free, used.folder, name)

    # -- verbs: on their way -----------------------------------------------------------------------

    def pull(self, reference: str, engine: str | None = None) -> ImageTask:
        if not reference or len(reference) > _REFERENCE_LIMIT or any(sign.isspace() for sign in reference):
            raise Invalid(f"{plain(reference)!r} is no name of an image.", "Give one as in: python:3.12-slim")
        uid = current_caller().uid
        login = self._parts.private.login(reference, uid)
        wanted = self._wanted(TaskKind.PULL, reference, engine or LOCAL_RUNTIME, uid)
        return self.pulls.begin(replace(wanted, by_hand=True), login)

    def build(self, folder: str = ".", tag: str = "", file: str = "Dockerfile", engine: str | None = None) -> ImageTask:
        if not folder.startswith("/"):
            raise Invalid(f"The folder {plain(folder)!r} is not absolute.", "Send the absolute path of the folder.")
        name, uid = engine or LOCAL_RUNTIME, current_caller().uid
        wanted = replace(self._wanted(TaskKind.BUILD, check_tag(tag or name_of(folder)), name, uid), by_hand=True)
        self._check_name(wanted)
        with self._parts.contexts.frozen(folder, file, uid) as context:
            return self.builds.begin(wanted, context.sha256, file)

    def tasks(self, limit: int = 50) -> list_of[ImageTask]:
        return self._book.newest(check_limit(limit))

    def task(self, task_id: str, wait_seconds: float = 0.0, seen_at: float | None = None) -> ImageTask:
        task = self._book.find(task_id)
        seconds = min(wait_seconds, LONGEST_WAIT_SECONDS)
        return self._book.wait(task.id, seconds, lambda now: now.heard_at != seen_at)

    def logs(self, task_id: str, *, follow: bool = False) -> Iterator[str]:
        task = self._book.find(task_id)
        if task.log is None:
            raise NotFound(f"Image task {task.id} is a pull, and writes nothing.", "Look at the task itself.")
        return build_log(Path(task.log), follow=follow, is_over=lambda: self._book.find(task.id).state.is_final)

    def cancel(self, task_id: str) -> ImageTask:
        task = self._book.find(task_id)
        if task.state.is_final:
            raise Refused(f"Image task {task.id} is over already: {task.state.value}.")
        return self.work.cancel(task.id, current_caller().user)

    # -- verbs: clearing away ----------------------------------------------------------------------

    def remove(self, image_id: str, engine: str | None = None) -> ImageCard:
        return self.stock.remove(engine or LOCAL_RUNTIME, image_id)

    def preview(self, unused_seconds: float = 0.0, engine: str | None = None) -> PrunePreview:
        return self.stock.preview(engine or LOCAL_RUNTIME, unused_seconds)

    def prune(
        self, images: list_of[str] | None = None, unused_seconds: float = 0.0, engine: str | None = None
    ) -> PrunePreview:
        return self.stock.prune(engine or LOCAL_RUNTIME, unused_seconds, images)

    # -- for the rest of the house -----------------------------------------------------------------

    def supply(self, name: str) -> JobSupply:
        """Return what brings images for jobs to an engine. Raises NotFound."""
        engine = self.stock.engine(name)
        return JobSupply(name, engine, self._book, self.work, self.pulls, self.builds, self._wanted, self._loop)

    def remember(self, task: ImageTask) -> None:
        """Take in a task that is over."""
        self._book.add(task)

    def _wanted(self, kind: TaskKind, reference: str, engine: str, uid: int, jobs: tuple[str, ...] = ()) -> ImageTask:
        """Return the task that would bring an image. Raises NotFound where there is no such engine."""
        self.stock.engine(engine)
        return ImageTask(
            secrets.token_hex(6), kind, reference, TaskState.WAITING, uid, user_name(uid), time.time(), jobs=jobs,
            engine=engine,
        )  # fmt: skip

    # -- inside ------------------------------------------------------------------------------------

    def _look(self, name: str) -> engine_room.EngineRoom:
        return engine_room.look(self.stock.engine(name), lambda: self._parts.is_here(name))

    def _check_name(self, wanted: ImageTask) -> None:
        """See that a build takes no name from an image that somebody else brought. Raises Refused."""
        try:
            there = self.stock.engine(wanted.engine).image(wanted.reference)
        except NotFound:
            return
        origin = self.stock.origins.of(wanted.engine, there.id)
        if origin is None or origin.uid != wanted.submitted_by:
            whose = "somebody outside of this desk" if origin is None else origin.user
            text = f"The name {plain(wanted.reference)} belongs to an image that {whose} brought here."
            raise Refused(text, "Choose another name with --tag.")
