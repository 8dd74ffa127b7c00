"""What a simulated workstation would have told before the demo began, so that its curves go back."""

from collections.abc import Iterable, Iterator

from mlops_desk.records.status import Sample
from mlops_desk.telemetry.simulated.gpus import SimulatedGpus
from mlops_desk.telemetry.simulated.host import SimulatedHost


def past(seed: int, until: float, seconds: int) -> Iterator[Sample]:
    """Yield one sample for each of the last ``seconds`` before ``until`` (Unix time), oldest first."""
    return samples_at(seed, (until - seconds + number for number in range(seconds)))


def samples_at(seed: int, times: Iterable[float]) -> Iterator[Sample]:
    """Yield a sample for each of some Unix times, which only go ahead."""
    now = 0.0

    def clock() -> float:
        return now

    gpus, host = SimulatedGpus(seed, clock=clock, with_accounts=False), SimulatedHost(seed, clock)
    for number, at in enumerate(times):
        if number == 0:
            now = at - 1.0
            host.read()  # the first has no rates
        now = at
        gpu, machine = gpus.read(), host.read()
        yield Sample(
            number,
            now,
            gpu.gpus,
            machine.host,
            machine.disks,
            machine.networks,
            filesystems=machine.filesystems,
        )
