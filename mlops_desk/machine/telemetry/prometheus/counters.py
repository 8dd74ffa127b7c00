"""What is counted from the moment the metrics endpoint is on: bytes over links, seconds lost, errors of the driver.

Measured are rates and shares of time; a scraper wants counters, which it can look at as seldom as it likes. Each tick
adds what went on since the one before it. What was not measured adds nothing, and what never was has no counter.
"""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_desk.machine.records.gpu import Gpu
from mlops_desk.machine.records.incident import DeviceEvent

LONGEST_STEP_SECONDS = 10.0
"""A longer step is a pause (a sleeping machine, a stalled agent): what went on in it is not known."""

XID_WINDOW_SECONDS = 300.0  # dcgm-exporter's own default for its count of XIDs
_XIDS_KEPT = 4096  # chosen: a storm of errors of five minutes

SUMMED = (
    "hw.gpu.io.receive",
    "hw.gpu.io.transmit",
    "hw.gpu.throttle.power_cap",
    "hw.gpu.throttle.thermal",
    "hw.gpu.throttle.thermal_software",
    "hw.gpu.throttle.thermal_hardware",
    "hw.gpu.throttle.power_brake",
    "hw.gpu.throttle.sync_boost",
    "hw.gpu.throttle.board_limit",
    "hw.gpu.throttle.low_utilization",
    "hw.gpu.throttle.reliability",
    "hw.gpu.throttle.application_clocks",
    "hw.gpu.throttle.base_clocks",
)
"""Metrics whose values, each a second's, are added up: to bytes, or to seconds."""


@dataclass(slots=True)
class _OfGpu:
    sums: dict[str, float] = field(default_factory=dict)
    last_xid: int = 0
    xids: deque[tuple[float, int, int]] = field(default_factory=lambda: deque(maxlen=_XIDS_KEPT))


class Tallies:
    """Fed by the thread that samples; read by the one that answers."""

    def __init__(self) -> None:
        self._gpus: dict[str, _OfGpu] = {}
        self._taken_at: float | None = None

    def take(self, events: Sequence[DeviceEvent], gpus: Sequence[Gpu], now: float, *, is_tick: bool) -> None:
        """Add what a sample tells; ``now`` is monotonic. Only a tick has new measurements."""
        for event in events:
            if event.kind == "xid" and event.code is not None and event.device is not None:
                counted = self._gpus.setdefault(event.device, _OfGpu())
                counted.last_xid = event.code
                counted.xids.append((now, event.code, event.count))
        if not is_tick:
            return
        before, self._taken_at = self._taken_at, now
        seconds = 0.0 if before is None else now - before
        if not 0 < seconds <= LONGEST_STEP_SECONDS:
            return
        for gpu in gpus:
            sums = self._gpus.setdefault(gpu.uuid, _OfGpu()).sums
            for name in SUMMED:
                reading = gpu.metrics.get(name)
                if reading is not None and reading.value is not None:
                    sums[name] = sums.get(name, 0.0) + reading.value * seconds

    def total(self, uuid: str, metric: str) -> float | None:
        """Return what a metric has added up to; None where it was never measured."""
        counted = self._gpus.get(uuid)
        return None if counted is None else counted.sums.get(metric)

    def last_xid(self, uuid: str) -> int:
        """Return the newest XID of a GPU; 0 where there was none."""
        counted = self._gpus.get(uuid)
        return 0 if counted is None else counted.last_xid

    def xids(self, uuid: str, now: float) -> dict[int, int]:
        """Return how often each XID was told within the last minutes; ``now`` is monotonic."""
        counted = self._gpus.get(uuid)
        found: dict[int, int] = {}
        for at, code, count in [*counted.xids] if counted is not None else ():
            if now - at <= XID_WINDOW_SECONDS:
                found[code] = found.get(code, 0) + count
        return found
