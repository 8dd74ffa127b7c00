"""The look at each running job: what is asked of others, what is told, and who is left out."""

import os
import time
from dataclasses import replace

import pytest

from mlops_desk.gpus.records.usage import GpuSpent
from mlops_desk.jobs.progress.reader import ProgressReader
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.job_activity import LiveUse
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobKind, JobSpec, Resources
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.progress import Followed
from mlops_desk.jobs.stall_detection import watchdog
from mlops_desk.jobs.stall_detection.watchdog import StuckJobs, StuckParts
from mlops_desk.kit.base.errors import Unavailable
from mlops_desk.kit.storage.state import State


class World:
    """A job with two GPUs that has run for hours; ``pass_minutes`` lets time go by, as its looks see it."""

    def __init__(self, root, monkeypatch):
        self.state = State(root / "state.db")
        self.moved = []
        self.book = JobBook(self.state.jobs, lambda _job: None, self.moved.append)
        self.minutes, self.clock = 15, time.time()
        self.ratio, self.watts, self.cpus = 0.9, 300.0, 2.0
        self.metrics = {"loss": 0.5}
        self.asked = []
        self.idle = {}
        self.watched = []
        self.followed = Followed(ProgressReader())
        monkeypatch.setattr(watchdog.time, "time", lambda: self.clock)
        monkeypatch.setattr(watchdog.time, "monotonic", lambda: self.clock)
        parts = StuckParts(
            lambda: self.minutes, lambda _job: self.followed, self.spent, self.told_metrics, lambda: self.idle,
            lambda jobs: self.watched.append(list(jobs)),
        )  # fmt: skip
        self.jobs = StuckJobs(self.book, parts)
        self.steps = 0

    def spent(self, gpu, start, end):
        self.asked.append((gpu, round(end - start)))
        if isinstance(self.ratio, Exception):
            raise self.ratio
        return GpuSpent(self.ratio, self.watts * (end - start))

    def told_metrics(self, run_id):
        assert run_id == "run-1"
        if isinstance(self.metrics, Exception):
            raise self.metrics
        return self.metrics

    def run(self, *, kind=JobKind.TRAINING, run_id=None, gpus=("GPU-a", "GPU-b"), ran=7200.0, **fields):
        spec = JobSpec("train", "img", resources=Resources(gpus=len(gpus)), kind=kind)
        attempt = Attempt(1, "j-a1", "c", JobState.RUNNING, gpus, self.clock - ran)
        job = Job("j", "train", JobState.RUNNING, spec, 1.0, os.getuid(), "anna", attempts=(attempt,), gpus=gpus)
        self.book.restore(replace(job, mlflow_run_id=run_id, **fields))

    def pass_minutes(self, count, *, writes=False):
        for _ in range(count):
            self.clock += 60.0
            if writes:
                self.steps += 1
                self.followed.reader.feed(b"step %d/1000 loss: 0.5\n" % self.steps, self.clock)
                self.followed.heard += 1
                self.followed.progress = self.followed.reader.progress()
            live = None if self.cpus is None else LiveUse(self.clock, self.cpus)
            self.book.move("j", lambda job, live=live: replace(job, live=live))
            self.jobs.look()

    def hang(self):
        self.ratio, self.watts, self.cpus = 0.0, 60.0, 0.0

    @property
    def stuck(self):
        return self.book.get("j").stuck


@pytest.fixture
def world(tmp_path, monkeypatch):
    world = World(tmp_path, monkeypatch)
    yield world
    world.state.close()


def test_one_that_hangs_is_told_and_not_any_more_when_it_goes_on(world):
    world.run()
    world.pass_minutes(30, writes=True)
    assert world.stuck is None
    world.hang()
    world.pass_minutes(25)
    assert [sign.kind for sign in world.stuck.signs] == ["silent", "progress", "gpu_flat", "cpu_flat"]
    assert world.stuck.signs[1].quote == "step 30/1,000"
    assert world.watched[-1][0].stuck is world.stuck
    assert world.moved[-1].stuck is world.stuck
    world.ratio, world.watts, world.cpus = 0.9, 300.0, 2.0
    world.pass_minutes(1, writes=True)
    assert world.stuck is None
    assert world.watched[-1][0].stuck is None
    assert {gpu for gpu, _ in world.asked} == {"GPU-a", "GPU-b"}  # its own, and no other


