"""What a simulated workstation would have told before the demo began, so that its first curves are not empty."""

from collections.abc import Iterator

from mlops_desk.records.status import Sample
from mlops_desk.telemetry.simulated.gpus import SimulatedGpus
from mlops_desk.telemetry.simulated.host import SimulatedHost


def past(seed: int, until: float, seconds: int) -> Iterator[Sample]:
    """Yield one sample for each of the last ``seconds`` before ``until`` (Unix time), oldest first."""
    now = until - seconds - 1.0

    def clock() -> float:
        return now

    gpus, host = SimulatedGpus(seed, clock=clock), SimulatedHost(seed, clock)
    host.read()  # the first has no rates
    for number in range(seconds):
        now = until - seconds + number
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
