"""Who gets each GPU next: the first of those that are expected there, when the queue has said so."""

from dataclasses import replace

import pytest
from doubles import gpu_record, job_record, uuid_of

from mlops_desk.jobs.records.brief import brief_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.jobs.records.job_activity import Progress
from mlops_desk.kit.window.words.gpus import next_on, next_words

NOW = 1_764_000_000.0
FREE, HELD, OUTSIDE, LOST = 3, 0, 2, 6


def waiting(identifier, start, *, asked=1, position=1, limit=None):
    job = brief_of(job_record(identifier, identifier, JobState.QUEUED, position=position, forecast_start=start))
    return replace(job, gpus_asked=asked, time_limit_seconds=limit)


def running(identifier, gpu, left):
    progress = None if left is None else Progress("", NOW, 0.5, left)
    job = job_record(
        identifier, identifier, JobState.RUNNING, gpus=(uuid_of(gpu),), started_at=NOW - 60, progress=progress
    )
    return brief_of(job)


def found(*jobs, gpus=(FREE, HELD, OUTSIDE, LOST)):
    known = [gpu_record(index, NOW) for index in gpus]
    told = next_on(known, {job.id: job for job in jobs}, NOW)
    return {index: told[uuid_of(index)].job.id for index in gpus if uuid_of(index) in told}


def test_who_is_next_is_expected_on_a_free_gpu():
    assert found(waiting("a", NOW + 600)) == {FREE: "a"}


def test_of_two_the_one_that_starts_first_is_next():
    assert found(waiting("b", NOW + 900, position=2), waiting("a", NOW, limit=600.0)) == {FREE: "a"}


def test_a_gpu_is_given_on_when_its_job_says_that_it_ends():
    assert found(running("r", HELD, 600.0), waiting("a", NOW + 600, asked=2)) == {FREE: "a", HELD: "a"}
    assert found(running("r", HELD, None), waiting("a", NOW + 600, asked=2)) == {}


@pytest.mark.parametrize("job", [waiting("a", None), waiting("a", NOW, asked=0), waiting("a", NOW, asked=2)])
def test_who_has_no_forecast_or_finds_no_room_is_next_nowhere(job):
    assert found(job) == {}


def test_it_is_said_in_a_few_words():
    known = [gpu_record(FREE, NOW)]
    one = next_on(known, {"a": waiting("llm-ft", NOW)}, NOW)[uuid_of(FREE)]
    assert next_words(one, NOW) == "next: llm-ft now"
