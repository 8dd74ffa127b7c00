"""What is watched: a rule, how its number is had from a device, and what to do when it rings."""

from collections.abc import Callable
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from mlops_desk.kit.base.errors import command_of, hint_of
from mlops_desk.machine.records.alert import AlertRule
from mlops_desk.machine.records.metric import Metric

NAME = "<name>"
"""Stands in a command for the device that an alert is about."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """``of`` tells a device's number from nothing but the readings and attributes that are named here.

    ``reads`` None: from whatever there is. ``declared`` is what it is called and between which limits it lies; None:
    it is the one metric that the rule names.
    """

    of: Callable[[Any], float | None]
    reads: tuple[str, ...] | None = ()
    facts: tuple[str, ...] = ()
    declared: Metric | None = None


@dataclass(frozen=True, slots=True)
class Watched:
    """A rule with its measure.

    ``grown_over``: the measure is a counter, and what counts is its growth within so many seconds, in units of
    ``grown_in``. ``pulse``: it is set off by an incident, not by a number. ``measured`` False: the rule's metric says
    only where to look. ``logged`` False: the event log has the matter itself; ``noticed``: a notice of telemetry's
    tells it to the person already. ``said`` is what there is to say of the device besides.
    ``fact`` is what the engine of rules knows the measure by; ``is_counted``: that is a counter, and its growth is the
    engine's to see. (What has a name of its own has the growth in it.)
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
    fact: str = field(init=False)
    is_counted: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fact", "/".join(self.named))
        object.__setattr__(self, "is_counted", bool(self.grown_over) and self.measure.declared is None)

    @property
    def named(self) -> tuple[str, str]:
        """The class of things and the name by which documents of rules know what it measures."""
        declared = self.measure.declared
        return (self.rule.device_class, self.rule.metric) if declared is None else (declared.device, declared.name)

    def next_step(self, device: str) -> str | None:
        """Return the hint about one device, whose name stands in the command as a shell takes it for nothing else."""
        command = (command_of(self.hint) or "").replace(NAME, quote(device))
        return hint_of(self.hint.replace(NAME, quote(device)), command)


def told(
    device: str, name: str, unit: str, kind: str, limits: tuple[float, float, float], text: str, title: str = ""
) -> Metric:
    """Return the declaration of a measure; the ``text`` of what is so or not, or happens, follows the thing's name."""
    return Metric(f"{device}.{name}", device, unit, kind, *limits, text, derived=True, title=title)
