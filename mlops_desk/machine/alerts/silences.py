"""Of what nobody is to be told for a while. Pure: both clocks are handed in.

A silence is on a rule, a device and a subject, so that it holds for an alert that ends and begins again. It is stored
with the alerts.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops_desk.machine.records.alert import Alert

LONGEST_SECONDS = 30 * 86_400.0
"""What is wanted to be silent for longer is a rule to switch off."""

Spot = tuple[str, str, str]
"""A rule's name, a device, and the subject by which several alerts of the two differ ("" where there is one)."""


def spot_of(alert: Alert) -> Spot:
    """Return what an alert is one of: a later one of the same is silenced with it."""
    return alert.rule, alert.device, alert.subject


@dataclass(frozen=True, slots=True)
class _Silence:
    """Since when and until when (Unix times) nobody is told; it is over at ``due`` of the clock that only grows."""

    began: float
    until: float
    due: float
    by: str


class Silences:
    """Holds what is silent now."""

    def __init__(self) -> None:
        self._silences: dict[Spot, _Silence] = {}

    def put(self, alert: Alert, seconds: float, by: str, now: float, at: float) -> Alert:
        """Silence what an alert is one of for so many seconds, 0 to end that; return the alert with it."""
        if seconds > 0.0:
            self._silences[spot_of(alert)] = _Silence(at, at + seconds, now + seconds, by)
        else:
            self._silences.pop(spot_of(alert), None)
        return self.marked(alert)

    def take_up(self, alerts: Iterable[Alert], now: float, at: float) -> None:
        """Take up what was stored with alerts. What was over meanwhile is over with the next look."""
        for alert in alerts:
            until = alert.silenced_until
            if until is None or (until <= at and alert.ended_at is not None):
                continue
            left = min(until - at, LONGEST_SECONDS)  # the clock may have been set back since
            self._silences[spot_of(alert)] = _Silence(math.inf, until, now + max(0.0, left), alert.silenced_by or "")

    def holds(self, alert: Alert) -> bool:
        return spot_of(alert) in self._silences

    def holds_end(self, alert: Alert) -> bool:
        """Tell whether nobody is told of an alert's end: whoever heard of its beginning is."""
        silence = self._silences.get(spot_of(alert))
        return silence is not None and alert.since >= silence.began

    def marked(self, alert: Alert) -> Alert:
        """Return the alert with the silence that holds for it now, or without any."""
        silence = self._silences.get(spot_of(alert))
        if silence is None:
            return replace(alert, silenced_until=None, silenced_by=None)
        return replace(alert, silenced_until=silence.until, silenced_by=silence.by)

    def over(self, now: float) -> list[Spot]:
        """Forget the silences whose time is over, and return of what they were."""
        spots = [spot for spot, silence in self._silences.items() if now >= silence.due]
        for spot in spots:
            del self._silences[spot]
        return spots
