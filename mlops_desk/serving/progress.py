"""What a deployment is doing, step by step, put on its endpoint for whoever watches."""

import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.kit.base.text import LINE_LIMIT, plain
from mlops_desk.serving.records.endpoint import DeployStep, Endpoint

Tell = Callable[[str, str], None]
"""Begin a step by its stable word, and in words; the one before it is over."""


def untold(name: str, text: str) -> None:
    """Tell nobody."""


_MOST = 40  # chosen: a deployment has eight steps, and may try three runtimes
_Steps = tuple[DeployStep, ...]


class DeployProgress:
    """The steps of one deployment. ``change`` stores what is made of the endpoint."""

    def __init__(self, change: Callable[[Callable[[Endpoint], Endpoint]], object], steps: _Steps = ()) -> None:
        self._change = change
        self._steps = steps
        self._began = time.monotonic()

    def step(self, name: str, text: str) -> None:
        """Begin a step; the one before it is over."""
        self._put((*self._over(), DeployStep(name, plain(text, LINE_LIMIT), time.time()))[-_MOST:])
        self._began = time.monotonic()

    def close(self) -> None:
        """Tell that the last step is over."""
        self._put(self._over())

    def _put(self, steps: _Steps) -> None:
        self._steps = steps
        self._change(lambda known: replace(known, steps=steps))

    def _over(self) -> _Steps:
        if not self._steps or self._steps[-1].seconds is not None:
            return self._steps
        return (*self._steps[:-1], replace(self._steps[-1], seconds=time.monotonic() - self._began))
