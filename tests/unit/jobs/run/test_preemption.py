"""A job gives way to another: asked, given its grace, ended, queued again; nothing is lost and nothing runs twice."""

import math
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.fake import ScriptedProgram, ScriptedReply
from mlops_desk.jobs.queue.rules import QueueRules
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import Warned
from mlops_desk.jobs.run import times
from mlops_desk.jobs.run.attempts import says_saved
from mlops_desk.kit.base.errors import Unavailable

WHY = Reason("preempted", "It gives its GPU to job 2.")
SAVED = "MLD_CHECKPOINT /checkpoints/last.ckpt"


class Hours:
    """The clock that nobody sets."""

    def __init__(self, monkeypatch):
        self.passed = 0.0
        real = times.now
        monkeypatch.setattr(times, "now", lambda: replace(real(), uptime_seconds=real().uptime_seconds + self.passed))


@pytest.fixture
def hours(monkeypatch):
    return Hours(monkeypatch)


def running(world, *replies, command="forever", **more):
    world.engine.programs["forever"] = ScriptedProgram(
        seconds=math.inf, lines=("one",), replies=dict(replies), ignores_term="TERM" not in dict(replies)
    )
    job_id = world.submit(command, preemptible=True, **more)
    world.tick(2)
    assert world.job(job_id).state is JobState.RUNNING
    return job_id


def ask(world, job_id, ticks=1):
    world.runner._attempts.preempt(job_id, WHY)
    world.tick(ticks)
    return world.job(job_id)


def test_a_job_that_ends_when_asked_is_queued_again_in_its_place_and_nothing_is_left(world):
    job_id = running(world, ("TERM", ScriptedReply(("saving", SAVED), 143)), gpus=1, mlflow=True)
    before = world.job(job_id)
    world.runner._attempts.preempt(job_id, WHY)
    world.runner._attempts.attend(job_id)
    job = world.job(job_id)
    assert (job.state, job.submitted_at, job.reason) == (JobState.QUEUED, before.submitted_at, WHY)
    assert (job.gpus, job.container, job.handle, job.started_at, job.ended_at, job.exit_code) == ((),) + (None,) * 5
    (attempt,) = job.attempts
    assert (attempt.state, attempt.reason, attempt.exit_code) == (JobState.CANCELLED, WHY, 143)
    assert attempt.ended_at is not None
    assert (world.containers(), world.leases.held, world.runs.tickets) == ([], {}, {})
    assert world.runs.status == {f"run-{job_id}": None}  # its run goes on with the next attempt
    world.engine.programs["forever"] = ScriptedProgram(lines=("two",))
    job = world.run(job_id)
    assert (job.state, [one.number for one in job.attempts]) == (JobState.SUCCEEDED, [1, 2])
    assert job.mlflow_run_id == before.mlflow_run_id
    assert world.runs.status == {f"run-{job_id}": "FINISHED"}
    assert world.engine.starts[job_id] == 2


def test_one_that_is_not_preemptible_not_running_or_being_cancelled_is_left_alone(world):
    plain = world.submit("forever")
    queued = world.submit("train", gpus=9, preemptible=True)
    world.tick(2)
    for job_id in (plain, queued):
        before = world.job(job_id)
        world.runner._attempts.preempt(job_id, WHY)
        assert world.job(job_id) == before
    cancelled = running(world)
    world.book.change(cancelled, lambda job: replace(job, cancel_requested=True))
    world.runner._attempts.preempt(cancelled, WHY)
    assert world.job(cancelled).attempts[-1].stopped_for is None


def test_it_has_its_grace_and_is_ended_then(world, hours):
    job_id = running(world, grace_seconds=40.0)
    job = ask(world, job_id, ticks=3)
    assert (job.state, job.reason) == (JobState.RUNNING, WHY)
    hours.passed = 39.0
    world.tick()
    assert world.job(job_id).state is JobState.RUNNING
    hours.passed = 40.0
    world.runner._attempts.attend(job_id)
    job = world.job(job_id)
    assert (job.state, job.attempts[0].exit_code) == (JobState.QUEUED, 137)