def test_what_its_gpus_did_for_another_job_before_is_not_its_own(world):
    world.run(ran=-59.5)
    world.pass_minutes(1)
    assert world.asked == []  # half a second tells nothing
    world.pass_minutes(2)
    assert [seconds for _, seconds in world.asked] == [60, 60, 120, 120]


def test_nothing_ends_it(world):
    world.run()
    world.pass_minutes(30, writes=True)
    world.hang()
    world.pass_minutes(200)
    job = world.book.get("j")
    assert (job.state, job.cancel_requested, job.attempts[-1].stopped_for) == (JobState.RUNNING, False, None)


@pytest.mark.parametrize("kind", [JobKind.SESSION, JobKind.SHELL, JobKind.PROCESS])
def test_sessions_shells_and_processes_are_left_out(world, kind):
    world.run(kind=kind)
    world.pass_minutes(30, writes=True)
    world.hang()
    world.pass_minutes(60)
    assert world.stuck is None
    assert world.watched[-1][0].stuck_known


def test_one_that_is_ending_is_left_out(world):
    world.run(cancel_requested=True)
    world.pass_minutes(30, writes=True)
    world.hang()
    world.pass_minutes(60)
    assert world.stuck is None
    job = world.book.get("j")
    stopping = replace(job.attempts[-1], stopped_for=Reason("timeout", "x"))
    world.book.restore(replace(job, cancel_requested=False, attempts=(stopping,)))
    world.pass_minutes(60)
    assert world.stuck is None


def test_with_0_minutes_nobody_is_told(world):
    world.run()
    world.pass_minutes(30, writes=True)
    world.hang()
    world.pass_minutes(25)
    assert world.stuck is not None
    world.minutes = 0
    world.pass_minutes(1)
    assert world.stuck is None


def test_a_history_that_does_not_answer_makes_nobody_stuck(world):
    world.run()
    world.pass_minutes(30, writes=True)
    world.hang()
    world.ratio = Unavailable("The history does not answer.")
    world.pass_minutes(40)
    assert world.stuck is None


def test_what_it_takes_is_believed_only_while_it_is_new(world):
    world.run()
    world.pass_minutes(30, writes=True)
    world.hang()
    world.cpus = 0.0
    world.pass_minutes(1)
    stale = world.book.get("j").live
    for _ in range(40):
        world.clock += 60.0
        world.book.move("j", lambda job: replace(job, live=stale))
        world.jobs.look()
    assert world.stuck is None


def test_a_loss_that_its_run_was_told_is_none(world):
    world.run(run_id="run-1")
    world.metrics = {"train/loss": float("nan"), "acc": 0.5}
    world.pass_minutes(4)
    assert world.stuck is None
    world.pass_minutes(30)
    assert world.stuck.signs[0].quote == "metric train/loss = nan"
    world.metrics = Unavailable("The server does not answer.")
    world.pass_minutes(6)
    assert world.stuck is not None  # who does not answer takes nothing back
    world.metrics = {"train/loss": 0.5}
    world.pass_minutes(6)
    assert world.stuck is None


@pytest.mark.parametrize(
    "name", ["val_loss", "eval/loss", "valid.loss", "best_loss", "glossary", "accuracy", "test-loss"]
)
def test_other_metrics_are_no_training_loss(world, name):
    world.run(run_id="run-1")
    world.metrics = {name: float("inf")}
    world.pass_minutes(40)
    assert world.stuck is None


def test_what_an_earlier_agent_heard_is_taken_up(world):
    world.run()
    world.followed.recalled = tuple(world.clock - 600.0 + 30.0 * number for number in range(20))
    world.hang()
    world.ratio = 0.5  # of its hours before
    world.jobs.look()
    world.ratio = 0.0
    world.pass_minutes(25)
    assert world.stuck is not None


def test_who_holds_gpus_without_use_is_handed_on(world):
    world.run()
    world.idle = {"j-a1": 30, "other-a1": 60}
    world.pass_minutes(1)
    (watch,) = world.watched[-1]
    assert (watch.id, watch.container, watch.idle_minutes, watch.stuck_known) == ("j", "c", 30, False)
    world.pass_minutes(15)
    assert world.watched[-1][0].stuck_known
    world.book.change("j", lambda job: replace(job, state=JobState.SUCCEEDED))
    world.jobs.look()
    assert world.watched[-1] == []
