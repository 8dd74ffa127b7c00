"""The queue as it is served: on the shipped double of an engine, with hands that a test holds still."""

from dataclasses import replace

from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.run.runs import JobRuns
from mlops_desk.kit.base.errors import Unavailable


def held_still(world):
    """Let the runner hand out work that nobody does yet; return what was handed out."""
    handed = []
    runs = JobRuns(world.root / "owed", world.runs.prepare, world.runs.finish, world.runs.keep_tickets)
    world.runner = Runner(world.book, world.runtime, runs, lambda name, work: handed.append((name, work)))
    return handed


def begun(handed, job_id):
    return [work for name, work in handed if name == f"job-{job_id}-begin"]


def test_several_gpu_jobs_start_at_one_look_each_on_the_gpus_chosen_for_it(world):
    one, other = world.submit("forever", gpus=1), world.submit("forever", gpus=1)
    world.tick()
    assert {world.job(one).gpus, world.job(other).gpus} == {("GPU-a",), ("GPU-b",)}


def test_what_is_promised_to_a_job_that_is_being_started_is_given_to_nobody_else(world):
    handed = held_still(world)
    both = world.submit("forever", gpus=2)
    world.tick()
    late = world.submit("forever", gpus=1)
    world.tick(2)
    assert (len(begun(handed, both)), begun(handed, late)) == (1, [])
    for work in begun(handed, both):
        work()
    assert world.job(both).gpus == ("GPU-a", "GPU-b")
    world.tick()
    assert begun(handed, late) == []
    assert world.job(late).reason.text == "Needs 1 GPU, 0 free; first in line."


def test_a_job_that_lost_a_race_keeps_its_place_and_tries_again_in_a_second(world, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("mlops_desk.jobs.run.job_workers.time.monotonic", lambda: clock[0])
    lease = world.leases.lease
    world.leases.lease = lambda _holder, _gpus: "GPU 0 is not given out: leased to somebody."
    first, second = world.submit("forever", gpus=2), world.submit("forever", gpus=1)
    for _ in range(6):
        world.runner.tick()
        clock[0] += 1.1
    assert world.job(first).state is JobState.QUEUED
    assert world.job(second).state is JobState.QUEUED
    world.leases.lease = lease
    world.runner.tick()
    assert world.job(first).state is not JobState.QUEUED
    assert world.job(second).state is JobState.QUEUED


def test_while_the_driver_is_away_no_gpu_is_given_out_and_it_is_said(world):
    def away():
        raise Unavailable("The GPU driver can't be asked, so no GPU is given out.")

    cards, world.leases.cards = world.leases.cards, away
    waits, cpu = world.submit("forever", gpus=1), world.submit("train")
    world.tick(3)
    assert (world.job(waits).state, world.job(cpu).state) == (JobState.QUEUED, JobState.SUCCEEDED)
    assert "can't be asked" in world.job(waits).reason.text
    world.leases.cards = cards
    assert world.run(waits, 2).state is JobState.RUNNING


def test_an_urgent_job_has_a_preemptible_one_saved_and_stopped_which_goes_on_afterwards(world):
    cheap = world.submit("forever", gpus=2)
    world.book.change(cheap, lambda job: replace(job, spec=replace(job.spec, preemptible=True)))
    world.tick(3)
    long_ago = world.job(cheap).attempts[-1].started_at - 3600

    def begun_long_ago(job):
        attempt = replace(job.attempts[-1], started_at=long_ago, mark=None)
        return replace(job, attempts=(attempt,), started_at=long_ago)

    world.book.change(cheap, begun_long_ago)
    urgent = world.submit("forever", gpus=1)
    world.book.change(urgent, lambda job: replace(job, priority=5))
    world.tick()
    stopped = world.job(cheap).attempts[-1].stopped_for
    assert (stopped.class_, urgent in stopped.text) == ("preempted", True)
    assert "is saved and stopped for it" in world.job(urgent).reason.text
    world.tick(5)
    assert world.job(urgent).state is JobState.RUNNING
    assert world.job(cheap).state is JobState.QUEUED
    world.runner.cancel(urgent)
    world.tick(5)
    assert (world.job(cheap).state, len(world.job(cheap).attempts)) == (JobState.RUNNING, 2)


def test_why_a_job_waits_is_shown_and_not_written_at_each_look(world):
    world.submit("forever", gpus=2)
    world.tick(3)
    waits = world.submit("forever", gpus=1)
    puts = []
    put = world._state.jobs.put
    world._state.jobs.put = lambda job: (puts.append(job.id), put(job))
    world.tick(3)
    assert world.job(waits).reason is not None
    assert puts == []
