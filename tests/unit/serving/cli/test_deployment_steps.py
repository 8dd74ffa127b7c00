"""A deployment's steps as they are told while one waits for it."""

import io
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_desk.serving.cli import deployment_steps
from mlops_desk.serving.records.endpoint import DeployStep, Endpoint, EndpointState, ModelRef

FRONT = Endpoint("front", EndpointState.BUILDING, None, 1, ModelRef("m", "1", "models:/m/1"))
FOUND = DeployStep("resolve", "found", 1.0, 0.5)
STARTS = DeployStep("start", "a container", 2.0)
STARTED = replace(STARTS, seconds=12.3)


def followed(*seen: Endpoint, monkeypatch: pytest.MonkeyPatch) -> tuple[Endpoint, list[str], int]:
    asked = iter(seen[1:])
    count = [0]

    def show(name: str) -> Endpoint:
        count[0] += 1
        return next(asked)

    client: Any = SimpleNamespace(endpoints=SimpleNamespace(show=show))
    monkeypatch.setattr(deployment_steps, "time", SimpleNamespace(sleep=lambda _seconds: None, monotonic=lambda: 0.0))
    said = io.StringIO()
    return deployment_steps.follow(client, seen[0], said), said.getvalue().splitlines(), count[0]


def test_each_step_is_told_once_when_it_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    last = replace(FRONT, state=EndpointState.LIVE, steps=(FOUND, STARTED))
    found, lines, asked = followed(
        replace(FRONT, steps=(FOUND,)),
        replace(FRONT, steps=(FOUND, STARTS)),
        replace(FRONT, state=EndpointState.LIVE, steps=(FOUND, STARTS)),
        last,
        monkeypatch=monkeypatch,
    )
    assert (found, asked) == (last, 3)
    assert lines == ["   0.50 s  resolve  found", "  12.30 s  start    a container"]


@pytest.mark.parametrize("state", [EndpointState.STOPPED, EndpointState.FAILED])
def test_a_stop_in_between_ends_the_waiting_though_a_step_is_open(
    monkeypatch: pytest.MonkeyPatch, state: EndpointState
) -> None:
    found, lines, asked = followed(replace(FRONT, state=state, steps=(FOUND, STARTS)), monkeypatch=monkeypatch)
    assert (found.state, len(lines), asked) == (state, 1, 0)


def test_text_of_others_can_not_paint_the_terminal() -> None:
    assert "\x1b" not in deployment_steps.line(DeployStep("start", "\x1b[31mred", 1.0, 1.0))
