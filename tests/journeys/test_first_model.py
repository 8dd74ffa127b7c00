"""README's first model from its training to a retraining by drift, on a real agent, engine and MLflow.

Its run has logged a data set without saying where it lies, so nobody knows what it was trained on: its first live rows
are what later ones are held against, and whatever lacks is told.
"""

from collections.abc import Callable, Iterator

import pytest

from tests.end2end.desk import Desk
from tests.end2end.first_model import SETTINGS, Walk

pytestmark = [pytest.mark.end2end, pytest.mark.engine]


@pytest.fixture(scope="module")
def walk(
    tmp_path_factory: pytest.TempPathFactory, training_image: str, serving: dict[str, str]
) -> Iterator[Callable[[str], None]]:
    """Give what goes README's walk on to a step, and sees whether all is as it should be at each on the way."""
    desk = Desk(tmp_path_factory.mktemp("desk") / "data")
    for key, value in {**SETTINGS, **serving}.items():
        desk.json("settings", "set", key, value)
    made = Walk(desk, tmp_path_factory.mktemp("project"), training_image)
    steps = made.steps()
    checks = {
        "job": _job, "endpoint": _endpoint, "monitor-asks": _asks, "rule-lacks": _lacks, "monitor-waits": _waits,
        "monitor-fine": _fine, "monitor-drift": _drift, "retraining": _retraining,
    }  # fmt: skip

    def go_on(last: str) -> None:
        while last in checks:
            step, _address = next(steps)
            checks.pop(step)(made)

    yield go_on
    for endpoint in desk.json("endpoints", "list"):
        desk.json("endpoints", "remove", endpoint["name"])
    desk.stop()


def test_readmes_first_model_is_trained_and_registered(walk: Callable[[str], None]) -> None:
    walk("job")


def test_it_is_deployed_and_answers(walk: Callable[[str], None]) -> None:
    walk("endpoint")


def test_its_requests_are_watched_as_soon_as_somebody_says_what_they_are_held_against(
    walk: Callable[[str], None],
) -> None:
    walk("monitor-fine")


def test_the_drift_of_its_requests_is_told_once_with_its_columns(walk: Callable[[str], None]) -> None:
    walk("monitor-drift")


def test_it_is_trained_again_for_that(walk: Callable[[str], None]) -> None:
    walk("retraining")


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
