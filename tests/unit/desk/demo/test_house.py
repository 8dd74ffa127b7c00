"""The simulated workstation behaves as the real one where a person would notice."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_desk.base.disk.paths import DataFolder
from mlops_desk.base.loop import Loop
from mlops_desk.desk import open_desk
from mlops_desk.desk.demo.house import DemoDesk
from mlops_desk.records.job import JobState


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[DemoDesk]:
    folder, loop = DataFolder(tmp_path / "demo"), Loop("test")
    folder.make()
    desk = open_desk(folder, loop, demo=True)
    assert isinstance(desk, DemoDesk)
    desk.start()
    yield desk
    desk.stop()
    loop.stop(10.0)


def test_a_job_that_is_cancelled_ends_as_cancelled(demo: DemoDesk) -> None:
    def running() -> list[str]:
        return [job.id for job in demo.jobs.list(state="running") if job.name == "train-resnet50"]

    deadline = time.monotonic() + 60
    while not running() and time.monotonic() < deadline:
        time.sleep(0.05)
    number = running()[0]
    demo.jobs.cancel(number)
    while not demo.jobs.show(number).state.is_final and time.monotonic() < deadline:
        time.sleep(0.05)
    assert demo.jobs.show(number).state is JobState.CANCELLED
