"""Incidents that set alerts off, and keep them going for a while. Pure: the clock is handed in.

One rule and device may have several at once, by what is behind them; what comes on top of a few is told together.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_desk.alerts.causes import LOST_XID, XID_RULES, Cause
from mlops_desk.alerts.measures import gone
from mlops_desk.alerts.silences import Spot
from mlops_desk.records.alert import Alert
from mlops_desk.records.gpu import Gpu

PULSE_SECONDS = 600.0
"""How long an incident keeps its alert going."""

_SUBJECTS = 8
"""So many alerts of one rule and device, for different processes; what comes on top is told together."""


@dataclass(slots=True)
class _Pulse:
    """An incident that set a rule off; ``gone`` says that the GPU was lost since."""

    at: float
    cause: Cause
    gone: bool = False


class Pulses:
    """``firing`` are the alerts that fire, as they do at each moment; ``pulsed`` the rules that incidents set off."""

    def __init__(self, firing: Mapping[Spot, Alert], pulsed: frozenset[str]) -> None:
        self._firing = firing
        self._pulsed = pulsed
        self._pulses: dict[Spot, _Pulse] = {}

    def put(self, name: str, device: str, now: float, cause: Cause) -> Spot:
        """Take in an incident; return what it is one of."""
        spot = self._spot(name, device, cause)
        known = self._pulses.get(spot)
        self._pulses[spot] = _Pulse(now, cause, known is not None and known.gone)
        return spot

    def drop(self, spot: Spot) -> None:
        self._pulses.pop(spot, None)

    def cause(self, spot: Spot) -> Cause | None:
        pulse = self._pulses.get(spot)
        return None if pulse is None else pulse.cause

    def spots(self) -> set[Spot]:
        """Return what incidents have set off, before a restart too."""
        return {*self._pulses, *(spot for spot in self._firing if spot[0] in self._pulsed)}

    def value(self, spot: Spot, thing: Any, now: float) -> float | None:
        """Return 1 as long as an incident lasts, 0 once it is over, None where that is not known."""
        pulse = self._pulses.get(spot)
        if pulse is None:  # set off when another agent looked: it goes on for as long
            pulse = self._pulses[spot] = _Pulse(now, Cause(xid=self._firing[spot].xid))
        if pulse.cause.xid == LOST_XID and isinstance(thing, Gpu):
            lost = gone(thing)
            pulse.gone = pulse.gone or lost == 1.0
            if pulse.gone:  # it is over when the GPU is back, whatever the clock says
                return lost
        return 1.0 if now - pulse.at < PULSE_SECONDS else 0.0

    def is_going(self, name: str, device: str, now: float) -> bool:
        """Tell whether an incident of a kind was on a device lately, whether or not its rule is on."""
        return any(now - pulse.at < PULSE_SECONDS for pulse in self._of(name, device))

    def say_lost(self, device: str) -> bool:
        """Tell whether the driver has said that a GPU is lost."""
        rule = XID_RULES["alert"]
        told = (pulse.cause.xid for pulse in self._of(rule, device))
        fires = (alert.xid for spot, alert in self._firing.items() if spot[:2] == (rule, device))
        return LOST_XID in {*told, *fires}

    def sweep(self, now: float) -> None:
        """Forget what is over."""
        self._pulses = {
            spot: pulse
            for spot, pulse in self._pulses.items()
            if spot in self._firing or now - pulse.at < PULSE_SECONDS
        }

    def _of(self, name: str, device: str) -> Iterator[_Pulse]:
        return (pulse for spot, pulse in self._pulses.items() if spot[:2] == (name, device))

    def _spot(self, name: str, device: str, cause: Cause) -> Spot:
        known = [spot for spot in self._pulses if spot[:2] == (name, device)]
        same = [spot for spot in known if cause.event and self._pulses[spot].cause.event == cause.event]
        spot = same[0] if same else (name, device, cause.subject)
        if spot in self._pulses or len(known) < _SUBJECTS:
            return spot
        return name, device, "" if cause.xid is None else str(cause.xid)
