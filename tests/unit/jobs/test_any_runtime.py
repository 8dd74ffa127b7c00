"""Jobs on a runtime that is no engine of this machine: a cluster that queues by itself.

Nothing of jobs knows of containers, so what holds on an engine holds here: neither lost nor doubled, and unknown is
never failed.
"""

import contextlib
import math

import pytest

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Build, JobSpec, Resources
from mlops_desk.jobs.repository import JobBook
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.jobs.runtimes.table import Runtimes
from mlops_desk.jobs.service import JobsService
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.storage.state import State
from tests.fake_runtime import FakeRuntime
from tests.unit.jobs.test_kill import Killed, Tripwire, Watched

TEXT = "apiVersion: mlops-desk/v1\nkind: Job\nname: a\nimage: img\ncommand: [train]\n"
PROGRAMS = {
    "train": ScriptedProgram(lines=("epoch 1", "done")),
    "fail": ScriptedProgram(exit_code=3, lines=("ValueError: x",)),
    "forever": ScriptedProgram(seconds=math.inf, lines=("one",)),
    "refused": ScriptedProgram(start_error="no such partition"),
}


class Named(Watched):
    """A part whose every call is a moment to be killed at; its name is no call."""

    @property
    def name(self):
        return self._inner.name


class Site:
    """A state database and clusters; ``agent`` begins a new agent on them, with a runner for each cluster."""

    def __init__(self, root, *names):
        self.root = root
        self.clusters = {name: FakeRuntime(name, images=["img"], programs=PROGRAMS, gpus=8) for name in names}
        self._state = None
        self._jobs = 0
        self.agent()

    def agent(self, around=lambda part: part):
        if self._state is not None:
            self._state.close()
        self._state = State(self.root / "state.db")
        self.book = JobBook(around(self._state.jobs), lambda _job: None)
        runs = JobRuns(self.root / "owed", lambda *_: None, lambda *_: None, lambda _is_current: None)
        self.runners = {
            name: Runner(self.book, around(cluster), runs, lambda _name, work: work())
            for name, cluster in self.clusters.items()
        }

    def submit(self, *command, on, gpus=0):
        self._jobs += 1
        spec = JobSpec("train", "img", command, resources=Resources(gpus=gpus))
        job = Job(f"{self._jobs:012x}", "train", JobState.QUEUED, spec, float(self._jobs), 0, "me", "img", runtime=on)
        return self.book.add(job).id

    def tick(self, times=1):
        for _ in range(times):
            for runner in self.runners.values():
                runner._hands.forget_pause()
                runner._sweep_due = 0.0
                runner.tick()

    def run(self, job_id):
        for _ in range(8):
            self.tick()
            if self.book.get(job_id).state.is_final:
                break
        self.tick()
        return self.book.get(job_id)

    def close(self):
        self._state.close()


@pytest.fixture
def site(tmp_path):
    site = Site(tmp_path, "slurm")
    yield site
    site.close()


def test_a_job_runs_on_a_cluster_and_its_record_says_where(site):
    job = site.run(site.submit("train", on="slurm", gpus=2))
    assert (job.state, job.exit_code, job.runtime, job.container) == (JobState.SUCCEEDED, 0, "slurm", "")
    (attempt,) = job.attempts
    assert (attempt.runtime, attempt.handle, job.handle) == ("slurm", f"slurm/{job.id}-a1", f"slurm/{job.id}-a1")
    assert site.clusters["slurm"].survey() == []


@pytest.mark.parametrize("only", [True, False])
def test_of_an_image_that_is_only_built_nothing_is_started(site, only):
    spec = JobSpec("image", "localhost/built", ("train",), build=Build("/code", only=only))
    job = site.book.add(Job("b" * 12, "image", JobState.QUEUED, spec, 1.0, 0, "me", runtime="slurm"))
    ended = site.run(job.id)
    assert (ended.state, ended.image_id, len(ended.attempts)) == (JobState.SUCCEEDED, "localhost/built", int(not only))
    assert ended.ended_at is not None
    assert site.clusters["slurm"].survey() == []


