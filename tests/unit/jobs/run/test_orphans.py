"""Containers of ours without a record: after a lost or an older state database they are shown, watched and ended."""

import time
from dataclasses import replace

import pytest

from mlops_desk.engines.engine import ContainerSpec
from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.kit.base.errors import TimedOut, Unavailable

OURS = "mld-cafe0123-0123456789ab-a1"
LABELS = {
    "io.mlops-desk.instance": "cafe0123",
    "io.mlops-desk.job": "0123456789ab",
    "io.mlops-desk.attempt": "0123456789ab-a1",
}


def lose_state(world) -> None:
    """Begin with an empty state database, as after its loss; leases of the dead agent count by their containers."""
    world.restart(lost=True)


def running(world, *command: str) -> Job:
    job_id = world.submit(*command, gpus=1)
    world.tick(2)
    assert world.job(job_id).state is JobState.RUNNING
    return world.job(job_id)


def put(world, name: str = OURS, *, start: bool = True, **labels: str) -> None:
    world.engine.create(ContainerSpec(name, "img", ("forever",), labels=LABELS | labels, gpus=("GPU-b",)))
    if start:
        world.engine.start(name)


def only_job(world) -> Job:
    (job,) = world.book.newest()
    return job


def test_a_running_job_whose_record_was_lost_is_shown_holds_its_gpu_and_can_be_cancelled(world):
    before = running(world, "forever")
    job_id = before.id
    lose_state(world)
    assert world.book.newest() == []
    world.runner.tick()
    job = only_job(world)
    assert (job.id, job.state, job.orphan, job.gpus) == (job_id, JobState.RUNNING, True, before.gpus)
    assert job.name == f"orphan {before.name}"
    assert (job.spec.image, job.spec.resources.gpus, job.image_id) == (before.image_id, 1, before.image_id)
    assert (job.container, job.started_at) == (before.container, world.containers()[0].started_at)
    assert world.leases.held == {f"{job_id}-a1": before.gpus}
    assert world.book.find(before.container).id == job_id
    world.runner.cancel(job_id)
    assert world.run(job_id).state is JobState.CANCELLED
    assert world.containers() == []
    assert world.leases.held == {}


def test_its_gpus_are_given_to_nobody_else(world):
    put(world)
    world.runner.tick()
    second = world.submit("forever", gpus=2)
    world.runner.tick()
    assert world.book.get(second).state is JobState.QUEUED
    assert world.leases.held == {"0123456789ab-a1": ("GPU-b",)}


@pytest.mark.parametrize(
    ("program", "expected"), [(ScriptedProgram(), JobState.SUCCEEDED), (ScriptedProgram(exit_code=3), JobState.FAILED)]
)
def test_one_that_ended_meanwhile_is_judged_by_what_it_left(world, program, expected):
    world.engine.programs["train"] = replace(program, seconds=60.0)
    job_id = running(world, "train").id
    world.engine._clock = lambda: time.time() + 60.0
    lose_state(world)
    world.runner.tick()
    job = world.run(job_id)
    assert (job.state, job.orphan) == (expected, True)
    assert world.containers() == []


def test_one_whose_image_calls_itself_a_probe_is_taken_up_all_the_same(world):
    put(world, **{"io.mlops-desk.probe": "1"})
    world.runner.tick()
    assert only_job(world).state is JobState.RUNNING
    assert [facts.name for facts in world.containers()] == [OURS]


def test_one_that_was_never_started_is_not_started_now(world):
    put(world, start=False)
    world.runner.tick()
    job = only_job(world)
    assert (job.state, job.reason.class_, job.name) == (JobState.CANCELLED, "orphan", "orphan 0123456789ab")
    assert world.engine.starts["0123456789ab"] == 0
    for _ in range(2):
        world.runner._sweep_due = 0.0
        world.runner.tick()
    assert world.containers() == []


