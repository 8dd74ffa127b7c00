"""Verbs about live numbers."""

from typing import Protocol

from mlops_desk.records.status import Status, Window
from mlops_desk.verbs.declaration import reads


class Telemetry(Protocol):
    """The newest sample and the last minute at full rate."""

    @reads
    def status(self) -> Status:
        """Show GPUs, who uses them, host, disks and networks as they are now."""
        ...

    @reads
    def window(self, seconds: float = 60.0) -> Window:
        """Return every series over the last ``seconds``; gaps are None."""
        ...