@pytest.mark.parametrize(("most", "own", "waits"), [(5.0, 40.0, 5.0), (60.0, 40.0, 40.0), (0.0, 40.0, 0.0)])
def test_whoever_lent_its_gpu_waits_no_longer_than_was_said(world, hours, most, own, waits):
    job_id = running(world, grace_seconds=own)
    world.runner._attempts.preempt(job_id, WHY, most)
    world.runner._attempts.attend(job_id)
    if waits:
        hours.passed = waits - 1.0
        world.runner._attempts.attend(job_id)
        assert world.job(job_id).state is JobState.RUNNING
    hours.passed = waits
    world.runner._attempts.attend(job_id)
    job = world.job(job_id)
    assert (job.state, job.attempts[0].exit_code, job.attempts[0].grace_seconds) == (JobState.QUEUED, 137, most)


def test_a_line_that_says_saved_shortens_the_grace(world):
    job_id = running(world, ("TERM", ScriptedReply(("saving",))))
    ask(world, job_id, ticks=2)
    assert world.job(job_id).state is JobState.RUNNING
    world.engine._containers[world.job(job_id).container].said.append(SAVED)
    world.runner._attempts.attend(job_id)
    assert world.job(job_id).state is JobState.QUEUED


def test_what_it_had_saved_before_it_was_asked_does_not_shorten_the_grace(world):
    job_id = running(world, ("TERM", ScriptedReply(("saving",))))
    world.engine._containers[world.job(job_id).container].said.append(SAVED)
    ask(world, job_id, ticks=3)
    assert world.job(job_id).state is JobState.RUNNING


def test_the_signal_of_its_warning_is_the_one_that_it_handles(world):
    job_id = running(world, ("USR1", ScriptedReply((SAVED,), 138)), warning=Warned("USR1", 60.0))
    world.runner._attempts.preempt(job_id, WHY)
    world.runner._attempts.attend(job_id)
    job = world.job(job_id)
    assert (job.state, job.attempts[0].state, job.attempts[0].exit_code) == (JobState.QUEUED, JobState.CANCELLED, 138)


def test_who_ends_well_in_the_grace_has_succeeded(world):
    job_id = running(world, ("TERM", ScriptedReply(("done",), 0)), mlflow=True)
    job = ask(world, job_id)
    assert (job.state, job.exit_code, job.reason, len(job.attempts)) == (JobState.SUCCEEDED, 0, None, 1)
    world.tick()
    assert world.runs.status == {f"run-{job_id}": "FINISHED"}


def test_who_saves_and_ends_well_goes_on_later(world):
    job_id = running(world, ("TERM", ScriptedReply((SAVED,), 0)))
    world.runner._attempts.preempt(job_id, WHY)
    world.runner._attempts.attend(job_id)
    assert world.job(job_id).state is JobState.QUEUED


def test_the_users_own_cancel_wins(world):
    job_id = running(world, ("TERM", ScriptedReply(("saving",))), mlflow=True)
    ask(world, job_id)
    world.runner.cancel(job_id)
    job = world.run(job_id)
    assert (job.state, job.reason.class_, len(job.attempts)) == (JobState.CANCELLED, "cancelled", 1)
    assert world.runs.status == {f"run-{job_id}": "KILLED"}


def test_a_cancel_at_the_last_moment_wins_too(world, monkeypatch):
    """It comes between the verdict and its being written down."""
    job_id = running(world, ("TERM", ScriptedReply((SAVED,), 143)))
    span = times.span

    def cancelled_meanwhile(*known):
        world.book.change(job_id, lambda job: replace(job, cancel_requested=True))
        return span(*known)

    monkeypatch.setattr(times, "span", cancelled_meanwhile)
    world.runner._attempts.preempt(job_id, WHY)
    world.runner._attempts.attend(job_id)
    job = world.job(job_id)
    assert (job.state, len(job.attempts), world.containers()) == (JobState.CANCELLED, 1, [])


def test_one_that_failed_before_it_was_asked_has_failed(world):
    job_id = running(world)
    world.runner._attempts.preempt(job_id, WHY)
    world.engine._end(world.engine._containers[world.job(job_id).container], 5.0, 3)
    world.tick()
    job = world.job(job_id)
    assert (job.state, job.exit_code, job.reason.class_) == (JobState.FAILED, 3, "exit_nonzero")


def test_one_that_vanished_while_it_gave_way_is_unknown_and_is_not_started_again(world):
    job_id = running(world)
    ask(world, job_id)
    world.engine.remove(world.job(job_id).container)
    job = world.run(job_id)
    assert (job.state, len(job.attempts)) == (JobState.UNKNOWN, 1)


