"""A capsule made whole at a job's start and end, in a small world of doubles."""

import hashlib
import logging
import os
from dataclasses import replace

import pytest

from mlops_desk.gpus.records.usage import GpuSpent, JobUsage
from mlops_desk.jobs.provenance import data_identity
from mlops_desk.jobs.provenance.completion import Completion, Outside, run_tags
from mlops_desk.jobs.provenance.packages import PackageLists
from mlops_desk.jobs.provenance.rerun import Repeating
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.provenance import (
    Capsule,
    DataIdentity,
    Difference,
    GitIdentity,
    Hardware,
    ImageIdentity,
    Repeat,
)
from mlops_desk.jobs.records.spec import JobSpec, Mount
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.runtimes.runtime import Makings
from mlops_desk.kit.base.errors import TimedOut, Unavailable
from mlops_desk.kit.storage.state import State
from mlops_desk.kit.verbs.access import SingleUser

PACKAGES = "# python 3.11\nnumpy==2.0\n"
IMAGE = ImageIdentity("sha256:1", "img@sha256:2", ("sha256:3",), "linux/amd64")
MADE = Makings(IMAGE, PACKAGES, {"engine": "Docker 26"}, 1.5, 4096)
ON = Hardware("550.1", {"kernel": "6.1"}, ("H100",), {})


class World:
    """Records, one runtime, and whom the facts are told to; hands work at once."""

    def __init__(self, root):
        self.state = State(root / "state.db")
        self.announced = []
        self.book = JobBook(self.state.jobs, self.announced.append)
        self.makings_now = MADE
        self.told = []
        self.away = False
        self.root = root
        self.completion = self.made()

    def made(self):
        repeating = Repeating(self.book, SingleUser(os.getuid()), None)
        outside = Outside(lambda gpus: replace(ON, gpu_models=("H100",) * len(gpus)), self.spent, self.tell)
        return Completion(
            self.book, self, PackageLists(self.root / "packages"), outside, lambda _name, work: work(), repeating.told
        )

    def named(self, _name):
        return self

    def makings(self, _job, _attempt):
        if isinstance(self.makings_now, Exception):
            raise self.makings_now
        return self.makings_now

    def spent(self, _gpu, start, end):
        return GpuSpent(0.5, 10.0 * (end - start), True, 8, 0.0)

    def tell(self, run_id, tags, data):
        if self.away:
            raise Unavailable("The tracking server does not answer.")
        self.told.append((run_id, dict(tags), list(data)))

    def put(self, state=JobState.RUNNING, **fields):
        attempt = Attempt(1, "j-a1", "c", state, ("GPU-a",), 10.0, 20.0 if state.is_final else None)
        job = Job("j", "train", state, JobSpec("train", "img"), 1.0, os.getuid(), "anna", attempts=(attempt,),
                  started_at=10.0, capsule=Capsule(git=GitIdentity("c0ffee")), mlflow_run_id="run")  # fmt: skip
        self.book.restore(replace(job, **fields))

    def hear(self):
        """Hear of everything, and of what comes of it, until nothing more does."""
        for _ in range(20):
            heard, self.announced[:] = list(self.announced), []
            for job in heard:
                self.completion.heard(job)
            if not self.announced:
                return self.book.get("j")
        raise AssertionError("it never comes to rest")


@pytest.fixture
def world(tmp_path):
    world = World(tmp_path)
    yield world
    world.state.close()


def test_at_the_start_it_is_told_what_it_runs_on(world):
    world.put()
    job = world.hear()
    assert job.capsule == Capsule(
        image=IMAGE, git=GitIdentity("c0ffee"), driver="550.1", versions={"engine": "Docker 26", "kernel": "6.1"},
        gpus=("GPU-a",), gpu_models=("H100",),
    )  # fmt: skip
    assert job.usage is None
    ((run_id, tags, data),) = world.told
    assert (run_id, data) == ("run", [])
    assert tags["mlflow.source.git.commit"] == "c0ffee"
    assert tags["mlops_desk.image_digest"] == "img@sha256:2"
    assert tags["mlops_desk.job_id"] == "j"


