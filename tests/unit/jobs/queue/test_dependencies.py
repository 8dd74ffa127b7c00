"""What jobs wait for of one another, on the shipped doubles: with real records, through the runner."""

import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.queue.dependencies import circles
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.spec import JobSpec


def tied(name, *after, **more):
    return Job(name, name, JobState.QUEUED, JobSpec(name, "img", after=after, **more), 1.0, 0, "me", image_id="img")


def submit(world, *command, **spec):
    job_id = world.submit(*command)
    world.book.change(job_id, lambda job: replace(job, spec=replace(job.spec, **spec)))
    return job_id


def test_a_job_starts_when_those_before_it_are_over(world):
    first = world.submit("forever")
    after, success = submit(world, after=(first,)), submit(world, after_success=(first,))
    world.tick(3)
    assert world.job(after).reason.text == f"Waits for the end of {first}."
    world.runner.cancel(first)
    assert world.run(after).state is JobState.SUCCEEDED
    blocked = world.job(success)
    assert (blocked.state, blocked.reason.class_) == (JobState.BLOCKED, "dependency_failed")
    assert blocked.reason.text == f"Job {first}, whose success it needs, ended: cancelled."
    assert blocked.reason.command == f"mlops-desk jobs cancel {success}"


def test_a_job_after_a_success_starts_and_one_after_a_failure_does_not(world):
    world.engine.programs["fails"] = ScriptedProgram(exit_code=1)
    good, bad = world.submit("train"), world.submit("fails")
    one, other = submit(world, after_success=(good,)), submit(world, after_success=(bad, good))
    assert world.run(one).state is JobState.SUCCEEDED
    assert world.job(other).state is JobState.BLOCKED
    last = submit(world, after=(other,))
    world.tick(2)
    assert world.job(last).state is JobState.QUEUED
    world.runner.cancel(other)
    assert world.run(last).state is JobState.SUCCEEDED


@pytest.mark.parametrize(("field", "state"), [("after", JobState.SUCCEEDED), ("after_success", JobState.BLOCKED)])
def test_a_job_whose_record_is_gone_has_ended_and_nobody_knows_how(world, field, state):
    job_id = submit(world, **{field: ("f" * 12,)})
    assert world.run(job_id, 3).state is state


def test_jobs_that_wait_for_one_another_are_blocked_and_hold_nobody_back(world):
    one, other, third = world.submit(), world.submit(), world.submit()
    for job_id, needed in ((one, other), (other, one), (third, one)):
        world.book.change(job_id, lambda job, needed=needed: replace(job, spec=replace(job.spec, after=(needed,))))
    fits = world.submit("train")
    world.tick(3)
    assert world.job(one).state is world.job(other).state is JobState.BLOCKED
    assert "wait for it" in world.job(one).reason.text
    assert world.job(third).state is JobState.QUEUED
    assert world.job(fits).state is JobState.SUCCEEDED
    world.runner.cancel(other)
    assert world.run(one).state is world.run(third).state is JobState.SUCCEEDED


def test_a_job_starts_at_its_time_and_not_before(world):
    job_id = world.submit("train")
    world.book.change(job_id, lambda job: replace(job, not_before=time.time() + 3600))
    world.tick(3)
    assert (world.job(job_id).state, world.job(job_id).reason.class_) == (JobState.QUEUED, "waiting_for_time")
    world.book.change(job_id, lambda job: replace(job, not_before=time.time() - 1))
    assert world.run(job_id).state is JobState.SUCCEEDED


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdefg"), max_size=3)))
def test_who_waits_for_themselves_is_found_whatever_the_web(web):
    jobs = {name: tied(name, *after) for name, after in web.items()}

    def reaches(start):
        seen, left = set(), list(web.get(start, ()))
        while left:
            name = left.pop()
            if name not in seen:
                seen.add(name)
                left += web.get(name, ())
        return seen

    assert bool(circles(jobs)) == any(name in reaches(name) for name in web)
    assert all(name in reaches(name) for name in circles(jobs))


@pytest.mark.slow
def test_a_chain_of_ten_thousand_is_no_circle_and_no_deep_call():
    jobs = {str(number): tied(str(number), str(number + 1)) for number in range(10_000)}
    assert circles(jobs) == frozenset()
