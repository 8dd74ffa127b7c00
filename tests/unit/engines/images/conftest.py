"""A small house for images: a fake engine, a real service, and what it announced."""

import contextlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops_desk.engines.fake import FakeEngine
from mlops_desk.engines.images.builds import FrozenContext
from mlops_desk.engines.images.dependents import ImageNeed
from mlops_desk.engines.images.inventory import ImageParts
from mlops_desk.engines.images.service import ImagesService
from mlops_desk.engines.records.task import ImageTask, TaskState
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.errors import NotFound
from mlops_desk.kit.base.loop import Loop
from mlops_desk.machine.records.event import ImageTaskChanged


class Folders:
    """Keeps no copies: a build sees the folder itself."""

    def __init__(self) -> None:
        self.kept: dict[str, Path] = {}

    @contextmanager
    def frozen(self, folder: str, dockerfile: str, uid: int) -> Iterator[FrozenContext]:
        self.kept["0" * 64] = Path(folder)
        yield FrozenContext("0" * 64, Path(folder))

    @contextmanager
    def in_use(self, sha256: str) -> Iterator[FrozenContext]:
        if sha256 not in self.kept:
            raise NotFound("It is not kept any more.")
        yield FrozenContext(sha256, self.kept[sha256])


@dataclass
class House:
    folder: Path
    engine: FakeEngine
    loop: Loop
    needs: list[ImageNeed] = field(default_factory=list)
    told: list[ImageTask] = field(default_factory=list)
    here: bool = False

    def __post_init__(self) -> None:
        self.bus = Bus()
        self.bus.subscribe(ImageTaskChanged, lambda event: self.told.append(event.task))
        parts = ImageParts({"local": self.engine}, lambda _name: self.here, lambda _name: self.needs, Folders())
        self.images = ImagesService(self.folder, self.bus, self.loop, parts)

    def until(self, task_id: str, is_so: Callable[[ImageTask], bool]) -> ImageTask:
        deadline = time.monotonic() + 20
        while not is_so(task := self.images.task(task_id)):
            assert time.monotonic() < deadline, task
            time.sleep(0.01)
        return task

    def heard(self, state: TaskState) -> None:
        """Wait until it was announced that a task is so far."""
        deadline = time.monotonic() + 20
        while not any(task.state is state for task in self.told):
            assert time.monotonic() < deadline, self.told
            time.sleep(0.01)

    def end(self, task_id: str) -> ImageTask:
        return self.until(task_id, lambda task: task.state.is_final)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    loop = Loop("test")
    with contextlib.ExitStack() as stack:
        stack.callback(lambda: loop.stop(5.0))
        yield House(tmp_path / "images", FakeEngine(images=["base:1"]), loop)
