"""A time limit: a warning ahead of it, an end at it, whatever the clock is set to and whichever agent looks."""

import math
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.fake import ScriptedProgram, ScriptedReply
from mlops_desk.jobs.records.job import Attempt, JobState, StartMark
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec, Warned
from mlops_desk.jobs.repository import with_attempt
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.attempt_end import Due, Limits, what_is_due


@pytest.fixture
def hours(monkeypatch):
    """The clock that nobody sets; ``wall`` is how far the other one was set."""

    class Hours:
        passed = 0.0
        wall = 0.0

    real = times.now

    def now():
        moment = real()
        return replace(moment, uptime_seconds=moment.uptime_seconds + Hours.passed, wall=moment.wall + Hours.wall)

    monkeypatch.setattr(times, "now", now)
    return Hours


def running(world, replies=(), **more):
    world.engine.programs["forever"] = ScriptedProgram(seconds=math.inf, lines=("one",), replies=dict(replies))
    job_id = world.submit("forever", **more)
    world.tick(2)
    assert world.job(job_id).state is JobState.RUNNING
    return job_id


def test_at_its_limit_a_job_is_ended_and_says_what_to_do(world, hours):
    job_id = running(world, time_limit_seconds=5400.0)
    hours.passed = 5399.0
    world.tick()
    assert world.job(job_id).state is JobState.RUNNING
    hours.passed = 5400.0
    job = world.run(job_id)
    assert (job.state, job.exit_code, job.reason.class_) == (JobState.FAILED, 143, "time_limit")
    assert "90 min" in job.reason.text
    assert job.reason.command == f"mlops-desk jobs rerun {job_id} --set timeLimit=10800s"
    assert (len(job.attempts), world.containers()) == (1, [])


def test_setting_the_clock_neither_ends_nor_spares_it(world, hours):
    job_id = running(world, time_limit_seconds=3600.0)
    hours.wall = 86_400.0
    world.tick(2)
    assert world.job(job_id).state is JobState.RUNNING
    hours.wall, hours.passed = -86_400.0, 3600.0
    assert world.run(job_id).reason.class_ == "time_limit"


def test_a_later_agent_holds_the_limit_too(world, hours):
    job_id = running(world, time_limit_seconds=3600.0)
    hours.passed = 3700.0
    world.restart()
    assert world.run(job_id).reason.class_ == "time_limit"
    assert world.engine.starts[job_id] == 1


def test_it_is_warned_once_by_the_signal_that_it_asked_for(world, hours):
    heard = {"USR1": ScriptedReply(("saving",))}
    job_id = running(world, heard, time_limit_seconds=3600.0, warning=Warned("USR1", 300.0))
    container = world.engine._containers[world.job(job_id).container]
    hours.passed = 3299.0
    world.tick(2)
    assert container.said == []
    hours.passed = 3300.0
    world.tick(3)
    assert container.said == ["saving"]
    assert world.job(job_id).attempts[-1].warned
    world.restart()
    world.tick(2)
    assert (container.said, world.job(job_id).state) == (["saving"], JobState.RUNNING)
    hours.passed = 3600.0
    assert world.run(job_id).reason.class_ == "time_limit"


def test_an_agent_that_dies_between_warning_and_writing_it_down_warns_twice_rather_than_never(world, hours):
    heard = {"USR1": ScriptedReply(("saving",))}
    job_id = running(world, heard, time_limit_seconds=3600.0, warning=Warned("USR1", 300.0))
    hours.passed = 3300.0
    change, world.book.change = world.book.change, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)
    with pytest.raises(KeyboardInterrupt):
        world.runner._attempts.attend(job_id)
    world.book.change = change
    world.restart()
    world.tick(2)
    assert world.engine._containers[world.job(job_id).container].said == ["saving", "saving"]


