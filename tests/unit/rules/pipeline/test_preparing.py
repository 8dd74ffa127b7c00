"""A retraining whose recipe nobody knows any more says so, with what to do, and is no bug."""

from typing import Any

import pytest

from mlops_desk.base.errors import NotFound, Refused
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.pipelines.run import PipelineRun, PipelineState
from mlops_desk.rules.pipeline.preparing import Preparing


class NoJobs:
    """A desk that knows no job any more."""

    def job(self, number: str) -> Job:
        raise NotFound(f"There is no job {number}.")


def preparing() -> Preparing:
    parts: Any = NoJobs()  # of which nothing else is asked before the job is known
    return Preparing(parts, list)


RUN = PipelineRun("a", "again", PipelineState.RUNNING, model="digits", alias="champion", champion_version="3")


def test_of_a_version_that_no_known_job_trained_nothing_is_run_again() -> None:
    with pytest.raises(Refused) as told:
        preparing().freeze(RUN)
    assert told.value.message == (
        "Which job trained version 3 of digits is not known any more, so there is none to run again."
    )
    assert told.value.hint == "mlops-desk rules fire again begins with the champion of now."
