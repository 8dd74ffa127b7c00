"""Remembers which GPUs an error has made untrustworthy, until the driver or a person takes it back. Pure.

An error (XID) is announced once. A driver that says what it wants done (the recovery action) is believed as soon as
it says so; of an older one nobody hears that a GPU was reset, so a person says it.
"""

from collections.abc import Iterable, Mapping
from threading import Lock

from mlops_desk.leases.faults import GpuFault
from mlops_desk.records.gpu import Gpu, GpuState
from mlops_desk.records.incident import DeviceEvent
from mlops_desk.records.xid import explain_xid

SETTLING_SECONDS = 30.0
"""Chosen: the driver's wish follows an error within a few samples; a 0 that is read sooner may be of before it."""

_GONE = frozenset({GpuState.LOST, GpuState.RESET_REQUIRED})


class FaultMemory:
    """What was announced of broken GPUs, by UUID. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._faults: dict[str, tuple[int, float]] = {}
        self._was_gone: set[str] = set()

    def take(self, heard: Iterable[DeviceEvent], gpus: Iterable[Gpu], now: float) -> None:
        """Take in what the driver announced and what it shows now; ``now`` is monotonic seconds."""
        with self._lock:
            for event in heard:
                if event.kind == "xid" and event.device is not None and event.code is not None:
                    self._put(event.device, event.code, now)
            if self._faults:
                self._forgive(gpus, now)

    def now(self) -> Mapping[str, GpuFault]:
        """Return what is known to be broken."""
        with self._lock:
            return {uuid: _fault(code) for uuid, (code, _) in self._faults.items()}

    def xids(self) -> Mapping[str, int]:
        """Return the number of the error of each GPU that is known to be broken."""
        with self._lock:
            return {uuid: code for uuid, (code, _) in self._faults.items()}

    def recall(self, xids: Mapping[str, int], now: float) -> None:
        """Take in what was known before, as if it were announced now."""
        with self._lock:
            for uuid, code in xids.items():
                self._put(uuid, code, now)

    def trust(self, uuid: str) -> bool:
        """Take a person's word that a GPU is mended; tell whether it was known as broken."""
        with self._lock:
            return self._faults.pop(uuid, None) is not None

    def _put(self, uuid: str, code: int, now: float) -> None:
        if explain_xid(code).level == "alert":
            self._faults[uuid] = code, now

    def _forgive(self, gpus: Iterable[Gpu], now: float) -> None:
        for gpu in gpus:
            known = self._faults.get(gpu.uuid)
            if gpu.state in _GONE:
                self._was_gone.add(gpu.uuid)
                continue
            returned = gpu.state is GpuState.OK and gpu.uuid in self._was_gone
            if returned:
                self._was_gone.discard(gpu.uuid)
            action = gpu.metrics.get("hw.gpu.recovery_action")
            asks_nothing = action is not None and action.value == 0.0
            if known is not None and (returned or (asks_nothing and now - known[1] > SETTLING_SECONDS)):
                del self._faults[gpu.uuid]


def _fault(code: int) -> GpuFault:
    known = explain_xid(code)
    return GpuFault(f"XID {code}: {known.brief or 'an error of the hardware'}", known.hint)
