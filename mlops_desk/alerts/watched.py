"""What is watched: a rule, how its number is had from a device, and what to do when it rings."""

from collections.abc import Callable
from dataclasses import dataclass
from shlex import quote
from typing import Any

from mlops_desk.base.errors import command_of, hint_of
from mlops_desk.records.alert import AlertRule

NAME = "<name>"
"""Stands in a command for the device that an alert is about."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """``of`` tells a device's number from nothing but the readings and attributes that are named here.

    ``reads`` None: from whatever there is.
    """

    of: Callable[[Any], float | None]
    reads: tuple[str, ...] | None = ()
    facts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule with its measure.

    ``grown_over``: the measure is a counter, and what counts is its growth within so many seconds, in units of
    ``grown_in``. ``pulse``: it is set off by an incident, not by a number. ``measured`` False: the rule's metric says
    only where to look. ``logged`` False: the event log has the matter itself; ``noticed``: a notice of telemetry's
    tells it to the person already. ``said`` is what there is to say of the device besides.
    """

    rule: AlertRule
    measure: Gauge
    hint: str
    grown_over: float = 0.0
    grown_in: Callable[[Any], float] = lambda _: 1.0
    pulse: bool = False
    measured: bool = True
    logged: bool = True
    noticed: bool = False
    said: Callable[[Any], str | None] = lambda _: None

    def next_step(self, device: str) -> str | None:
        """Return the hint about one device, whose name stands in the command as a shell takes it for nothing else."""
        command = (command_of(self.hint) or "").replace(NAME, quote(device))
        return hint_of(self.hint.replace(NAME, quote(device)), command)