@pytest.mark.parametrize("only", [True, False])
def test_an_image_that_can_not_be_built_fails_the_job_that_only_builds_it(site, only):
    site.clusters["slurm"].build_error = Reason("build_failed", "The build failed.")
    spec = JobSpec("image", "localhost/built", build=Build("/code", only=only))
    job = site.book.add(Job("b" * 12, "image", JobState.QUEUED, spec, 1.0, 0, "me", runtime="slurm"))
    assert site.run(job.id).state is JobState.FAILED


@pytest.mark.parametrize(("command", "class_"), [("fail", "exit_nonzero"), ("refused", "start_failed")])
def test_failures_have_the_classes_that_they_have_on_an_engine(site, command, class_):
    job = site.run(site.submit(command, on="slurm"))
    assert (job.state, job.reason.class_) == (JobState.FAILED, class_)


def test_what_waits_in_the_clusters_own_queue_is_starting_and_can_be_cancelled(site):
    site.clusters["slurm"].room = 1
    first, second = site.submit("forever", on="slurm"), site.submit("forever", on="slurm")
    site.tick(3)
    assert [site.book.get(one).state for one in (first, second)] == [JobState.RUNNING, JobState.STARTING]
    site.runners["slurm"].cancel(second)
    job = site.run(second)
    assert (job.state, job.reason.class_, job.started_at) == (JobState.CANCELLED, "cancelled", None)
    assert [seen.job_id for seen in site.clusters["slurm"].survey()] == [first]


def test_what_has_waited_runs_once_there_is_room(site):
    site.clusters["slurm"].room = 1
    first, second = site.submit("forever", on="slurm"), site.submit("train", on="slurm")
    site.tick(3)
    site.runners["slurm"].cancel(first)
    assert site.run(first).state is JobState.CANCELLED
    assert site.run(second).state is JobState.SUCCEEDED
    assert len(site.clusters["slurm"].starts) == 2


def test_what_the_cluster_has_lost_is_unknown_and_never_placed_again(site):
    job_id = site.submit("forever", on="slurm")
    site.tick(2)
    site.clusters["slurm"]._placed.clear()
    job = site.run(job_id)
    assert (job.state, len(job.attempts), len(site.clusters["slurm"].starts)) == (JobState.UNKNOWN, 1, 1)


def test_an_attempt_whose_record_was_lost_is_taken_up_with_its_runtime(site):
    job_id = site.submit("forever", on="slurm")
    site.tick(2)
    site._state.close()
    site._state = None
    for file in site.root.glob("state.db*"):
        file.unlink()
    site.agent()
    site.tick(2)
    job = site.book.get(job_id)
    assert (job.state, job.orphan, job.runtime, job.handle) == (JobState.RUNNING, True, "slurm", f"slurm/{job_id}-a1")
    assert len(site.clusters["slurm"].starts) == 1


@pytest.mark.slow
def test_killed_at_every_step_neither_loses_nor_doubles(tmp_path_factory):
    moments = 0
    while True:
        site = Site(tmp_path_factory.mktemp("site"), "slurm")
        tripwire = Tripwire(moments)
        try:
            job_id = site.submit("train", on="slurm")
            with contextlib.suppress(Killed):
                site.agent(lambda part, tripwire=tripwire: Named(part, tripwire))
                site.tick(4)
            site.agent()
            job = site.run(job_id)
            assert (job.state, len(job.attempts)) == (JobState.SUCCEEDED, 1), moments
            assert len(site.clusters["slurm"].starts) == 1, moments
            assert site.clusters["slurm"].survey() == [], moments
        finally:
            site.close()
        if not tripwire.tripped:
            break
        moments += 1
    assert moments > 20


def test_one_runtime_that_does_not_answer_holds_up_no_other(tmp_path):
    site = Site(tmp_path, "near", "far")
    try:
        away, here = site.submit("train", on="far"), site.submit("train", on="near")
        site.clusters["far"].absent = True
        assert site.run(here).state is JobState.SUCCEEDED
        waits = site.book.get(away)
        assert (waits.state, waits.reason.class_) == (JobState.BLOCKED, "engine_unavailable")
        site.clusters["far"].absent = False
        assert site.run(away).state is JobState.SUCCEEDED
    finally:
        site.close()


