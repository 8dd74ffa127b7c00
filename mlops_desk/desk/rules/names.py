"""By what names the things of rules go: people say gpu0, and facts are known by a GPU's UUID.

The newest sample tells them, so that nobody waits for one; where devices are others than before, rules are to be named
anew. A GPU may have another index after each start of its driver.
"""

from mlops_desk.base.errors import Unavailable
from mlops_desk.desk.rules.past import CLASSES, KINDS, devices_of
from mlops_desk.records.history import SeriesName
from mlops_desk.records.status import Status
from mlops_desk.telemetry.devices import resolve_device
from mlops_desk.telemetry.metrics.table import DISK, FILESYSTEM, GPU, NETWORK

_COME_AND_GO = (GPU, DISK, FILESYSTEM, NETWORK)


class ThingNames:
    """Is told each sample, in the thread that samples, and asked in any thread."""

    def __init__(self) -> None:
        self._status: Status | None = None
        self._there: object = None

    def sampled(self, status: Status) -> bool:
        """Take in a sample; tell whether it has other devices than the one before, or is the first."""
        there = [(gpu.index, gpu.uuid) for gpu in status.gpus], *(devices_of(status, each) for each in _COME_AND_GO)
        is_news = there != self._there
        self._status, self._there = status, there
        return is_news

    def name(self, device: str, given: str) -> str:
        """Return the name by which ``RuleHearing`` knows a thing of a class: that of a feature without its kind.

        Raises NotFound where the machine has no such thing now, Invalid where it has several, and Unavailable while
        nobody has looked.
        """
        if device in KINDS:
            return SeriesName.of(device, given, "").key
        if device not in CLASSES:
            return given  # what a device consists of, jobs and monitors go by one name alone
        if self._status is None:
            raise Unavailable("The machine was not measured yet.", "Ask again in some seconds.")
        return name_in(self._status, device, given)


def name_in(status: Status, device: str, given: str) -> str:
    """Return the name of a device of the machine, by what people call it. Raises NotFound, Invalid."""
    gpus = {gpu.index: gpu.uuid for gpu in status.gpus} if device == GPU else {}
    return resolve_device(given, gpus, devices_of(status, device))
