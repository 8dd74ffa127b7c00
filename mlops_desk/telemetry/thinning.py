"""What did not change of a GPU does not go up the pipe again: facts, links, ways to its peers, and readings.

They are most of a frame otherwise. Both ends of one pipe keep what went through last; the pipe loses nothing and
keeps the order, so they agree.
"""

from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.records.metric import Reading
from mlops_desk.records.status import Gpu, NvLink
from mlops_desk.telemetry.frames import Frame

_Kept = tuple[Mapping[str, str], tuple[NvLink, ...], Mapping[str, str]]
_Readings = Mapping[str, Reading]


class Thinner:
    """The sender's end. A reading that is the same object as before did not change."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._readings: dict[str, _Readings] = {}

    def thin(self, frame: Frame) -> Frame:
        """Return ``frame`` without what the frames before it told already."""
        if frame.gpu is None:
            return frame
        gpus, same, partial = [], [], []
        for gpu in frame.gpu.gpus:
            kept = _kept(gpu)
            if self._kept.get(gpu.uuid) == kept:
                same.append(gpu.uuid)
                kept = {}, (), {}
            else:
                self._kept[gpu.uuid] = kept
            readings = self._changed(gpu)
            if readings is not gpu.metrics:
                partial.append(gpu.uuid)
            facts, links, peers = kept
            gpus.append(replace(gpu, facts=facts, links=links, peers=peers, metrics=readings))
        sample = replace(frame.gpu, gpus=tuple(gpus))
        return replace(frame, gpu=sample, same=tuple(same), partial=tuple(partial))

    def _changed(self, gpu: Gpu) -> _Readings:
        """Return the readings that are new, or all of them where names came or went."""
        before = self._readings.get(gpu.uuid)
        self._readings[gpu.uuid] = gpu.metrics
        if before is None or before.keys() != gpu.metrics.keys():
            return gpu.metrics
        return {name: reading for name, reading in gpu.metrics.items() if before[name] is not reading}


class Restorer:
    """The receiver's end."""

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._readings: dict[str, _Readings] = {}

    def restore(self, frame: Frame) -> Frame:
        """Return ``frame`` with what it left out."""
        if frame.gpu is None:
            return frame
        same, partial = set(frame.same), set(frame.partial)
        gpus = []
        for gpu in frame.gpu.gpus:
            kept = self._kept[gpu.uuid] = self._kept.get(gpu.uuid, _kept(gpu)) if gpu.uuid in same else _kept(gpu)
            readings = gpu.metrics
            if gpu.uuid in partial:
                readings = {**self._readings.get(gpu.uuid, {}), **readings}
            self._readings[gpu.uuid] = readings
            facts, links, peers = kept
            gpus.append(replace(gpu, facts=facts, links=links, peers=peers, metrics=readings))
        return replace(frame, gpu=replace(frame.gpu, gpus=tuple(gpus)), same=(), partial=())


def _kept(gpu: Gpu) -> _Kept:
    return gpu.facts, gpu.links, gpu.peers
