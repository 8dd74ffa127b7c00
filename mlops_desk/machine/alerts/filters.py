"""Which alerts of a list are wanted: by how they stand, how grave they are, what they are of and about. Pure."""

from dataclasses import dataclass

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.alerts.rule_alerts import PREFIX
from mlops_desk.machine.records.alert import Alert

LEVELS = ("info", "warning", "alert")
"""How grave alerts are, the least first."""
FIRES, UNSEEN, SILENT, ENDED = "fires", "unseen", "silent", "ended"
STATES = (FIRES, UNSEEN, SILENT, ENDED)
"""``unseen`` fires, is not silent, and nobody has acknowledged it; ``silent`` fires and is told to nobody."""


@dataclass(frozen=True, slots=True)
class AlertSieve:
    """None of a part: it does not matter. ``level`` is the least that is wanted. Raises Invalid."""

    state: str | None = None
    level: str | None = None
    rule: str | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        for given, known, what in ((self.state, STATES, "state"), (self.level, LEVELS, "level")):
            if given is not None and given not in known:
                raise Invalid(f"{plain(given)!r} is no {what} of an alert.", f"One of {', '.join(known)}.")

    @property
    def is_open(self) -> bool:
        """Tell whether everything is wanted."""
        return self == AlertSieve()

    def takes(self, alert: Alert) -> bool:
        """Tell whether an alert is wanted; a rule of a person goes by its own name too, a GPU by gpu0."""
        if self.level is not None and LEVELS.index(alert.level) < LEVELS.index(self.level):
            return False
        if self.rule is not None and self.rule not in {alert.rule, alert.rule.removeprefix(PREFIX)}:
            return False
        if self.device is not None and _said(self.device) not in {_said(alert.device), _said(alert.device_title)}:
            return False
        return self.state is None or self.state in _states(alert)


def _said(device: str) -> str:
    return device.replace(" ", "").casefold()


def _states(alert: Alert) -> set[str]:
    if alert.ended_at is not None:
        return {ENDED}
    if alert.silenced_until is not None:
        return {FIRES, SILENT}
    return {FIRES} if alert.acknowledged_by is not None else {FIRES, UNSEEN}