def test_a_later_agent_asks_once_more_and_the_grace_goes_on(world, hours):
    heard = []
    job_id = running(world, ("TERM", ScriptedReply(("saving",))), grace_seconds=40.0)
    ask(world, job_id)
    asked = world.job(job_id).attempts[-1].asked
    hours.passed = 30.0
    world.restart()
    kill = world.engine.kill
    world.engine.kill = lambda name, signal: (heard.append(signal), kill(name, signal))
    world.tick(3)
    assert heard == ["TERM"]
    assert world.job(job_id).attempts[-1].asked == asked
    hours.passed = 40.0
    world.runner._attempts.attend(job_id)
    assert world.job(job_id).state is JobState.QUEUED


def test_a_log_that_can_not_be_read_leaves_the_whole_grace(world, hours):
    job_id = running(world, ("TERM", ScriptedReply((SAVED,))))
    logs = world.engine.logs

    def away(*_arguments, **_named):
        raise Unavailable("The engine does not answer.")

    world.engine.logs = away
    ask(world, job_id, ticks=3)
    world.engine.logs = logs
    world.tick()
    assert world.job(job_id).state is JobState.RUNNING
    hours.passed = 31.0
    world.runner._attempts.attend(job_id)
    assert world.job(job_id).state is JobState.QUEUED


def test_a_more_urgent_job_gets_the_gpus_and_the_other_goes_on_after_it(world):
    world.runner.serving._rules = lambda: QueueRules(spared_seconds=0.0)
    low = running(world, ("TERM", ScriptedReply((SAVED,), 143)), gpus=2)
    urgent = world.submit("brief", gpus=2)
    world.book.change(urgent, lambda job: replace(job, priority=5))
    world.engine.programs["brief"] = ScriptedProgram(seconds=math.inf)
    world.tick(6)
    assert (world.job(urgent).state, world.job(low).state) == (JobState.RUNNING, JobState.QUEUED)
    assert urgent in world.job(low).attempts[0].reason.text
    world.runner.cancel(urgent)
    world.tick(6)
    assert (world.job(low).state, len(world.job(low).attempts)) == (JobState.RUNNING, 2)


def test_the_next_attempt_finds_the_checkpoint_of_the_last_and_outputs_of_its_own(world):
    job_id = running(world, ("TERM", ScriptedReply((), 143)), outputs=("/out",), checkpoint="/ck")
    (one,) = world.job(job_id).attempts
    places = {kept.target: Path(kept.path) for kept in one.kept}
    (places["/ck"] / "last").write_text("epoch 3")
    ask(world, job_id, ticks=2)
    two = world.job(job_id).attempts[1]
    spec = world.engine._containers[two.container].spec
    assert spec.env["MLD_CHECKPOINT_DIR"] == "/ck"
    assert (spec.env["MLD_ATTEMPT"], spec.env["MLD_RESUME"]) == ("2", "1")
    mounts = {mount.target: Path(mount.source) for mount in spec.own_mounts if mount.mode == "rw"}
    assert (mounts["/ck"] / "last").read_text() == "epoch 3"
    assert mounts["/out"] != places["/out"]
    assert mounts["/out"].is_dir()


LINE = st.sampled_from(["a", "b", SAVED, "INFO:root:MLD_CHECKPOINT x", "MLD_CHECKPOINTS", "xMLD_CHECKPOINT y"])
MARKS = {SAVED, "INFO:root:MLD_CHECKPOINT x"}


@given(st.lists(LINE, max_size=8), st.lists(LINE, max_size=8), st.integers(1, 12))
@example([SAVED], [SAVED], 12)
@example([SAVED, "a"], [], 12)
def test_only_lines_that_came_since_say_that_work_is_saved(old, new, tail):
    """What can't be told apart counts as old: then the job has its whole grace."""
    found = says_saved(old[-tail:], (old + new)[-tail:])
    if found:
        assert MARKS & set((old + new)[-tail:])
    if not MARKS & set(new):
        assert not found
    if not MARKS & set(old) and MARKS & set((old + new)[-tail:]) and len(old + new) <= tail:
        assert found


def test_a_line_that_was_half_written_does_not_hide_which_lines_are_new():
    assert says_saved(["a", "epo"], ["a", "epoch 1", SAVED])
    assert not says_saved([SAVED, "epo"], [SAVED, "epoch 1"])
    assert not says_saved(["x", "y"], ["1", SAVED])
