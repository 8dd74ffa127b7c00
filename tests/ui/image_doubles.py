"""Images of the scripted agent: some that are needed and some that are not, and pulls and builds that a test moves."""

from __future__ import annotations

import builtins
import hashlib
import time
from collections.abc import Iterator
from dataclasses import replace

from service_double import Service

from mlops_desk.engines.records.image import (
    ImageCard,
    ImageRoom,
    ImageUser,
    PruneItem,
    PrunePreview,
    UserKind,
    VolumeCard,
)
from mlops_desk.engines.records.task import BuildStep, ImageTask, LayerProgress, LayerState, TaskKind, TaskState
from mlops_desk.kit.base.errors import NotFound, Refused
from mlops_desk.machine.records import event as events

GIB, MIB = 1 << 30, 1 << 20


def id_of(number: int) -> str:
    return f"sha256:{hashlib.sha256(str(number).encode()).hexdigest()}"


class Images(Service):
    def list(self, engine: str | None = None) -> builtins.list[ImageCard]:
        return [one for one in self._double.images_by_id.values() if one.engine == (engine or "local")]

    def show(self, image_id: str, engine: str | None = None) -> ImageCard:
        if image_id not in self._double.images_by_id:
            raise NotFound("There is no such image.", "List them.")
        return self._double.images_by_id[image_id]

    def pull(self, reference: str, engine: str | None = None) -> ImageTask:
        number = len(self._double.image_tasks_by_id)
        task = task_record(f"t{number}", reference, engine=engine or "local", started_at=time.time())
        return self._double.put_image_task(task)

    def build(self, folder: str = ".", tag: str = "", file: str = "Dockerfile", engine: str | None = None) -> ImageTask:
        self._double.built.append((folder, tag, file, engine))
        number = len(self._double.image_tasks_by_id)
        task = task_record(f"t{number}", tag or "named-after-it", TaskKind.BUILD, started_at=time.time(),
                           step=BuildStep(1, 3, "FROM python:3.12-slim"))  # fmt: skip
        return self._double.put_image_task(task)

    def tasks(self, limit: int = 50) -> builtins.list[ImageTask]:
        return list(self._double.image_tasks_by_id.values())[:limit]

    def logs(self, task_id: str, *, follow: bool = False) -> Iterator[str]:
        yield from ("Step 1/3 : FROM python:3.12-slim", "Step 2/3 : RUN pip install torch", "Collecting torch")

    def cancel(self, task_id: str) -> ImageTask:
        task = self._double.image_tasks_by_id[task_id]
        return self._double.put_image_task(replace(task, state=TaskState.CANCELLED, ended_at=time.time()))

    def remove(self, image_id: str, engine: str | None = None) -> ImageCard:
        image = self._double.images_by_id[image_id]
        if image.used_by:
            raise Refused(f"{image.name} is needed.", "Stop what needs it.")
        del self._double.images_by_id[image_id]
        self._double.announce(events.ImagesChanged(image.engine))
        return image

    def preview(self, unused_seconds: float = 0.0, engine: str | None = None) -> PrunePreview:
        self._double.previewed.append(unused_seconds)
        images = [one for one in self._double.images_by_id.values() if one.engine == (engine or "local")]
        going = [one for one in images if not one.used_by and one.origin and unused_seconds < 86_400 * 20]
        staying = [one for one in images if one not in going]
        return PrunePreview(
            tuple(PruneItem(one.id, one.name, "unused", "nothing needs it", one.size_bytes, one.own_bytes) for one in going),
            tuple(
                PruneItem(one.id, one.name, "used" if one.used_by else "foreign",
                          f"{one.used_by[0].name} needs it" if one.used_by else "this desk did not bring it",
                          one.size_bytes, one.own_bytes, one.used_by)
                for one in staying
            ),
            sum(one.own_bytes or 0 for one in going),
            unused_seconds,
        )  # fmt: skip

    def prune(
        self, images: builtins.list[str] | None = None, unused_seconds: float = 0.0, engine: str | None = None
    ) -> PrunePreview:
        self._double.pruned.append((images, unused_seconds, engine))
        found = self.preview(unused_seconds, engine)
        going = tuple(one for one in found.going if images is None or one.id in images)
        for one in going:
            del self._double.images_by_id[one.id]
        self._double.announce(events.ImagesChanged("local"))
        return replace(found, going=going, freed_bytes=sum(one.own_bytes or 0 for one in going), applied=True)

    def volumes(self, engine: str | None = None) -> builtins.list[VolumeCard]:
        return list(self._double.volumes)

    def room(self, engine: str | None = None) -> ImageRoom:
        return self._double.image_room