def test_a_runtime_that_hangs_holds_up_no_other(tmp_path, monkeypatch):
    """With real threads: each runtime is looked at by one of its own."""
    monkeypatch.setattr("mlops_desk.jobs.run.runner._TICK_SECONDS", 0.05)
    near = FakeRuntime("near", images=["img"], programs=PROGRAMS)
    far = FakeRuntime("far", images=["img"], programs=PROGRAMS)
    folder, loop = DataFolder(tmp_path / "data"), Loop("test")
    folder.make()
    state = State(folder.state_database)
    with far._lock:
        jobs = JobsService(
            folder, state, Bus(), loop, Runtimes([near, far]), lambda *_: None, lambda *_: None, lambda _: None
        )
        jobs.start()
        job = jobs.submit(TEXT)
        assert job.runtime == "near"
        for _ in range(1000):
            if jobs.show(job.id).state is JobState.SUCCEEDED:
                break
            loop.ending.wait(0.02)
        assert jobs.show(job.id).state is JobState.SUCCEEDED
    jobs.stop()
    loop.stop(10.0)
    state.close()


@pytest.fixture
def two(tmp_path):
    """The verbs about jobs on two clusters, of which the first is meant where none is named."""
    folder, loop = DataFolder(tmp_path / "data"), Loop("test")
    folder.make()
    state = State(folder.state_database)
    runtimes = Runtimes([FakeRuntime(name, images=["img"], programs=PROGRAMS) for name in ("near", "far")])
    jobs = JobsService(folder, state, Bus(), loop, runtimes, lambda *_: None, lambda *_: None, lambda _: None)
    yield jobs
    jobs.stop()
    loop.stop(10.0)
    state.close()


def test_a_job_is_sent_where_it_is_told_and_goes_there_again(two):
    assert two.submit(TEXT).runtime == "near"
    job = two.submit(TEXT, runtime="far")
    assert (job.runtime, two.show(job.id).runtime) == ("far", "far")
    assert two.resubmit(job.id, {}, "rule").runtime == "far"
    with pytest.raises(NotFound, match="no engine called moon") as told:
        two.submit(TEXT, runtime="moon")
    assert told.value.hint == "There are: near, far."


def test_a_job_whose_runtime_is_named_no_more_says_so_and_stays_as_it_is(tmp_path):
    site = Site(tmp_path, "far")
    job_id = site.submit("forever", on="far")
    site.tick(2)
    folder, loop = DataFolder(tmp_path / "data"), Loop("test")
    folder.make()
    jobs = JobsService(
        folder, site._state, Bus(), loop, Runtimes([FakeRuntime("near")]), lambda *_: None, lambda *_: None,
        lambda _: None,
    )  # fmt: skip
    try:
        jobs.start()
        (told,) = jobs.list()
        assert (told.id, told.state, told.reason.class_) == (job_id, JobState.RUNNING, "runtime_unavailable")
        assert "far" in told.reason.text
        with pytest.raises(Unavailable, match="far"):
            list(jobs.logs(job_id))
        assert jobs.cancel(job_id).cancel_requested
    finally:
        jobs.stop()
        loop.stop(10.0)
        site.close()


def test_records_from_before_runtimes_had_names_are_of_this_machines_engine():
    attempt = wire.loads('{"number": 1, "id": "j-a1", "container": "mld-x-j-a1", "state": "running"}', Attempt)
    assert (attempt.runtime, attempt.handle) == ("local", "mld-x-j-a1")
    text = (
        '{"id": "j", "name": "n", "state": "running", "spec": {"name": "n", "image": "i"}, "submitted_at": 1.0,'
        ' "submitted_by": 0, "user": "me", "container": "mld-x-j-a1"}'
    )
    job = wire.loads(text, Job)
    assert (job.runtime, job.handle) == ("local", "mld-x-j-a1")
    assert wire.loads(wire.dumps(job), Job) == job
