"""Which job made a version, and which versions a job made, where its training has runs below the job's own."""

from types import SimpleNamespace

import pytest

from mlops_desk.desk.automation.pipelines import Descent
from mlops_desk.kit.base.errors import NotFound, Unavailable
from mlops_desk.registry.records.model import ModelVersion

PARENT = "mlflow.parentRunId"


class Runs:
    """``top`` is job-1's run, ``fold`` below it, ``deep`` below that; ``apart`` is nobody's."""

    def __init__(self) -> None:
        self.parents = {"top": None, "fold": "top", "deep": "fold", "apart": None, "round": "circle", "circle": "round"}
        self.made = [("digits", "1", "apart"), ("digits", "2", "deep"), ("letters", "7", "fold")]
        self.logged = {"top": "a set"}
        self.registries = SimpleNamespace(read=lambda uri: self)
        self.descent = Descent(self, {"top": "job-1"}.get)  # type: ignore[arg-type]  # what is asked of a registry here

    def run(self, run_id):
        if run_id not in self.parents:
            raise NotFound(f"no run {run_id}")
        parent = self.parents[run_id]
        return SimpleNamespace(tags={} if parent is None else {PARENT: parent})

    def versions_of_run(self, run_id):
        return [ModelVersion(name, number, run, None, "READY") for name, number, run in self.made if run == run_id]

    def versions(self, name):
        found = [ModelVersion(*one, None, "READY") for one in reversed(self.made) if one[0] == name]
        if not found:
            raise NotFound(f"no model {name}")
        return found

    def reference_dataset(self, run_id, _uri, _contexts):
        if run_id not in self.logged:
            raise NotFound(f"Run {run_id} has logged none.")
        return self.logged[run_id]


def numbers(found):
    return [one.version for one in found]


@pytest.mark.parametrize(
    ("run", "job"),
    [("top", "job-1"), ("fold", "job-1"), ("deep", "job-1"), ("apart", None), ("gone", None), ("round", None)],
)
def test_the_job_of_a_run_is_that_of_a_run_above_it(run: str, job: str | None) -> None:
    assert Runs().descent.job_of_run(run) == job


def test_versions_from_runs_below_a_jobs_own_are_its_versions() -> None:
    runs = Runs()
    assert numbers(runs.descent.registered("top", "digits")) == ["2"]
    runs.made += [("digits", "3", "fold"), ("digits", "10", "deep")]
    assert numbers(runs.descent.registered("top", "digits")) == ["2", "3", "10"]
    assert runs.descent.registered("top", "unheard") == []


def test_what_a_jobs_own_run_registered_goes_before_what_runs_below_it_did() -> None:
    runs = Runs()
    runs.made += [("digits", "3", "top"), ("digits", "4", "fold"), ("letters", "9", "top")]
    assert numbers(runs.descent.registered("top", "digits")) == ["3"]


def test_a_data_set_is_that_of_the_nearest_run_which_has_one() -> None:
    runs = Runs()
    assert runs.descent.dataset("deep", ("testing",)) == "a set"
    runs.logged["fold"] = "another"
    assert runs.descent.dataset("deep", ("testing",)) == "another"
    with pytest.raises(NotFound, match="Run apart has logged none"):
        runs.descent.dataset("apart", None)
    runs.logged = {}
    with pytest.raises(NotFound, match="Run deep has logged none"):
        runs.descent.dataset("deep", None)


def test_a_registry_that_is_away_is_no_run_without_a_parent() -> None:
    runs = Runs()

    def away(_run_id):
        raise Unavailable("The store is away.")

    runs.run = away  # type: ignore[method-assign]  # what fails
    for ask in (lambda: runs.descent.job_of_run("fold"), lambda: runs.descent.registered("top", "digits")):
        with pytest.raises(Unavailable):
            ask()


def test_versions_of_another_model_are_none_of_those_asked_for() -> None:
    runs = Runs()
    runs.made += [("beside", "1", "top")]
    assert numbers(runs.descent.registered("top", "digits")) == ["2"]
    assert runs.descent.registered("fold", "letters") == runs.versions("letters")
