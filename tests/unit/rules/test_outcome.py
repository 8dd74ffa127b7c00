"""What a finished retraining proposes."""

import pytest

from mlops_desk.records.jobs.job import Job, JobState
from mlops_desk.records.jobs.spec import JobSpec
from mlops_desk.records.model import ModelVersion
from mlops_desk.records.rule import Retraining, RetrainState, Rule
from mlops_desk.rules.outcome import Outcomes

RULE = Rule("r", "churn", "champion", "auc")
RETRAINING = Retraining("t", "r", RetrainState.TRAINING, "drift", "j", "1", 0.8)
JOB = Job("j", "train", JobState.SUCCEEDED, JobSpec("train", "image"), 0.0, 0, "me", mlflow_run_id="run")


def version(number, name="churn"):
    return ModelVersion(name=name, version=number, run_id="run", source="runs:/run/model", status="READY")


@pytest.mark.parametrize(
    ("registered", "challenger"),
    [(["9", "10"], "10"), (["10", "9"], "10"), (["99", "100", "11"], "100"), (["2"], "2"), (["3", "1", "2"], "3")],
)
def test_the_newest_version_of_a_run_is_proposed_by_its_number(registered, challenger):
    versions = [version("77", "other"), *map(version, registered)]
    outcome = Outcomes(lambda _run, _metric: 0.9, lambda _run: versions).of(RETRAINING, JOB, RULE)
    assert (outcome.state, outcome.challenger_version) == (RetrainState.WAITING_FOR_APPROVAL, challenger)
