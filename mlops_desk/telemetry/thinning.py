"""What seldom changes of a GPU goes up the pipe when it changed, not in every frame: facts, links, ways to its peers.

They are more than half of a frame otherwise. Both ends of one pipe keep what went through last; the pipe loses
nothing and keeps the order, so they agree.
"""

from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.records.status import Gpu, NvLink
from mlops_desk.telemetry.frames import Frame

_Kept = tuple[Mapping[str, str], tuple[NvLink, ...], Mapping[str, str]]


class Thinner:
    """The sender's end."""

    def __init__(self) -> None:
        self._sent: dict[str, _Kept] = {}

    def thin(self, frame: Frame) -> Frame:
        """Return ``frame`` without what the frames before it told already."""
        if frame.gpu is None:
            return frame
        gpus, same = [], []
        for gpu in frame.gpu.gpus:
            kept = _kept(gpu)
            if any(kept) and self._sent.get(gpu.uuid) == kept:
                same.append(gpu.uuid)
                gpus.append(replace(gpu, facts={}, links=(), peers={}))
            else:
                self._sent[gpu.uuid] = kept
                gpus.append(gpu)
        return replace(frame, gpu=replace(frame.gpu, gpus=tuple(gpus)), same=tuple(same)) if same else frame


class Restorer:
    """The receiver's end."""

    def __init__(self) -> None:
        self._heard: dict[str, _Kept] = {}

    def restore(self, frame: Frame) -> Frame:
        """Return ``frame`` with what it left out."""
        if frame.gpu is None:
            return frame
        same = set(frame.same)
        gpus = []
        for gpu in frame.gpu.gpus:
            kept = self._heard.get(gpu.uuid)
            if gpu.uuid in same and kept is not None:
                facts, links, peers = kept
                gpus.append(replace(gpu, facts=facts, links=links, peers=peers))
            else:
                self._heard[gpu.uuid] = _kept(gpu)
                gpus.append(gpu)
        return replace(frame, gpu=replace(frame.gpu, gpus=tuple(gpus)), same=()) if same else frame


def _kept(gpu: Gpu) -> _Kept:
    return gpu.facts, gpu.links, gpu.peers
