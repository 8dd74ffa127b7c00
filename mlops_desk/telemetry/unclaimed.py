"""Since when memory of a GPU is in use that no process is seen to hold.

Memory is read every second and the list of processes every two: for a moment each start and end of a process looks
like that. It is told once it has lasted.
"""

from mlops_desk.records.holding import held_by_nobody_bytes
from mlops_desk.records.status import Gpu, GpuProcess

LASTING_SECONDS = 10.0


class Unclaimed:
    """Remembers since when, by GPU."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._looked_at: dict[str, tuple[object, tuple[GpuProcess, ...], float | None]] = {}

    def of(self, gpu: Gpu, now: float) -> int | None:
        """Return the bytes that nobody has held for a while; ``now`` is monotonic."""
        held = self._held(gpu)
        if held is None:
            self._since.pop(gpu.uuid, None)
            return None
        since = self._since.setdefault(gpu.uuid, now)
        return int(held) if now - since >= LASTING_SECONDS else None

    def _held(self, gpu: Gpu) -> float | None:
        """Return what nobody holds at this moment; computed anew when memory or processes are others than before."""
        usage, known = gpu.metrics.get("hw.gpu.memory.usage"), self._looked_at.get(gpu.uuid)
        if known is not None and known[0] is usage and known[1] is gpu.processes and gpu.processes_known:
            return known[2]
        held = held_by_nobody_bytes(gpu)
        if gpu.processes_known:
            self._looked_at[gpu.uuid] = usage, gpu.processes, held
        else:
            self._looked_at.pop(gpu.uuid, None)
        return held
