"""README's first model from its training to a retraining by drift, on a real agent, engine and MLflow.

Its run has logged a data set without saying where it lies, so nobody knows what it was trained on: its first live rows
are what later ones are held against, and whatever lacks is told.
"""

import pytest

from tests.end2end.desk import Desk
from tests.end2end.first_model import SETTINGS, Walk

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


def test_readmes_first_model_is_watched_and_trained_again(
    tmp_path_factory: pytest.TempPathFactory, training_image: str, serving: dict[str, str]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    for key, value in {**SETTINGS, **serving}.items():
        desk.json("settings", "set", key, value)
    walk = Walk(desk, tmp_path_factory.mktemp("project"), training_image)
    checks = {
        "job": _job, "endpoint": _endpoint, "monitor-asks": _asks, "rule-lacks": _lacks, "monitor-waits": _waits,
        "monitor-fine": _fine, "monitor-drift": _drift, "retraining": _retraining,
    }  # fmt: skip
    try:
        for step, _address in walk.steps():
            checks.pop(step)(walk)
        assert not checks
    finally:
        for endpoint in desk.json("endpoints", "list"):
            desk.json("endpoints", "remove", endpoint["name"])
        desk.stop()


def _job(walk: Walk) -> None:
    assert (walk.job["name"], walk.job["state"]) == ("train-iris", "succeeded"), walk.job["reason"]
    assert walk.job["spec"]["mounts"] == []
    assert [one["name"] for one in walk.desk.json("models", "list")] == ["iris"]


def _endpoint(walk: Walk) -> None:
    assert walk.endpoint["state"] == "live", walk.endpoint["reason"]


def _asks(walk: Walk) -> None:
    assert "The data set iris was logged without the path of its data" in walk.monitor["sentence"]
    assert walk.monitor["command"] == "mlops-desk drift monitors configure iris --reference live"


def _lacks(walk: Walk) -> None:
    """It says so when it is made, and as long as it is so: the rule would wait for ever."""
    (made,), (seen,) = walk.rule["missing"], walk.seen_rule["missing"]
    assert made == seen
    assert made.startswith("Drift of endpoint iris is not judged: The data set iris was logged without the path")
    assert walk.monitor["command"] in made


def _waits(walk: Walk) -> None:
    assert walk.monitor["sentence"] == "Waits for its reference: 100 of its first 500 rows are there."


def _fine(walk: Walk) -> None:
    assert walk.monitor["monitor"]["reference_found"] == "the first 500 live rows of version 1"
    assert walk.seen_rule["missing"] == []


def _drift(walk: Walk) -> None:
    assert walk.answered == 2000
    assert set(walk.monitor["since"]) == {"petal length (cm)", "prediction"}, walk.monitor
    alerts = [one for one in walk.desk.json("alerts", "list") if one["rule"] == "drift"]
    assert [(one["device"], one["ended_at"]) for one in alerts] == [("iris", None)]


def _retraining(walk: Walk) -> None:
    """The example learns from the same rows again, so its new version is none that anybody would promote."""
    run = walk.retraining
    assert (run["state"], run["challenger_version"]) == ("not_better", "2"), run["text"]
    steps = {one["name"]: one for one in run["steps"]}
    assert {name: one["state"] for name, one in steps.items() if one["state"] != "waiting"} == {
        "freeze": "done", "validate": "skipped", "augment": "skipped", "train": "done", "evaluate": "done",
        "gate": "failed",
    }  # fmt: skip
    assert f"Job {walk.job['id']} mounts nothing" in steps["validate"]["evidence"]["text"]
    assert "newest labelled requests of endpoint iris, 100 rows" in run["text"]
    (model,) = walk.desk.json("models", "list")
    assert (model["latest_version"], model["aliases"]["champion"]) == ("2", "1")
