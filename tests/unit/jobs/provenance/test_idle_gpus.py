"""GPUs that are held and not used."""

import os
import time
from dataclasses import replace

import pytest

from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.jobs.provenance.idle_gpus import IdleHolders, IdleParts
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.spec import JobSpec, Resources
from mlops_desk.jobs.repository import JobBook
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.storage.state import State


class World:
    def __init__(self, root):
        self.state = State(root / "state.db")
        self.book = JobBook(self.state.jobs, lambda _job: None)
        self.minutes = 30
        self.busy = {"GPU-a": 0.0, "GPU-b": 0.0}
        self.said = []
        self.taken = []
        self.trouble = None
        parts = IdleParts(lambda: self.minutes, self.spent, self.said.append, self.take_back)
        self.holders = IdleHolders(self.book, parts)

    def spent(self, gpu, start, end):
        assert round(end - start) == self.minutes * 60
        if isinstance(self.busy[gpu], Exception):
            raise self.busy[gpu]
        return GpuSpent(utilization_mean=self.busy[gpu])

    def take_back(self, job, reason):
        if self.trouble is not None:
            raise self.trouble
        self.taken.append((job.id, reason.class_, reason.text))

    def run(self, job_id="j", *, preemptible=False, seconds=3600.0, gpus=("GPU-a",), **fields):
        spec = JobSpec("train", "img", resources=Resources(gpus=len(gpus)), preemptible=preemptible)
        attempt = Attempt(1, f"{job_id}-a1", "c", JobState.RUNNING, gpus, time.time() - seconds)
        job = Job(job_id, "train", JobState.RUNNING, spec, 1.0, os.getuid(), "anna", attempts=(attempt,), gpus=gpus)
        self.book.restore(replace(job, **fields))

    def wait(self, gpus=1):
        spec = JobSpec("next", "img", resources=Resources(gpus=gpus))
        self.book.restore(Job("w", "next", JobState.QUEUED, spec, 2.0, os.getuid(), "bo"))


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.state.close()


def test_who_holds_without_use_is_told_once_and_again_after_use(world):
    world.run(gpus=("GPU-a", "GPU-b"))
    world.holders.look()
    world.holders.look()
    (notice,) = world.said
    assert notice.text == "Job train of anna has held 2 GPUs for 30 min without use."
    assert (notice.level, notice.about, notice.command) == ("warning", ("job", "j"), "mlops-desk jobs cancel j")
    world.busy["GPU-b"] = 0.5
    world.holders.look()
    world.busy["GPU-b"] = 0.0
    world.holders.look()
    assert len(world.said) == 2


def test_a_preemptible_job_gives_way_only_while_others_wait_for_gpus(world):
    world.run(preemptible=True)
    world.wait(gpus=0)
    world.holders.look()
    assert (world.taken, len(world.said)) == ([], 1)
    world.wait()
    world.holders.look()
    assert world.taken == [("j", "preempted", "Its GPUs did nothing for 30 min while other jobs waited for GPUs.")]


def test_one_that_is_not_preemptible_keeps_its_gpus(world):
    world.run()
    world.wait()
    world.holders.look()
    assert (world.taken, len(world.said)) == ([], 1)


@pytest.mark.parametrize(
    "fields",
    [
        {"seconds": 1700.0},
        {"gpus": ()},
        {"cancel_requested": True},
        {"state": JobState.STARTING},
    ],
)
def test_what_is_young_or_ending_or_has_no_gpu_is_left_alone(world, fields):
    world.run(preemptible=True, **fields)
    world.wait()
    world.holders.look()
    assert (world.said, world.taken) == ([], [])


@pytest.mark.parametrize("busy", [0.01, 1.0, None, Unavailable("No history.")])
def test_what_is_used_or_not_known_is_not_idle(world, busy):
    world.run(preemptible=True, gpus=("GPU-a", "GPU-b"))
    world.wait()
    world.busy["GPU-b"] = busy
    world.holders.look()
    assert (world.said, world.taken) == ([], [])


def test_never_is_never(world):
    world.minutes = 0
    world.run(preemptible=True)
    world.wait()
    world.holders.look()
    assert (world.said, world.taken) == ([], [])


def test_what_can_not_be_taken_back_now_is_tried_again(world):
    world.run(preemptible=True)
    world.wait()
    world.trouble = Unavailable("The engine is away.")
    world.holders.look()
    world.trouble = None
    world.holders.look()
    assert len(world.taken) == 1
