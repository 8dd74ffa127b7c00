"""Since when memory of a GPU is in use that no process is seen to hold.

Memory is read every second and the list of processes every two: for a moment each start and end of a process looks
like that. It is told once it has lasted.
"""

from mlops_desk.records.holding import held_by_nobody_bytes
from mlops_desk.records.status import Gpu

LASTING_SECONDS = 10.0


class Unclaimed:
    """Remembers since when, by GPU."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}

    def of(self, gpu: Gpu, now: float) -> int | None:
        """Return the bytes that nobody has held for a while; ``now`` is monotonic."""
        held = held_by_nobody_bytes(gpu)
        if held is None:
            self._since.pop(gpu.uuid, None)
            return None
        since = self._since.setdefault(gpu.uuid, now)
        return int(held) if now - since >= LASTING_SECONDS else None
