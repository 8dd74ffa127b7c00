"""The newest two minutes of the few curves that tiles show, in flat arrays; charts have theirs from a feed. No Qt here.

Of some 1,200 series of a workstation with eight GPUs these are about 60: 300 KB instead of tens of megabytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isfinite
from typing import TYPE_CHECKING

from mlops_desk.kit.window.curves.track import Track, of_curve

if TYPE_CHECKING:
    from mlops_desk.machine.records.history import Curves
    from mlops_desk.machine.records.metric import Reading

SECONDS = 120.0  # twice what a tile shows
TILE_METRICS = frozenset(
    {
        "hw.gpu.utilization", "hw.gpu.memory.usage", "hw.power",
        "system.cpu.utilization", "system.memory.usage",
        "system.pressure.cpu.some", "system.pressure.io.some", "system.pressure.memory.some",
        "system.disk.read", "system.disk.write", "system.network.receive", "system.network.transmit",
    }
)  # fmt: skip
Key = tuple[str, str]
Devices = Iterable[tuple[str, Mapping[str, "Reading"]]]


class RecentTracks:
    """One track for each device and metric of a tile."""

    def __init__(self) -> None:
        self._tracks: dict[Key, Track] = {}
        self._kept: dict[str, tuple[int, list[str]]] = {}

    def take(self, at: float, devices: Devices) -> None:
        """Take the readings of one sample."""
        for device, metrics in devices:
            for metric in self._kept_of(device, metrics):
                track = self._tracks.get((device, metric))
                if track is None:
                    track = self._tracks[device, metric] = Track()
                track.push(at, metrics[metric].value)
                track.forget_before(at - SECONDS)

    def _kept_of(self, device: str, metrics: Mapping[str, Reading]) -> list[str]:
        """Return which of a device's metrics are kept; found out anew only when it tells more or fewer."""
        count, kept = self._kept.get(device, (-1, []))
        if count != len(metrics) or any(metric not in metrics for metric in kept):
            kept = sorted(TILE_METRICS & metrics.keys())
            self._kept[device] = len(metrics), kept
        return kept

    def take_curves(self, curves: Curves) -> None:
        """Put what the agent remembers before what has been heard since."""
        for curve in curves.curves:
            older, heard = of_curve(curves, curve), self._tracks.get((curve.device, curve.metric))
            if heard is not None:
                older.go_on_from(heard)
            if len(older):
                self._tracks[curve.device, curve.metric] = older

    def curve(self, device: str, metric: str, start: float | None) -> list[tuple[float, float | None]]:
        """Return a curve from a time on, oldest first; None is a gap. Empty buckets between samples are none."""
        track = self._tracks.get((device, metric))
        if track is None:
            return []
        first = 0 if start is None else track.places(start, start).start
        return [
            (at, value if isfinite(value) else None)
            for number, (at, value) in enumerate(zip(track.times[first:], track.mean[first:], strict=True), first)
            if number >= track.sent or isfinite(value)
        ]


def tile_keys(devices: Devices) -> list[Key]:
    """Return which curves tiles show."""
    return [(device, metric) for device, metrics in devices for metric in sorted(TILE_METRICS & metrics.keys())]
