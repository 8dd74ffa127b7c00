"""What was seen of a job's GPUs says why it failed, and a job that has lost one is tried again if it asks for that."""

from dataclasses import replace

from mlops_desk.engines.fake import ScriptedProgram
from mlops_desk.jobs.gpus import JobGpus
from mlops_desk.jobs.records.failure_facts import GpuFacts, SeenFacts
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.run.runner import Runner
from mlops_desk.jobs.run.runs import JobRuns

LOST = Reason("gpu_lost", "Job train has lost GPU 1 while it runs.", evidence="Seen at two looks.")


def seen_as(world, facts):
    runs = JobRuns(world.root / "owed", world.runs.prepare, world.runs.finish, world.runs.keep_tickets)
    world.runner = Runner(
        world.book, world.runtime, runs, lambda _name, work: work(), gpu_end=lambda attempt, _at: facts(attempt)
    )


def test_a_failure_is_laid_at_the_gpu_that_was_lost(world):
    asked = []
    world.engine.programs["fail"] = ScriptedProgram(exit_code=1)
    seen_as(world, lambda attempt: asked.append(attempt.id) or SeenFacts(GpuFacts(lost=attempt.gpus)))
    failed = world.run(world.submit("fail", gpus=1))
    assert (failed.state, failed.reason.class_) == (JobState.FAILED, "gpu_lost")
    assert failed.gpus[0] in failed.reason.evidence
    assert asked == [failed.attempts[-1].id]


def test_what_ended_well_ended_well_whatever_was_seen(world):
    seen_as(world, lambda attempt: SeenFacts(GpuFacts(lost=attempt.gpus)))
    assert world.run(world.submit("train", gpus=1)).state is JobState.SUCCEEDED


def test_a_running_job_shows_that_it_has_lost_a_gpu_until_it_ends(world):
    job_id = world.submit("forever", gpus=1)
    world.tick(3)
    attempt = world.job(job_id).attempts[-1].id
    gpus = JobGpus(world.book, {}, {})
    for other in (f"{job_id}-a7", "nobody-a1", "nothing"):
        gpus.lost(other, LOST)
        assert world.job(job_id).reason is None
    gpus.lost(attempt, LOST)
    world.tick(5)
    job = world.job(job_id)
    assert (job.state, job.reason) == (JobState.RUNNING, LOST)
    assert job.attempts[-1].reason == LOST
    world.restart()
    world.book.give_reason(world.job(job_id), Reason("engine_away", "The engine does not answer."))
    world.tick(2)
    assert (world.job(job_id).state, world.job(job_id).reason) == (JobState.RUNNING, LOST)
    world.runner.cancel(job_id)
    world.tick(5)
    assert (world.job(job_id).state, world.job(job_id).reason.class_) == (JobState.CANCELLED, "cancelled")
    gpus.lost(attempt, LOST)
    assert world.job(job_id).reason.class_ == "cancelled"


def test_a_running_attempt_that_has_lost_a_gpu_is_stopped_and_counts_as_failed_by_that(world):
    job_id = world.submit("forever", gpus=1)
    world.tick(3)
    world.book.change(job_id, lambda job: replace(job, spec=replace(job.spec, retries={"gpu_lost": 1})))
    world.runner.fail(job_id, "another-a1", LOST)
    world.tick(2)
    assert world.job(job_id).state is JobState.RUNNING
    world.runner.fail(job_id, world.job(job_id).attempts[-1].id, LOST)
    world.tick(3)
    job = world.job(job_id)
    assert (job.state, job.attempts[0].reason.class_) == (JobState.QUEUED, "gpu_lost")
    assert job.attempts[0].reason.evidence == LOST.evidence
    assert "Attempt 2 of 2 after gpu_lost" in job.reason.text
