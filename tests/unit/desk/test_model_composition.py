"""What the registry is told of endpoints and of jobs' code."""

from dataclasses import dataclass

import pytest

from mlops_desk.desk.model_composition import ModelWiring
from mlops_desk.jobs.provenance.source.store import SnapshotStore
from mlops_desk.jobs.records.provenance import Capsule
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.registry.comparison.code import difference
from mlops_desk.registry.records.alias_move import Follower
from mlops_desk.serving.records.endpoint import Endpoint, EndpointState, ModelRef
from tests.unit.jobs.provenance.source.test_store import keep


@dataclass
class Trained:
    capsule: Capsule | None


class Jobs:
    def __init__(self, jobs):
        self.jobs = jobs

    def find_by_run(self, run_id):
        return self.jobs.get(run_id)


class Endpoints:
    def __init__(self, *endpoints):
        self.endpoints = endpoints

    def list(self):
        return list(self.endpoints)


class Names:
    """A registry core that keeps one registry under a name."""

    def is_same(self, one, other):
        return {"kept": "http://other"}.get(one, one) == {"kept": "http://other"}.get(other, other)


def endpoint(name, model, version, registry=None):
    return Endpoint(name, EndpointState.LIVE, None, 1, ModelRef(model, version, "models:/x", registry=registry))


@pytest.fixture
def folder(tmp_path):
    made = DataFolder(tmp_path / "data")
    made.make()
    return made


def wiring(folder, jobs, *endpoints):
    return ModelWiring(folder, None, Names(), Jobs(jobs), Endpoints(*endpoints))


def test_the_code_of_two_runs_is_that_of_their_jobs(folder):
    store = SnapshotStore(folder.sources)
    old, new = (keep(store, {"train.py": text, "same.py": b"1"}).sha256 for text in (b"lr = 1\n", b"lr = 2\n"))
    found = wiring(folder, {"a": Trained(Capsule(source_sha256=old)), "b": Trained(Capsule(source_sha256=new))})
    text = difference(found.code_of("a"), found.code_of("b")).text
    assert "-lr = 1\n+lr = 2" in text
    assert "same.py" not in text


@pytest.mark.parametrize("job", [None, Trained(None), Trained(Capsule()), Trained(Capsule(source_sha256="f" * 64))])
def test_code_that_is_not_kept_is_none(folder, job):
    assert wiring(folder, {"a": job}).code_of("a") is None


def test_endpoints_of_a_model_are_named_with_what_they_serve_by_its_registry(folder):
    found = wiring(
        folder,
        {},
        endpoint("one", "churn", "3"),
        endpoint("two", "churn", "4", "http://other"),
        endpoint("x", "y", "1"),
    )
    assert found.followers("churn", "champion", None) == [Follower("one", "3", follows=False)]
    assert found.followers("churn", "champion", "http://other") == [Follower("two", "4", follows=False)]
    assert found.followers("churn", "champion", "kept") == found.followers("churn", "champion", "http://other")
