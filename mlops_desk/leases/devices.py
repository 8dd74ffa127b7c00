"""What can be leased: whole GPUs, and the MIG instances of a GPU, each as a GPU of its own. Pure.

A GPU that is cut into instances can be given whole (with all of them) or by the instance, never both at once: what
somebody has of the one counts against the other.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops_desk.leases.faults import HEALTH_METRICS
from mlops_desk.records.gpu import Gpu, MigInstance


@dataclass(frozen=True, slots=True)
class Device:
    """A GPU or an instance of one; ``gpu`` shows of an instance only its own memory and processes.

    ``instances`` are the UUIDs of a GPU's instances, ``parent`` that of an instance's GPU, ``profile`` its size.
    """

    gpu: Gpu
    parent: str | None = None
    profile: str | None = None
    instances: tuple[str, ...] = ()

    @property
    def uuid(self) -> str:
        return self.gpu.uuid

    @property
    def overlapping(self) -> tuple[str, ...]:
        """The other devices that can't be had while somebody has this one, by UUID."""
        return (*((self.parent,) if self.parent is not None else ()), *self.instances)


def devices_of(gpus: Iterable[Gpu]) -> tuple[Device, ...]:
    """Return all that can be leased, by index; an instance of which the driver tells no UUID can't be."""
    found: list[Device] = []
    for gpu in sorted(gpus, key=lambda gpu: (gpu.index, gpu.uuid)):
        named = [one for one in gpu.mig if one.uuid is not None]
        found.append(Device(gpu, instances=tuple(one.uuid for one in named if one.uuid is not None)))
        found += [Device(_as_gpu(gpu, one), gpu.uuid, one.profile) for one in named]
    return tuple(found)


def _as_gpu(gpu: Gpu, instance: MigInstance) -> Gpu:
    """Return an instance as a driver would show a GPU. Compute instances of one GPU instance share its processes.

    It is as sound as its GPU.
    """
    health = {name: gpu.metrics[name] for name in HEALTH_METRICS if name in gpu.metrics}
    return replace(
        gpu,
        uuid=instance.uuid or "",
        name=f"{gpu.name} MIG {instance.profile}",
        metrics={**health, **instance.metrics},
        processes=tuple(one for one in gpu.processes if one.gpu_instance in {None, instance.gpu_instance}),
        mig=(),
        peers={},
        links=(),
    )
