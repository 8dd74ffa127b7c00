"""Readings that are made anew only when their value changed: an idle machine makes next to none."""

from mlops_desk.records.metric import MetricState, Reading
from mlops_desk.telemetry.metrics.table import measured, missing


class Kept:
    """Makes the readings of one device of the class ``device``."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._known: dict[str, Reading] = {}

    def measured(self, name: str, value: float) -> Reading:
        """Return ``value`` as a reading, the same object while the value stays the same."""
        known = self._known.get(name)
        if known is None or known.value != value:
            known = self._known[name] = measured(self._device, name, value)
        return known

    def missing(self, name: str, state: MetricState) -> Reading:
        """Return a reading without a value."""
        known = self._known.get(name)
        if known is None or known.state is not state:
            known = self._known[name] = missing(self._device, name, state)
        return known
