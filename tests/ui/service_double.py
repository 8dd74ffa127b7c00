"""What every service of the scripted agent is: its calls go through the double's gate."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

from mlops_desk.kit.verbs.desk import PROTOCOLS

if TYPE_CHECKING:
    from doubles import Double


_OTHERWISE_CALLED = {"incidents": "events"}
"""Gates that are not called as their service: that of ``events`` is the stream of them."""


@cache
def signature_of(service: str, verb: str) -> inspect.Signature | None:
    """Return what the real verb takes, its service left out; None where the protocol has no such verb."""
    declared = getattr(PROTOCOLS[_OTHERWISE_CALLED.get(service, service)], verb, None)
    if declared is None:
        return None
    signature = inspect.signature(declared)
    return signature.replace(parameters=list(signature.parameters.values())[1:])


class Service:
    """Calls go through the double's gate, so that a test can freeze or break them.

    What the window asks is held to the protocol there, whatever the double itself would take: a parameter that the real
    verb does not have is a TypeError here too.
    """

    def __init__(self, double: Double, name: str) -> None:
        self._double = double
        self._name = name

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name.startswith("_") or not callable(found):
            return found
        double, service = object.__getattribute__(self, "_double"), object.__getattribute__(self, "_name")

        def gated(*positional: Any, **named: Any) -> Any:
            if (signature := signature_of(service, name)) is not None:
                signature.bind(*positional, **named)
            double.enter(service, name)
            return found(*positional, **named)

        return gated