def test_at_the_end_packages_and_usage_are_told_once(world):
    world.put()
    world.hear()
    world.put(JobState.SUCCEEDED, capsule=world.book.get("j").capsule)
    job = world.hear()
    sha = hashlib.sha256(PACKAGES.encode()).hexdigest()
    assert job.capsule.packages_sha256 == sha
    assert job.usage == JobUsage(10.0, 100.0, True, 8, 0.5, 0.0, 1.5, 4096)
    assert PackageLists(world.root / "packages").read(sha) == PACKAGES
    assert len(world.told) == 2
    assert world.told[-1][1]["mlops_desk.packages_sha256"] == sha
    world.completion.heard(job)
    assert len(world.told) == 2


def test_a_job_that_ended_at_once_or_while_no_agent_looked_is_told_of_all_the_same(world):
    world.put(JobState.FAILED)
    job = world.hear()
    assert job.capsule.image == IMAGE
    assert job.capsule.driver == "550.1"
    assert job.usage.gpu_seconds == 10.0


def test_what_can_not_be_known_stays_unknown_and_holds_nothing_up(world):
    world.makings_now = TimedOut("The engine gave no answer.")
    world.away = True
    world.put()
    world.put(JobState.SUCCEEDED, capsule=world.hear().capsule)
    job = world.hear()
    assert (job.capsule.image, job.capsule.packages_sha256) == (ImageIdentity(), None)
    assert (job.usage.gpu_seconds, job.usage.cpu_seconds) == (10.0, None)
    assert PackageLists(world.root / "packages").read(job.capsule.packages_sha256) is None


def test_what_can_not_be_written_at_the_agents_end_is_no_bug_and_is_told_by_the_next_agent(world, caplog):
    world.put()
    world.hear()
    world.put(JobState.SUCCEEDED, capsule=world.book.get("j").capsule)
    ended = world.book.get("j")
    world.state.close()
    with caplog.at_level(logging.INFO):
        world.completion.heard(ended)
    assert "What job j is made of and used is not written down now" in caplog.text
    world.state = State(world.root / "state.db")
    world.book = JobBook(world.state.jobs, world.announced.append)
    world.completion = world.made()
    world.completion.missed(world.book.newest())
    assert world.book.get("j").usage.gpu_seconds == 10.0


def test_what_a_full_disk_kept_back_is_told_when_the_job_is_heard_of_again(world, monkeypatch):
    world.put(JobState.FAILED)
    change = world.book.change
    monkeypatch.setattr(world.book, "change", lambda *_: (_ for _ in ()).throw(Unavailable("The disk is full.")))
    assert world.hear().usage is None
    monkeypatch.setattr(world.book, "change", change)
    world.completion.heard(world.book.get("j"))
    assert world.book.get("j").usage.gpu_seconds == 10.0


@pytest.mark.slow
def test_of_many_that_were_missed_those_are_told_that_ended_last(world):
    jobs = [
        Job(f"j{n}", "train", JobState.SUCCEEDED, JobSpec("train", "img"), 1.0, 0, "me", ended_at=float(n),
            attempts=(Attempt(1, f"j{n}-a1", "c", JobState.SUCCEEDED, (), 0.0, float(n)),))
        for n in range(60)
    ]  # fmt: skip
    for job in jobs:
        world.book.restore(job)
    handed = []
    world.completion._hand = lambda name, work: handed.append((name, work))
    world.completion.missed(jobs)
    ((name, work),) = handed  # one piece of work: a thread for each would ask the engine and the history all at once
    assert name == "usage-missed"
    work()
    told = {job.id for job in world.book.newest() if job.usage is not None}
    assert told == {f"j{n}" for n in range(10, 60)}


def test_a_start_that_was_not_told_is_told_at_the_end(world):
    world.makings_now = Unavailable("The engine is away.")
    world.put()
    capsule = world.hear().capsule
    world.makings_now = MADE
    world.put(JobState.SUCCEEDED, capsule=replace(capsule, gpus=()))
    assert world.hear().capsule.image == IMAGE


