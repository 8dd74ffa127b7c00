"""The steps of a deployment as lines on standard error, while one waits for it."""

import time
from typing import TextIO

from mlops_desk.kit.api.client import Client
from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.records.endpoint import DeployStep, Endpoint, EndpointState

_UNDER_WAY = frozenset({EndpointState.BUILDING, EndpointState.STARTING})
_ENDED = frozenset({EndpointState.STOPPED, EndpointState.FAILED})  # by a stop, which lets a deployment tell no more
_PAUSE_SECONDS = 0.1  # chosen: a step is told as soon as a person can see it
_LONGEST_SECONDS = 7200.0  # as long as the verb itself may take
_TEXT = 500  # chosen: some lines of a terminal


def follow(client: Client, endpoint: Endpoint, said: TextIO) -> Endpoint:
    """Tell each step when it is over, until the deployment is; return the endpoint as it then is. Raises DeskError."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    told: set[float] = set()
    while True:
        for step in endpoint.steps:
            if step.seconds is not None and step.started_at not in told:
                told.add(step.started_at)
                said.write(f"{line(step)}\n")
                said.flush()
        if is_over(endpoint):
            return endpoint
        if time.monotonic() > deadline:
            raise TimedOut(f"The deployment of {endpoint.name} goes on, but took too long to wait for.")
        time.sleep(_PAUSE_SECONDS)
        endpoint = client.endpoints.show(endpoint.name)


def is_over(endpoint: Endpoint) -> bool:
    """Tell whether nothing of the newest deployment goes on any more."""
    is_settled = endpoint.state in _ENDED or all(step.seconds is not None for step in endpoint.steps)
    return endpoint.state not in _UNDER_WAY and is_settled


def line(step: DeployStep) -> str:
    """Return a step as a line: how long it took, its word, what was done."""
    return f"{step.seconds or 0.0:7.2f} s  {step.name:<8} {plain(step.text, _TEXT)}"
