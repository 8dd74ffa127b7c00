"""A service on a state database and a bus of its own; ``restart`` is what a new agent does on the same folder."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path

from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.records.agent import AgentCost, AgentInfo
from mlops_desk.kit.storage.state import State

PATIENCE_SECONDS = 120.0
AGENT = AgentInfo("0", 1.0, AgentCost(), 1, "/d", "i")


class ServiceRig(ABC):
    """A test's own rig says what the service is (``start``) and how it ends (``stop``), and opens when it listens."""

    loop: Loop
    state: State

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bus = Bus()

    @abstractmethod
    def start(self) -> None:
        """Make the service on ``loop`` and ``state``, and start it."""

    @abstractmethod
    def stop(self) -> None:
        """Stop the service as an agent does that ends well."""

    def open(self) -> None:
        self.loop = Loop("test")
        self.state = State(self.folder / "state.db")
        self.start()

    def restart(self) -> None:
        """End well and begin anew."""
        self.stop()
        self.close()
        self.open()

    def close(self) -> None:
        """End without a word to the service."""
        self.loop.stop(5.0)
        self.state.close()

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until something has come true."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline
            time.sleep(0.01)
