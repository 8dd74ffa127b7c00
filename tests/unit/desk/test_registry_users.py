"""What a clean-up has to leave alone, because endpoints, jobs and rules of this desk need it."""

from types import SimpleNamespace

from mlops_desk.automation.records.retraining_rule import RetrainState
from mlops_desk.desk.registry import users_of
from mlops_desk.jobs.records.job import JobState
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef

SPELLINGS = {"kept": "/data/mlflow.db", "sqlite:////data/mlflow.db": "/data/mlflow.db"}


def endpoint(name, version, registry):
    ref = ModelRef("churn", version, "models:/x", run_id=f"run-{version}", registry=registry)
    return Endpoint(name, EndpointState.LIVE, None, 1, ref)


def meaning(uri):
    """Return whether another address means the registry at ``uri``, as the registry's core tells it."""
    return lambda other: SPELLINGS.get(other, other) == SPELLINGS.get(uri, uri)


def needed(uri, endpoints=(), jobs=(), retrainings=()):
    return users_of(meaning(uri), endpoints, jobs, retrainings, lambda _name: SimpleNamespace(model="churn"))


def test_what_is_served_is_needed_however_its_registry_is_named():
    served = [endpoint("live", "1", "kept"), endpoint("own", "2", None), endpoint("far", "3", "http://lab")]
    for uri in ("kept", "sqlite:////data/mlflow.db", "/data/mlflow.db"):
        users = needed(uri, served)
        assert users.versions == {"churn/1": "endpoint live serves it"}, uri
        assert set(users.runs) == {"run-1"}
    assert set(needed(None, served).versions) == {"churn/2"}
    assert set(needed("http://lab", served).versions) == {"churn/3"}


def test_runs_that_jobs_log_to_and_versions_that_rules_compare_are_needed_of_the_desks_own_alone():
    jobs = [
        SimpleNamespace(mlflow_run_id=run, name="train", state=state)
        for run, state in (("going", JobState.RUNNING), ("over", JobState.SUCCEEDED), (None, JobState.RUNNING))
    ]
    under_way = next(one for one in RetrainState if one.is_underway)
    over = next(one for one in RetrainState if not one.is_underway)
    compared = [
        SimpleNamespace(rule="fresh", state=under_way, champion_version="4", challenger_version=None),
        SimpleNamespace(rule="fresh", state=over, champion_version="5", challenger_version="6"),
    ]
    users = needed(None, jobs=jobs, retrainings=compared)
    assert (users.runs, set(users.versions)) == ({"going": "job train logs to it"}, {"churn/4"})
    assert needed("kept", jobs=jobs, retrainings=compared) == needed("kept")
