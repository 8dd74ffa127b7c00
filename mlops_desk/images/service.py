"""The verbs about images: what is there and what needs it, pulling, building, clearing away."""

import secrets
import time
from builtins import list as list_of
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from mlops_desk.base.bus import Bus
from mlops_desk.base.caller import current_caller, user_name
from mlops_desk.base.disk.room import available_bytes
from mlops_desk.base.errors import Invalid, NotFound, Refused
from mlops_desk.base.loop import Loop
from mlops_desk.base.text import plain
from mlops_desk.images import room as engine_room
from mlops_desk.images.building import Builds, check_tag, name_of
from mlops_desk.images.neighbours import NeedTelling
from mlops_desk.images.origins import Origins
from mlops_desk.images.pulling import PullParts, Pulls
from mlops_desk.images.reading import build_log
from mlops_desk.images.stock import ImageParts, Stock
from mlops_desk.images.supply import JobSupply
from mlops_desk.images.tasks import TaskBook
from mlops_desk.images.work import ImageWork
from mlops_desk.records.event import ImagesChanged, ImageTaskChanged
from mlops_desk.records.images.card import ImageCard, ImageRoom, ImageUser, PrunePreview, UserKind, VolumeCard
from mlops_desk.records.images.task import ImageTask, TaskKind, TaskState
from mlops_desk.records.jobs.job import LOCAL_RUNTIME
from mlops_desk.verbs.declaration import check_limit
from mlops_desk.verbs.images import LONGEST_WAIT_SECONDS

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