def test_a_job_that_never_ran_has_no_usage(world):
    world.put(JobState.CANCELLED, attempts=(), started_at=None)
    assert world.hear().usage is None
    assert world.told == []


def test_an_attempt_is_looked_at_once_and_the_next_one_anew(world):
    world.put()
    first = world.hear()
    world.completion.heard(first)
    assert len(world.told) == 1
    second = Attempt(2, "j-a2", "c", JobState.RUNNING, ("GPU-b",), 30.0)
    world.put(attempts=(*first.attempts, second), capsule=first.capsule)
    assert world.hear().capsule.gpus == ("GPU-b",)


def test_data_are_looked_at_as_the_submitter_and_told_to_the_run(world, tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    (data / "a.csv").write_text("1\n")
    mounts = (Mount(str(data), "/data"), Mount(str(tmp_path), "/out", "rw"), Mount(str(tmp_path / "gone"), "/gone"))
    world.put(spec=JobSpec("train", "img", mounts=mounts))
    job = world.hear()
    known, gone = job.capsule.data
    assert (known.target, known.source, known.files, known.size_bytes) == ("/data", str(data), 1, 2)
    assert gone == DataIdentity("/gone", str(tmp_path / "gone"))
    assert world.told[-1][2] == [known]


def test_data_that_can_not_be_looked_at_in_time_are_unknown(world, tmp_path, monkeypatch):
    monkeypatch.setattr(data_identity, "_WORKER", "mlops_desk.no_such_module")
    world.put(spec=JobSpec("train", "img", mounts=(Mount(str(tmp_path), "/data"),)))
    assert world.hear().capsule.data == (DataIdentity("/data", str(tmp_path)),)


def test_a_repetition_says_how_it_drifted_once_it_runs(world):
    first = Job("first", "train", JobState.SUCCEEDED, JobSpec("train", "img"), 1.0, 0, "me",
                capsule=Capsule(driver="440", image=IMAGE), usage=JobUsage())  # fmt: skip
    world.book.restore(first)
    world.put(repeat=Repeat("first"))
    assert world.hear().repeat.differs == (Difference("capsule.driver", "440", "550.1"),)


def test_nvidias_libraries_inside_are_versions(world):
    world.makings_now = replace(MADE, packages="# python 3.11\n# cudnn 9.1\n# nccl 2.2\n# evil 1\nnumpy==2.0\n")
    world.put(JobState.SUCCEEDED)
    versions = world.hear().capsule.versions
    assert versions == {"engine": "Docker 26", "kernel": "6.1", "cudnn inside": "9.1", "nccl inside": "2.2"}


def test_a_list_of_packages_that_can_not_be_kept_is_still_compared(world, tmp_path):
    (tmp_path / "packages").write_text("no folder")
    world.put(JobState.SUCCEEDED)
    job = world.hear()
    assert job.capsule.packages_sha256 == hashlib.sha256(PACKAGES.encode()).hexdigest()
    assert PackageLists(world.root / "packages").read(job.capsule.packages_sha256) is None


def test_usage_of_what_runs_is_told_live(world):
    world.put()
    job = world.hear()
    usage = world.completion.usage_now(replace(job, attempts=(replace(job.attempts[0], ended_at=12.0),)))
    assert (usage.gpu_seconds, usage.energy_joules) == (2.0, 20.0)
    queued = replace(job, attempts=())
    assert world.completion.usage_now(queued) is None
    done = replace(job, usage=JobUsage(gpu_seconds=1.0))
    assert world.completion.usage_now(done) == JobUsage(gpu_seconds=1.0)


def test_tags_say_nothing_of_what_is_not_known():
    job = Job("j", "train", JobState.RUNNING, JobSpec("train", "img"), 1.0, 0, "anna")
    assert run_tags(job) == {"mlops_desk.job_id": "j", "mlops_desk.user": "anna", "mlops_desk.image": "img"}
    clean = replace(job, capsule=Capsule(git=GitIdentity("c", dirty=False), seed=0))
    assert run_tags(clean)["mlops_desk.git_dirty"] == "false"
    assert run_tags(clean)["mlops_desk.seed"] == "0"
