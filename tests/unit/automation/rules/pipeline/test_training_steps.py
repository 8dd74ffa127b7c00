"""A retraining whose recipe, or the image of it, is not there any more says so, with what to do."""

from dataclasses import replace
from typing import Any

import pytest

from mlops_desk.automation.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.automation.rules.pipeline.training_steps import Preparing
from mlops_desk.jobs.records.job import Job, JobState
from mlops_desk.jobs.records.reason import Reason
from mlops_desk.jobs.records.spec import JobSpec
from mlops_desk.kit.base.errors import NotFound, Refused


class Jobs:
    """A desk that knows no job any more but the one that trains."""

    def __init__(self, training: Job | None = None) -> None:
        self._training = training

    def job_of_origin(self, origin: str) -> Job | None:
        return self._training

    def job(self, number: str) -> Job:
        raise NotFound(f"There is no job {number}.")


def preparing(training: Job | None = None) -> Preparing:
    parts: Any = Jobs(training)  # nothing else is asked of a training that does not succeed
    return Preparing(parts, list)


RUN = PipelineRun("a", "again", PipelineState.RUNNING, model="digits", alias="champion", champion_version="3")


def test_of_a_version_that_no_known_job_trained_nothing_is_run_again() -> None:
    with pytest.raises(Refused) as told:
        preparing().freeze(RUN)
    assert told.value.message == (
        "Which job trained version 3 of digits is not known any more, so there is none to run again."
    )
    assert told.value.hint == "mlops-desk rules fire again begins with the champion of now."


def test_of_a_training_that_was_never_started_the_hint_is_the_jobs_own_and_names_the_image() -> None:
    gone = Reason("image_missing", "The job's image is gone.", hint="Pull or build it again.", title="Image gone")
    job = Job("j2", "train", JobState.FAILED, JobSpec("train", "lab/churn:1"), 0.0, 0, "me", reason=gone)
    outcome = preparing(job).train(RUN)
    assert outcome.evidence.text == "The job has failed: The job's image is gone."
    assert outcome.evidence.hint == "Pull or build it again. Its image: lab/churn:1."
    began = preparing(replace(job, started_at=1.0)).train(RUN)
    assert began.evidence.hint == "mlops-desk jobs logs j2"
