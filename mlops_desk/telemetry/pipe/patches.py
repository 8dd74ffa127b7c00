"""What did not change of a GPU does not go up the pipe again.

Of a GPU that is as before but for what was measured of it, only that goes: changed readings, often as mere numbers, and
processes, slices and throttle reasons where they are others. Both ends of one pipe keep the GPUs that went through
last; the pipe loses nothing and keeps the order, so they agree.
"""

from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.records.gpu import Gpu, NvLink
from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.pipe.frames import BrokenStream, Frame, GpuPatch, Patched

_Readings = Mapping[str, Reading]


class Thinner:
    """The sender's end. A reading that is the same object as before did not change."""

    def __init__(self) -> None:
        self._sent: dict[str, Gpu] = {}

    def thin(self, frame: Frame) -> Frame:
        """Return ``frame`` without what the frames before it told already."""
        if frame.gpu is None:
            return frame
        whole, patches = [], []
        for gpu in frame.gpu.gpus:
            before = self._sent.get(gpu.uuid)
            patch = _patch(before, gpu) if before is not None else None
            if patch is None:
                whole.append(gpu)
            else:
                patches.append(patch)
        self._sent = {gpu.uuid: gpu for gpu in frame.gpu.gpus}
        return replace(frame, gpu=replace(frame.gpu, gpus=tuple(whole)), patches=tuple(patches))


class Restorer:
    """The receiver's end."""

    def __init__(self) -> None:
        self._known: dict[str, Gpu] = {}

    def restore(self, frame: Frame) -> Frame:
        """Return ``frame`` with what it left out. Raises BrokenStream where that was never told."""
        if frame.gpu is None:
            return frame
        try:
            patched = [_patched(self._known[patch.uuid], patch) for patch in frame.patches]
        except (KeyError, IndexError) as error:
            raise BrokenStream(f"a change of what is not known: {error}") from error
        gpus = sorted((*frame.gpu.gpus, *patched), key=lambda gpu: gpu.index)
        self._known = {gpu.uuid: gpu for gpu in gpus}
        return replace(frame, gpu=replace(frame.gpu, gpus=tuple(gpus)), patches=())


def _patch(before: Gpu, gpu: Gpu) -> GpuPatch | None:
    """Return what was measured anew; None where something else changed too."""
    if _lasting(before) != _lasting(gpu):
        return None
    readings = _changed(before.metrics, gpu.metrics)
    links = _changed_links(before.links, gpu.links)
    if readings is None or links is None:
        return None
    return GpuPatch(
        gpu.uuid,
        readings,
        links,
        gpu.processes if gpu.processes != before.processes else None,
        gpu.mig if gpu.mig != before.mig else None,
        gpu.throttle_reasons if gpu.throttle_reasons != before.throttle_reasons else None,
    )


def _lasting(gpu: Gpu) -> tuple[object, ...]:
    return (
        gpu.index, gpu.name, gpu.pci_bus_id, gpu.state, gpu.lease, gpu.note, gpu.processes_known, gpu.facts, gpu.peers,
        gpu.numa_node, gpu.cpu_affinity, gpu.accounting,
    )  # fmt: skip


def _changed(before: _Readings, after: _Readings) -> dict[str, Patched] | None:
    """Return the readings that are new, by name; None where names came or went."""
    if before is after:
        return {}
    if before.keys() != after.keys():
        return None
    return {name: _short(before[name], reading) for name, reading in after.items() if before[name] is not reading}


def _short(before: Reading, reading: Reading) -> Patched:
    is_number = reading.value is not None and before.state is MetricState.OK and before.unit == reading.unit
    return reading.value if is_number and reading.value is not None else reading


def _changed_links(before: tuple[NvLink, ...], after: tuple[NvLink, ...]) -> dict[int, dict[str, Patched]] | None:
    if before is after:
        return {}
    if [_lasting_of(link) for link in before] != [_lasting_of(link) for link in after]:
        return None
    changed = {}
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        readings = _changed(old.metrics, new.metrics)
        if readings is None:
            return None
        if readings:
            changed[place] = readings
    return changed


def _lasting_of(link: NvLink) -> tuple[object, ...]:
    return link.number, link.state, link.version, link.peer


def _patched(gpu: Gpu, patch: GpuPatch) -> Gpu:
    return Gpu(
        uuid=gpu.uuid,
        index=gpu.index,
        name=gpu.name,
        pci_bus_id=gpu.pci_bus_id,
        state=gpu.state,
        lease=gpu.lease,
        metrics=_with(gpu.metrics, patch.readings),
        processes=gpu.processes if patch.processes is None else patch.processes,
        throttle_reasons=gpu.throttle_reasons if patch.reasons is None else patch.reasons,
        note=gpu.note,
        processes_known=gpu.processes_known,
        facts=gpu.facts,
        links=_with_links(gpu.links, patch.links) if patch.links else gpu.links,
        mig=gpu.mig if patch.mig is None else patch.mig,
        peers=gpu.peers,
        numa_node=gpu.numa_node,
        cpu_affinity=gpu.cpu_affinity,
        accounting=gpu.accounting,
    )


def _with(before: _Readings, changed: Mapping[str, Patched]) -> _Readings:
    if not changed:
        return before
    readings = dict(before)
    for name, new in changed.items():
        readings[name] = new if isinstance(new, Reading) else Reading(new, before[name].unit)
    return readings


def _with_links(before: tuple[NvLink, ...], changed: Mapping[int, Mapping[str, Patched]]) -> tuple[NvLink, ...]:
    links = list(before)
    for place, readings in changed.items():
        link = links[place]
        metrics = _with(link.metrics, readings)
        links[place] = NvLink(link.number, link.state, link.version, link.peer, metrics)
    return tuple(links)
