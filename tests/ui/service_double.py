"""What every service of the scripted agent is: its calls go through the double's gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doubles import Double


class Service:
    """Calls go through the double's gate, so that a test can freeze or break them."""

    def __init__(self, double: Double, name: str) -> None:
        self._double = double
        self._name = name

    def __getattribute__(self, name: str) -> Any:
        found = object.__getattribute__(self, name)
        if name.startswith("_") or not callable(found):
            return found
        double, service = object.__getattribute__(self, "_double"), object.__getattribute__(self, "_name")

        def gated(*positional: Any, **named: Any) -> Any:
            double.enter(service, name)
            return found(*positional, **named)

        return gated
