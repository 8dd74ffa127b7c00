"""Another attempt after a failure: for the classes that the job names, as often as it says, after growing pauses."""

import contextlib
from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.records.job import Attempt, Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.jobs.run.attempt_end import retry_after
from mlops_desk.kit.base.errors import Unavailable


def again(world, job_id):
    """Let the pause before the next attempt be over."""
    world.book.change(job_id, lambda job: replace(job, not_before=None))


def test_a_failure_of_a_named_class_is_tried_again_with_its_reason_shown(world):
    world.engine.programs["train"] = ScriptedProgram(exit_code=137, oom_killed=True)
    job_id = world.submit("train", gpus=1, mlflow=True, retries={"oom_kernel": 2})
    world.tick(3)
    job = world.job(job_id)
    assert (job.state, len(job.attempts), job.reason.class_) == (JobState.QUEUED, 1, "retrying")
    assert job.reason.text == "Attempt 2 of 3 after oom_kernel, in 10 s."
    assert job.not_before > job.attempts[0].ended_at
    assert (job.attempts[0].state, job.attempts[0].reason.class_) == (JobState.FAILED, "oom_kernel")
    assert (world.containers(), world.leases.held) == ([], {})
    assert world.runs.status == {f"run-{job_id}": None}
    world.tick(3)
    assert len(world.job(job_id).attempts) == 1  # it waits
    again(world, job_id)
    world.tick(3)
    assert world.job(job_id).reason.text == "Attempt 3 of 3 after oom_kernel, in 40 s."
    again(world, job_id)
    job = world.run(job_id)
    assert (job.state, job.reason.class_, len(job.attempts)) == (JobState.FAILED, "oom_kernel", 3)
    assert world.runs.status == {f"run-{job_id}": "FAILED"}
    assert world.engine.starts[job_id] == 3


def test_a_later_agent_keeps_the_pause_and_what_is_left_is_tidied(world):
    world.engine.programs["train"] = ScriptedProgram(exit_code=3)
    job_id = world.submit("train", gpus=1, retries={"exit_nonzero": 1})
    world.tick()
    clear, world.runtime.clear = world.runtime.clear, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
    with contextlib.suppress(KeyboardInterrupt):
        world.tick(2)
    world.runtime.clear = clear
    job = world.job(job_id)
    assert (job.state, len(world.containers())) == (JobState.QUEUED, 1)
    world.restart()
    world.tick(2)
    assert (world.job(job_id), world.containers(), world.leases.held) == (job, [], {})
    world.engine.programs["train"] = ScriptedProgram()
    again(world, job_id)
    assert world.run(job_id).state is JobState.SUCCEEDED


def test_a_cancel_between_two_attempts_ends_it(world):
    world.engine.programs["train"] = ScriptedProgram(exit_code=3)
    job_id = world.submit("train", mlflow=True, retries={"exit_nonzero": 5})
    world.tick(3)
    world.runner.cancel(job_id)
    world.tick(2)
    job = world.job(job_id)
    assert (job.state, len(job.attempts)) == (JobState.CANCELLED, 1)
    assert job.reason.text == "The job was cancelled before it started again; attempt 1 had ended."
    assert job.reason.evidence == job.attempts[0].reason.text
    assert world.runs.status == {f"run-{job_id}": "KILLED"}


def test_a_cancel_while_the_next_attempt_is_made_tells_of_the_one_before(world):
    world.engine.programs["train"] = ScriptedProgram(exit_code=3)
    job_id = world.submit("train", retries={"exit_nonzero": 5})
    world.tick(3)
    again(world, job_id)

    def away(_spec):
        raise Unavailable("The engine does not answer.")

    world.engine.create = away
    world.tick(2)
    assert world.job(job_id).state is JobState.STARTING
    world.runner.cancel(job_id)
    world.tick(2)
    job = world.job(job_id)
    assert (job.state, len(job.attempts), job.attempts[-1].started_at) == (JobState.CANCELLED, 2, None)
    assert job.reason.text == "The job was cancelled before it started again; attempt 1 had ended."


