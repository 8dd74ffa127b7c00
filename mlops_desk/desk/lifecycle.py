"""Start and stop of what the Desk consists of: one list, begun in its order and ended in the opposite one.

What does not end within its deadline is left behind and named in the log, so that the databases behind it are closed
all the same. How long all of it may take is not decided here: the agent ends hard when it takes too long.

What an agent may have nothing to do with is ``OnDemand``: it is loaded and made when it is first asked for something.
"""

import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar, cast

from mlops_desk.kit.base.errors import Closed, DeskError
from mlops_desk.kit.base.loop import Loop

_log = logging.getLogger(__name__)
T = TypeVar("T")

_UNSERVED = frozenset({"routes.json", ".routes.json.spare", "bell.sock"})
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


class _StandIn:
    """Stands for an object that is made when somebody asks it for an attribute."""

    def __init__(self, get: Callable[[], object]) -> None:
        object.__setattr__(self, "_StandIn__get", get)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__get(), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__get(), name, value)


def stand_in(get: Callable[[], T]) -> T:
    """Return what has all attributes of what ``get`` returns, and asks for it when the first one is asked for."""
    return cast("T", _StandIn(get))


def has_files(folder: Path) -> bool:
    """Tell whether there is any file in a folder or below it but those that are left where nothing is served."""
    return any(name not in _UNSERVED for _, _, names in os.walk(folder) for name in names)


class Startable(Protocol):
    """What is started as it is made, and closed with the agent."""

    def start(self) -> None: ...

    def close(self) -> None: ...


K = TypeVar("K", bound=Startable)


class OnDemand(Generic[K]):
    """A ``Service`` that is made when it is first asked for something, or at once where any of ``signs`` tells of work.

    ``service`` stands for what ``make`` returns. It is started as it is made, once the agent has begun.
    """

    _making = threading.RLock()
    """One for all: what is made asks others for something, which are made in the same thread."""

    def __init__(self, name: str, make: Callable[[], K], *signs: Callable[[], object]) -> None:
        self.name = name
        self.stop_seconds = STOP_SECONDS
        self.service = stand_in(self.get)
        self.made: K | None = None
        self._make, self._signs = make, signs
        self._has_begun = self._has_ended = False

    def get(self) -> K:
        """Return what it is, made now where it was not. Raises Closed once the agent ends."""
        with self._making:
            if self.made is None:
                if self._has_ended:
                    raise Closed(f"The agent ends, and {self.name} with it.")
                self.made = self._make()
                if self._has_begun:
                    self.made.start()
            return self.made

    def make_if_needed(self) -> None:
        """Make it where there is something to do."""
        if self.made is None and any(sign() for sign in self._signs):
            self.get()

    def start(self) -> None:
        """Start it if it is made, and from now on as it is made."""
        with self._making:
            self._has_begun = True
            if self.made is not None:
                self.made.start()

    def stop(self) -> None:
        """Close it if it is made; else it never will be."""
        with self._making:
            self._has_ended = True
            if self.made is not None:
                self.made.close()


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
