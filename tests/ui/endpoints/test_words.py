"""What is said beside an endpoint of its deployment: the step under way, and what it is served by."""

from dataclasses import replace

from mlops_desk.records.serving.endpoint import DeployStep, Endpoint, EndpointState, ModelRef
from mlops_desk.ui.endpoints.words import facts_of

FRONT = Endpoint("front", EndpointState.STARTING, None, 1, ModelRef("m", "1", "models:/m/1"))
FETCHED = DeployStep("fetch", "the files of m/1", 1.0, 0.5)
STARTS = DeployStep("start", "a container is started", 2.0)


def told(endpoint: Endpoint) -> dict[str, str]:
    return {fact.name: fact.value for fact in facts_of(endpoint, {})}


def test_the_step_under_way_is_said_and_none_that_is_over() -> None:
    assert told(replace(FRONT, steps=(FETCHED, STARTS)))["Step"] == "start: a container is started"
    assert "Step" not in told(replace(FRONT, steps=(FETCHED,)))
    assert "Step" not in told(FRONT)


def test_the_runtime_is_said_in_words_and_one_that_is_not_known_by_its_name() -> None:
    assert told(replace(FRONT, runtime="training"))["Runtime"] == "the image that it was trained in"
    assert told(replace(FRONT, runtime="other"))["Runtime"] == "other"
    assert "Runtime" not in told(FRONT)
