"""What is said of each GPU, given what the collector last said, how old that is, and who was seen before.

Pure: no clock, no process. A GPU that was seen once stays listed with its UUID and index, whatever
happened to it; a value that is not fresh is no value.
"""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from mlops_desk.machine.records.gpu import Gpu, GpuState
from mlops_desk.machine.records.metric import MetricState, Reading
from mlops_desk.machine.telemetry.metrics.table import all_missing
from mlops_desk.machine.telemetry.source import GpuSample, HostSample

_UNIDENTIFIED = "unidentified-"
_AWAITED_NOTE = "It responds again, and is read with the others in a moment."
_AS_METRIC = {GpuState.STALE: MetricState.STALE, GpuState.LOST: MetricState.LOST, GpuState.ERROR: MetricState.ERROR}


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A GPU that is not asked because a call to it did not return. Times are Unix seconds."""

    since: float
    ask_again: float


def identify(gpus: tuple[Gpu, ...], known: Mapping[str, Gpu]) -> tuple[Gpu, ...]:
    """Give GPUs that could not say who they are the identity last seen at their index."""
    by_index = {gpu.index: gpu for gpu in known.values() if not gpu.uuid.startswith(_UNIDENTIFIED)}
    named = []
    for gpu in gpus:
        before = by_index.get(gpu.index)
        if gpu.uuid.startswith(_UNIDENTIFIED) and before is not None:
            named.append(replace(gpu, uuid=before.uuid, name=before.name, pci_bus_id=before.pci_bus_id))
        else:
            named.append(gpu)
    return tuple(named)


def uuid_of(index: int, known: Mapping[str, Gpu]) -> str:
    """Return the UUID last seen at an index, the placeholder of one that never said who it is."""
    here = [gpu.uuid for gpu in known.values() if gpu.index == index]
    return next((uuid for uuid in here if not uuid.startswith(_UNIDENTIFIED)), f"{_UNIDENTIFIED}{index}")


def remember(gpus: tuple[Gpu, ...], known: Mapping[str, Gpu]) -> dict[str, Gpu]:
    """Return ``known`` with ``gpus``; a placeholder is forgotten once its index has a name."""
    named = {gpu.index for gpu in gpus if not gpu.uuid.startswith(_UNIDENTIFIED)}
    kept = {uuid: gpu for uuid, gpu in known.items() if not (uuid.startswith(_UNIDENTIFIED) and gpu.index in named)}
    return {**kept, **{gpu.uuid: gpu for gpu in gpus}}


def merge(
    sample: GpuSample | None,
    *,
    fresh: bool,
    known: Mapping[str, Gpu],
    left_out: Mapping[int, LeftOut],
    wall: float,
    awaited: Collection[int] = (),
) -> tuple[Gpu, ...]:
    """Return every GPU ever seen as it is now; ``fresh`` says whether ``sample`` may still be believed.

    ``awaited`` are left out no more, but whoever gave ``sample`` did not ask them: the next one will.
    """
    current = {gpu.uuid: gpu for gpu in sample.gpus} if sample is not None else {}
    merged = []
    for gpu in {**known, **current}.values():
        if gpu.index in left_out and gpu.uuid not in current:
            merged.append(without_values(gpu, GpuState.STALE, _left_out_note(left_out[gpu.index], wall)))
        elif not fresh:
            note = f"No data since {_clock(sample.at)}: the driver does not answer." if sample else "No data yet."
            merged.append(without_values(gpu, GpuState.STALE, note))
        elif gpu.uuid in current:
            merged.append(gpu)
        elif gpu.index in awaited:
            merged.append(without_values(gpu, GpuState.STALE, _AWAITED_NOTE))
        elif sample is not None and sample.note is not None:
            merged.append(without_values(gpu, GpuState.ERROR, sample.note))
        else:
            note = "The driver no longer lists this GPU. If it does not come back, restart the machine."
            merged.append(without_values(gpu, GpuState.LOST, note))
    return tuple(sorted(merged, key=lambda gpu: (gpu.index, gpu.uuid)))


def without_values(gpu: Gpu, state: GpuState, note: str) -> Gpu:
    """Return ``gpu`` in ``state`` with nothing that was measured left in it."""
    missing = _AS_METRIC.get(state, MetricState.ERROR)
    return replace(
        gpu,
        state=state,
        metrics=all_missing(missing, gpu.metrics or None),
        processes=(),
        processes_known=False,
        accounting=None,
        throttle_reasons=(),
        note=note,
        links=tuple(replace(link, state="unknown", metrics=all_missing(missing, link.metrics)) for link in gpu.links),
        mig=tuple(replace(instance, metrics=all_missing(missing, instance.metrics)) for instance in gpu.mig),
    )


def stale_host(sample: HostSample) -> HostSample:
    """Return the machine with every value withdrawn."""
    host = replace(
        sample.host,
        metrics=_stale(sample.host.metrics),
        cores=tuple(replace(core, metrics=_stale(core.metrics)) for core in sample.host.cores),
        sensors=tuple(replace(sensor, metrics=_stale(sensor.metrics)) for sensor in sample.host.sensors),
    )
    return replace(
        sample,
        host=host,
        disks=tuple(replace(disk, metrics=_stale(disk.metrics)) for disk in sample.disks),
        networks=tuple(
            replace(network, metrics=_stale(network.metrics), link="unknown") for network in sample.networks
        ),
        filesystems=tuple(replace(mounted, metrics=_stale(mounted.metrics)) for mounted in sample.filesystems),
    )


def _stale(readings: Mapping[str, Reading]) -> dict[str, Reading]:
    return all_missing(MetricState.STALE, readings)


def _left_out_note(out: LeftOut, wall: float) -> str:
    again = round(out.ask_again - wall)
    asked = f"asked again in {again} s" if again > 0 else "asked apart, and back as soon as it answers"
    return f"Not responding since {_clock(out.since)}; it is left alone, {asked}."


def _clock(at: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(at))