def some_images() -> list[ImageCard]:
    now = time.time()
    job = ImageUser(UserKind.JOB, "7c1d2e3f4a5b", "resnet50", "running", "ana")
    waits = ImageUser(UserKind.QUEUED_JOB, "9e3f4a5b6c7d", "sweep-lr-0.3", "queued", "ana")
    endpoint = ImageUser(UserKind.ENDPOINT, "digits", "digits", "live", "bo")
    container = ImageUser(UserKind.CONTAINER, "f00d", "jupyter-chen", "exited", "chen")
    return [
        ImageCard(id_of(1), ("registry.lab/train:24.10",), (f"registry.lab/train@{id_of(101)}",), 9 * GIB, 4 * GIB, 5 * GIB,
                  now - 86_400 * 12, "linux/amd64", {"org.opencontainers.image.source": "git.lab/train"}, (job, waits),
                  "pulled", now - 86_400 * 3, 1000, "ana"),
        ImageCard(id_of(2), ("mlops-desk/ep-digits:3", "mlops-desk/ep-digits:latest"), (), 900 * MIB, 120 * MIB, 780 * MIB,
                  now - 86_400, "linux/amd64", {}, (endpoint,), "built", now - 86_400, 1000, "ana"),
        ImageCard(id_of(3), ("python:3.12-slim",), (f"python@{id_of(103)}",), 130 * MIB, 130 * MIB, 0, now - 86_400 * 40,
                  "linux/amd64", {}, (), "pulled", now - 86_400 * 9, 1000, "bo"),
        ImageCard(id_of(4), (), (), 2 * GIB, 300 * MIB, 1748 * MIB, now - 86_400 * 2, "linux/amd64", {}, (), "built",
                  now - 86_400 * 2, 1000, "ana"),
        ImageCard(id_of(5), ("jupyter/datascience-notebook:2026-10-06",), (f"jupyter/x@{id_of(105)}",), 4 * GIB, 4 * GIB, 0,
                  now - 86_400 * 50, "linux/amd64", {}, (container,)),
        ImageCard(id_of(6), ("postgres:17",), (f"postgres@{id_of(106)}",), 430 * MIB, None, None, now - 86_400 * 70,
                  "linux/amd64"),
    ]  # fmt: skip


def task_record(
    identifier: str,
    reference: str,
    kind: TaskKind = TaskKind.PULL,
    state: TaskState = TaskState.RUNNING,
    **more: object,
) -> ImageTask:
    given = {"started_at": time.time() - 42, **more}
    return ImageTask(identifier, kind, reference, state, 1000, "ana", **given)


def pulling(identifier: str = "p1", done: int = 2 * GIB, **more: object) -> ImageTask:
    """Return a pull that is half through, with a layer in each state."""
    layers = (
        LayerProgress("a1" * 6, LayerState.PRESENT), LayerProgress("b2" * 6, LayerState.DONE, 60 * MIB, 60 * MIB),
        LayerProgress("c3" * 6, LayerState.EXTRACTING, 500 * MIB, 1000 * MIB),
        LayerProgress("d4" * 6, LayerState.DOWNLOADING, 1464 * MIB, 2600 * MIB), LayerProgress("e5" * 6, LayerState.WAITING),
    )  # fmt: skip
    given = {
        "layers": layers, "layers_done": 2, "layers_count": 5, "done_bytes": done, "total_bytes": 4 * GIB,
        "bytes_per_second": 84e6, "eta_seconds": 26.0, "free_bytes": 310 * GIB, **more,
    }  # fmt: skip
    return task_record(identifier, "pytorch/pytorch:2.4.0-cuda12.4-cudnn9-runtime", **given)


def some_volumes() -> list[VolumeCard]:
    user = ImageUser(UserKind.CONTAINER, "f00d", "jupyter-chen", "exited")
    return [VolumeCard("hf-cache", "local", 42 * GIB, time.time() - 900_000, (user,)), VolumeCard("pgdata", "local")]


def some_room() -> ImageRoom:
    return ImageRoom(120 * GIB, 18 * GIB, 42 * GIB, 310 * GIB, "/var/lib/docker")
