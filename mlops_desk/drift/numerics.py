"""SciPy's functions, loaded when one of them is first called.

Loading them took a fifth of the processor time of an agent's start, measured; the agent itself computes few figures,
and most agents none within their first minutes.
"""

from importlib import import_module
from typing import Any


class _Later:
    """A module that is loaded by whoever first takes something of it."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        return getattr(import_module(self._name), name)


special: Any = _Later("scipy.special")
optimize: Any = _Later("scipy.optimize")
