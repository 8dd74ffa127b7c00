"""What the containers of endpoints take: processor and memory by the kernel, GPU memory by what telemetry sees."""

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_desk.engines.engine import ContainerFacts
from mlops_desk.runtimes.local.live_use import LiveCounters
from mlops_desk.serving.meters.past import GpuMemory


@dataclass(frozen=True, slots=True)
class EndpointUsage:
    """What some containers take together; None where that is not known of all of them. ``cpus`` is in cores."""

    cpus: float | None = None
    memory_bytes: int | None = None
    gpu_memory_bytes: int | None = None


class ContainerUsage:
    """``see`` is told what runs; ``of`` reads some containers at a time, in one thread."""

    def __init__(self, gpu_memory: GpuMemory, counters: LiveCounters | None = None) -> None:
        self._gpu_memory = gpu_memory
        self._counters = LiveCounters() if counters is None else counters

    def see(self, containers: Iterable[ContainerFacts]) -> None:
        """Take note of the containers of endpoints that are there."""
        self._counters.see([facts for facts in containers if facts.status == "running"])

    def of(self, containers: Iterable[str]) -> dict[str, EndpointUsage]:
        """Return what each of the containers takes, by name."""
        gpus = self._gpu_memory()
        return {name: self._one(name, gpus.get(name)) for name in containers}

    def _one(self, name: str, gpu_bytes: int | None) -> EndpointUsage:
        use = self._counters.read(name)
        return (
            EndpointUsage(gpu_memory_bytes=gpu_bytes)
            if use is None
            else EndpointUsage(use.cpus, use.memory_bytes, gpu_bytes)
        )


def summed(parts: Iterable[EndpointUsage]) -> EndpointUsage:
    """Return what several containers take together; GPU memory is that of those that hold any."""
    found = list(parts)
    cpus = [one.cpus for one in found if one.cpus is not None]
    memory = [one.memory_bytes for one in found if one.memory_bytes is not None]
    gpus = [one.gpu_memory_bytes for one in found if one.gpu_memory_bytes is not None]
    return EndpointUsage(
        sum(cpus) if found and len(cpus) == len(found) else None,
        sum(memory) if found and len(memory) == len(found) else None,
        sum(gpus) if gpus else None,
    )