def test_an_attempt_later_than_the_record_is_taken_up_by_it_and_not_made_a_second_time(world):
    """As after a restore of a state database from when the job still waited."""
    world.leases.held["another"] = ("GPU-a",)  # which is free again when the older record is back
    job_id = world.submit("forever", gpus=1)
    queued = world.book.get(job_id)
    world.tick(2)
    begun = world.book.get(job_id)
    world.book._put(replace(queued, image_id=begun.image_id))
    world.leases.held.clear()
    world.restart()
    world.runner.tick()
    job = world.book.get(job_id)
    assert (job.state, job.orphan, job.gpus) == (JobState.RUNNING, False, ("GPU-b",))
    assert [attempt.id for attempt in job.attempts] == [f"{job_id}-a1"]
    assert world.engine.starts[job_id] == 1
    assert world.leases.held == {f"{job_id}-a1": begun.gpus}


def test_a_second_attempt_that_the_record_has_never_heard_of_is_taken_up_by_it(world):
    """What is made anew has the first attempt's name, so nothing but the record keeps it from running twice."""
    world.leases.held["another"] = ("GPU-a", "GPU-b")
    job_id = world.submit("forever", gpus=1)
    world.tick(2)
    assert world.job(job_id).state is JobState.QUEUED
    name, attempt = f"mld-cafe0123-{job_id}-a2", f"{job_id}-a2"
    put(world, name, **{"io.mlops-desk.job": job_id, "io.mlops-desk.attempt": attempt})
    world.leases.held.clear()
    world.restart()
    world.runner.tick()
    world.tick(2)
    job = world.book.get(job_id)
    assert (job.state, job.orphan, job.gpus, job.container) == (JobState.RUNNING, False, ("GPU-b",), name)
    assert [one.id for one in job.attempts] == [attempt]
    assert [facts.name for facts in world.containers()] == [name]
    assert world.leases.held == {attempt: ("GPU-b",)}


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        ("somebodys-own", {}),
        ("mld-cafe0123-0123456789ab-a2", {}),
        (OURS, {"io.mlops-desk.job": "0123456789AB"}),
        (OURS, {"io.mlops-desk.job": "../../etc"}),
        (OURS, {"io.mlops-desk.attempt": "0123456789ab-a1x"}),
        (OURS, {"io.mlops-desk.attempt": "other-a1"}),
        (OURS, {"io.mlops-desk.attempt": "1"}),
        (OURS, {"io.mlops-desk.attempt": "0123456789ab-a\u0661"}),
        (OURS, {"io.mlops-desk.attempt": "0123456789ab-a" + "1" * 5000}),
        ("mld-cafe0124-0123456789ab-a1", {"io.mlops-desk.instance": "cafe0124"}),
    ],
)
def test_what_is_no_jobs_container_of_ours_is_left_alone(world, name, labels):
    put(world, name, **labels)
    world.runner.tick()
    assert world.book.newest() == []


def test_a_hostile_name_is_made_plain_and_short(world):
    put(world, **{"io.mlops-desk.name": "x\x1b[31m" + "y" * 500})
    world.runner.tick()
    name = only_job(world).name
    assert name.startswith("orphan x\\x1b[31my")
    assert len(name) < 120


def test_one_that_can_not_be_looked_at_now_is_taken_up_later_and_holds_up_nobody(world, monkeypatch):
    put(world)
    job_id = world.submit("train")
    with monkeypatch.context() as broken:
        real = world.engine.inspect

        def inspect(name):
            if name == OURS:
                raise TimedOut("The engine takes its time.")
            return real(name)

        broken.setattr(world.engine, "inspect", inspect)
        assert world.run(job_id).state is JobState.SUCCEEDED
    world.runner._sweep_due = 0.0
    world.runner.tick()
    assert {job.id for job in world.book.newest()} == {job_id, "0123456789ab"}


def test_a_full_disk_only_puts_it_off(world, monkeypatch):
    put(world)
    with monkeypatch.context() as full:
        full.setattr(world.book, "restore", lambda _job: (_ for _ in ()).throw(Unavailable("No space left.")))
        world.runner.tick()
    assert world.book.newest() == []
    world.runner._sweep_due = 0.0
    world.runner.tick()
    assert only_job(world).state is JobState.RUNNING


def test_each_container_is_looked_up_once(world, monkeypatch):
    put(world)
    world.runner.tick()
    asked = []
    real = world.book._table.get
    monkeypatch.setattr(world.book._table, "get", lambda key: asked.append(key) or real(key))
    for _ in range(3):
        world.runner.tick()
    assert asked == []