@pytest.mark.parametrize(
    ("name", "reply", "state", "class_"),
    [
        ("USR1", ScriptedReply(("saved",), 0), JobState.SUCCEEDED, None),
        ("TERM", ScriptedReply(("saved",), 0), JobState.SUCCEEDED, None),
        ("TERM", ScriptedReply((), 143), JobState.FAILED, "time_limit"),
        ("USR1", ScriptedReply((), 138), JobState.FAILED, "time_limit"),
        ("USR1", ScriptedReply((), 3), JobState.FAILED, "exit_nonzero"),
    ],
)
def test_how_it_ends_when_it_is_warned_is_told_as_it_is(world, hours, name, reply, state, class_):
    job_id = running(world, {name: reply}, time_limit_seconds=3600.0, warning=Warned(name, 300.0))
    hours.passed = 3300.0
    job = world.run(job_id)
    assert (job.state, job.exit_code) == (state, reply.exit_code)
    assert (None if job.reason is None else job.reason.class_) == class_


def test_a_cancel_after_the_warning_is_a_cancel(world, hours):
    job_id = running(world, {"USR1": ScriptedReply()}, time_limit_seconds=3600.0, warning=Warned("USR1", 300.0))
    hours.passed = 3300.0
    world.tick()
    world.runner.cancel(job_id)
    assert world.run(job_id).state is JobState.CANCELLED


def test_the_grace_is_the_jobs_own(world, hours):
    graces = []
    job_id = running(world, time_limit_seconds=60.0, grace_seconds=7.2)
    stop = world.engine.stop
    world.engine.stop = lambda name, grace: (graces.append(grace), stop(name, grace))
    hours.passed = 60.0
    world.run(job_id)
    assert graces == [8]


@given(st.floats(0, 1e7), st.floats(1, 1e7), st.floats(0, 1e7), st.booleans())
@example(3600.0, 3600.0, 0.0, False)
@example(0.0, 60.0, 120.0, False)
def test_what_is_due_goes_from_nothing_to_the_warning_to_the_end(passed, limit, before, warned):
    spec = JobSpec("a", "img", time_limit_seconds=limit, warning=Warned("USR1", before))
    attempt = Attempt(1, "a1", "c", JobState.RUNNING, mark=StartMark("boot", 0.0), warned=warned)
    due = what_is_due(spec, attempt, times.Now(1e9, passed, "boot"))
    if passed >= limit:
        assert due is Due.END
    elif warned or passed < limit - before:
        assert due is Due.NOTHING
    else:
        assert due is Due.WARNING


def test_of_an_attempt_of_another_boot_and_of_one_without_a_limit_nothing_is_due():
    moment = times.Now(1e9, 1e6, "boot")
    attempt = Attempt(1, "a1", "c", JobState.RUNNING, mark=StartMark("other", 0.0))
    limited = JobSpec("a", "img", time_limit_seconds=1.0)
    assert what_is_due(limited, attempt, moment) is Due.NOTHING
    assert what_is_due(limited, replace(attempt, mark=None), moment) is Due.NOTHING
    assert what_is_due(JobSpec("a", "img"), replace(attempt, mark=StartMark("boot", 0.0)), moment) is Due.NOTHING


def test_what_it_is_stopped_for_already_is_not_replaced_by_its_limit(world, hours):
    job_id = running(world, time_limit_seconds=3600.0)
    before = world.job(job_id)
    asked = Reason("preempted", "urgent needs its GPUs")
    world.book.change(job_id, lambda job: with_attempt(job, replace(job.attempts[-1], reason=asked, stopped_for=asked)))
    hours.passed = 3600.0
    Limits(world.book, world.runtime).heed(before, before.attempts[-1])  # which has looked a moment before
    assert world.job(job_id).attempts[-1].stopped_for == asked
    over = replace(before.attempts[-1], state=JobState.SUCCEEDED)
    world.book.change(job_id, lambda job: with_attempt(job, over))
    Limits(world.book, world.runtime).heed(before, before.attempts[-1])
    assert world.job(job_id).attempts[-1].state is JobState.SUCCEEDED
