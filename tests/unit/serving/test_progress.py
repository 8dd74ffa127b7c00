"""The steps of a deployment as they are put on its endpoint."""

from dataclasses import replace

from mlops_desk.serving.progress import DeployProgress
from mlops_desk.serving.records.endpoint import DeployStep, Endpoint, EndpointState, ModelRef

ENDPOINT = Endpoint("front", EndpointState.BUILDING, None, 1, ModelRef("m", "1", "models:/m/1"))
FIRST = DeployStep("resolve", "found", 1.0, 0.5)


def followed(steps: tuple[DeployStep, ...] = ()) -> tuple[DeployProgress, list[Endpoint]]:
    seen = [replace(ENDPOINT, steps=steps)]
    return DeployProgress(lambda change: seen.append(change(seen[-1])), steps), seen


def test_a_step_goes_on_until_the_next_one_and_the_last_until_the_end() -> None:
    progress, seen = followed((FIRST,))
    progress.step("fetch", "files")
    assert [(step.name, step.seconds is None) for step in seen[-1].steps] == [("resolve", False), ("fetch", True)]
    assert seen[-1].steps[0] == FIRST
    progress.step("start", "a container")
    assert [(step.name, step.seconds is None) for step in seen[-1].steps][1:] == [("fetch", False), ("start", True)]
    progress.close()
    assert all(step.seconds is not None for step in seen[-1].steps)
    closed = seen[-1].steps
    progress.close()
    assert seen[-1].steps == closed


def test_text_from_outside_is_plain_and_steps_do_not_grow_without_end() -> None:
    progress, seen = followed()
    for number in range(100):
        progress.step("start", f"\x1b[31m{number}")
    assert len(seen[-1].steps) == 40
    assert seen[-1].steps[-1].text == "\\x1b[31m99"
