"""Start and stop of what the Desk consists of: one list, begun in its order and ended in the opposite one.

What does not end within its deadline is left behind and named in the log, so that the databases behind it are closed
all the same. How long all of it may take is not decided here: the agent ends hard when it takes too long.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.base.errors import DeskError
from mlops_desk.base.loop import Loop

_log = logging.getLogger(__name__)

STOP_SECONDS = 0.3
"""Most parts end by forgetting whom they listened to; a part that waits for more than that hangs."""


class Service(Protocol):
    """What begins with the agent and ends with it."""

    @property
    def name(self) -> str: ...

    @property
    def stop_seconds(self) -> float:
        """How long its end is waited for."""
        ...

    def start(self) -> None: ...

    def stop(self) -> None: ...


def _nothing() -> None:
    """Stand for the start of what is not started, and for the end of what needs none."""


@dataclass(frozen=True, slots=True)
class Part:
    """A ``Service`` of plain callables."""

    name: str
    start: Callable[[], None] = _nothing
    stop: Callable[[], None] = _nothing
    stop_seconds: float = STOP_SECONDS


class Lifecycle:
    """Starts ``services`` one after the other, and stops them in the opposite order."""

    def __init__(self, services: Sequence[Service], loop: Loop) -> None:
        self._services = services
        self._loop = loop

    def start(self) -> None:
        """Start all. Raises what the first one raises that can't be started."""
        for service in self._services:
            service.start()

    def stop(self) -> None:
        """Stop all, whatever becomes of one of them."""
        for service in reversed(self._services):
            try:
                self._loop.call(f"the end of {service.name}", service.stop, service.stop_seconds)
            except DeskError as error:
                _log.warning("On the way out: %s", error.message)
            except Exception:  # noqa: BLE001 - logged as a bug; what comes after it has to end too
                _log.exception("A bug on the way out, in %s", service.name)