def test_a_cancel_of_what_was_asked_to_start_and_never_did_tells_of_no_attempt_that_had_ended(world):
    def away(*_words, **_more):
        raise Unavailable("The engine does not answer.")

    world.engine.start = away
    job_id = world.submit("train")
    world.tick(2)
    job = world.job(job_id)
    assert (job.state, job.attempts[-1].started_at is None) == (JobState.STARTING, False)
    world.runner.cancel(job_id)
    world.tick(2)
    job = world.job(job_id)
    assert (job.state, job.attempts[-1].started_at) == (JobState.CANCELLED, None)
    assert job.reason.text == "The job was cancelled before it started."


def test_another_class_of_failure_is_not_tried_again(world):
    world.engine.programs["train"] = ScriptedProgram(exit_code=3)
    assert world.run(world.submit("train", retries={"oom_kernel": 5})).state is JobState.FAILED


CLASSES = st.sampled_from(["oom_kernel", "exit_nonzero", "gpu_proof_failed", "preempted", "engine_lost"])
STATES = st.sampled_from([JobState.FAILED, JobState.CANCELLED, JobState.UNKNOWN, JobState.SUCCEEDED])


@given(
    st.lists(st.tuples(STATES, CLASSES), min_size=1, max_size=8),
    st.dictionaries(CLASSES, st.integers(0, 3), max_size=5),
)
@example([(JobState.FAILED, "gpu_proof_failed")], {"gpu_proof_failed": 3})
@example([(JobState.FAILED, "oom_kernel")] * 3, {"oom_kernel": 2})
def test_there_are_never_more_attempts_than_were_asked_for(history, retries):
    attempts = tuple(
        Attempt(number, f"a{number}", "c", state, reason=Reason(class_, "x"))
        for number, (state, class_) in enumerate(history, 1)
    )
    job = Job("j", "j", JobState.RUNNING, JobSpec("j", "img", retries=retries), 1.0, 0, "me", attempts=attempts)
    state, class_ = history[-1]
    retry = retry_after(job, attempts[-1], 100.0)
    failed = history.count((JobState.FAILED, class_))
    expected = state is JobState.FAILED and class_ != "gpu_proof_failed" and failed <= retries.get(class_, 0)
    assert (retry is not None) == expected
    if retry is not None:
        assert retry.not_before >= 110.0
        assert f"Attempt {failed + 1} of {retries[class_] + 1}" in retry.reason.text


def test_pauses_grow_up_to_ten_minutes():
    pauses = []
    for number in range(1, 8):
        attempts = tuple(
            Attempt(n, f"a{n}", "c", JobState.FAILED, reason=Reason("x", "x")) for n in range(1, number + 1)
        )
        spec = JobSpec("j", "img", retries={"x": 9})
        pauses.append(
            retry_after(
                Job("j", "j", JobState.RUNNING, spec, 1.0, 0, "me", attempts=attempts), attempts[-1], 0.0
            ).not_before
        )
    assert pauses == [10.0, 40.0, 160.0, 600.0, 600.0, 600.0, 600.0]


def test_a_finer_class_of_failure_is_tried_again_by_the_word_for_them_all():
    def retry(retries, *classes):
        spec = JobSpec("n", "i", retries=retries)
        attempts = tuple(
            Attempt(number, f"a{number}", "c", JobState.FAILED, reason=Reason(class_, "x"))
            for number, class_ in enumerate(classes)
        )
        job = Job("j", "n", JobState.FAILED, spec, 0.0, 0, "u", attempts=attempts)
        return retry_after(job, attempts[-1], 0.0)

    assert retry({"exit_nonzero": 1}, "network_failed") is not None
    assert retry({"exit_nonzero": 1}, "network_failed", "port_in_use") is None
    assert retry({"exit_nonzero": 3, "network_failed": 0}, "network_failed") is None
    for class_ in ("oom_kernel", "oom_cuda", "disk_quota", "image_missing"):
        assert retry({"exit_nonzero": 1}, class_) is None
