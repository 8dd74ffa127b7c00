"""Since when memory of a GPU is in use that no process is seen to hold.

Memory is read every second and the list of processes every two: for a moment each start and end of a process looks
like that. It is told once it has lasted.
"""

from mlops_desk.machine.records.gpu import Gpu, GpuProcess
from mlops_desk.machine.records.hidden_memory import claimed_bytes, unexplained_bytes

LASTING_SECONDS = 10.0  # five readings of the list of processes: one that starts or ends is in neither for up to two


class Unclaimed:
    """Remembers since when, by GPU."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._claims: dict[str, tuple[tuple[GpuProcess, ...], int | None]] = {}

    def of(self, gpu: Gpu, now: float) -> int | None:
        """Return the bytes that nobody has held for a while; ``now`` is monotonic."""
        held = self._held(gpu)
        if held is None:
            if self._since:
                self._since.pop(gpu.uuid, None)
            return None
        since = self._since.setdefault(gpu.uuid, now)
        return int(held) if now - since >= LASTING_SECONDS else None

    def _held(self, gpu: Gpu) -> float | None:
        """Return what nobody holds at this moment; what the processes hold is added up only when they are others."""
        known = self._claims.get(gpu.uuid)
        if known is None or known[0] is not gpu.processes or not gpu.processes_known:
            known = gpu.processes, claimed_bytes(gpu)
            if gpu.processes_known:
                self._claims[gpu.uuid] = known
        return unexplained_bytes(gpu, known[1])
