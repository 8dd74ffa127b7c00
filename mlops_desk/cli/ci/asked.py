"""An agent that is asked about a run until that ends, and looked for anew when it was away."""

import contextlib
import time
from collections.abc import Callable
from typing import Self

from mlops_desk.api.client import connect
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.errors import DeskError, Refused, TimedOut, Unavailable
from mlops_desk.records.ci.run import CiRun

_AWAY_SECONDS = 90.0  # chosen: an agent that is started anew on a busy machine
_PAUSE_SECONDS = 1.0  # chosen: an agent that is away is looked for so often


class AskedAgent:
    """The agent, looked for anew when it was away."""

    def __init__(self, address: AgentAddress, *, demo: bool) -> None:
        self.address = address
        self.demo = demo
        self.client = connect(address, demo=demo)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_what: object) -> None:
        self.client.close()

    def _again(self) -> None:
        """Find the agent once more, or start one. Raises DeskError."""
        with contextlib.suppress(DeskError, OSError):
            self.client.close()
        self.client = connect(self.address, demo=self.demo)

    def look(self, run_id: str, revision: int, seconds: float) -> CiRun:
        """Return a run once it is another than at a revision. Raises DeskError."""
        return self._patiently(lambda: self.client.ci.follow(run_id, revision, seconds))

    def end(self, run_id: str) -> CiRun:
        """End a run, so that nothing of it is left, and return it as it is then. Raises DeskError."""
        try:
            return self._patiently(lambda: self.client.ci.cancel(run_id))
        except Refused:
            return self.look(run_id, -1, 0.0)  # it was over by then

    def _patiently(self, ask: Callable[[], CiRun]) -> CiRun:
        """Ask, and where the agent is away wait for the next one. Raises DeskError."""
        until = time.monotonic() + _AWAY_SECONDS
        while True:
            try:
                return ask()
            except (Unavailable, TimedOut):
                if time.monotonic() > until:
                    raise
            time.sleep(_PAUSE_SECONDS)
            with contextlib.suppress(Unavailable, TimedOut):
                self._again()
