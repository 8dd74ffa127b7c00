"""Alerts that people's rules raise: who judges those says when one begins and ends; here it has the life of any alert.

Not locked: its owner is.
"""

from collections.abc import Iterable
from dataclasses import replace

from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.machine.alerts.silences import Silences, Spot, spot_of
from mlops_desk.machine.records.alert import Alert

PREFIX = "rules/"  # the same as rules put there: features know nothing of one another
"""Before the name of a person's rule, so that none has the name of an alert rule."""
_MOST_OF_ONE = 50  # chosen: more are one trouble, and a list that nobody reads


class RaisedAlerts:
    """Those that fire; ``stored`` are all that did when the agent began."""

    def __init__(self, stored: Iterable[Alert], silences: Silences) -> None:
        self._silences = silences
        self._open: dict[Spot, Alert] = {spot_of(one): one for one in stored if one.rule.startswith(PREFIX)}

    def all(self) -> list[Alert]:
        return [*self._open.values()]

    def begin(self, alert: Alert) -> tuple[Alert, bool]:
        """Have an alert fire, and tell whether that is new; one of the same thing goes on. Raises Refused."""
        known = self._open.get(spot_of(alert))
        if known is not None:
            return known, False
        if sum(one.rule == alert.rule for one in self._open.values()) >= _MOST_OF_ONE:
            name = alert.rule.removeprefix(PREFIX)
            hint = Hint(f"mlops-desk rules show {name}", after=" tells for what it holds.")
            raise Refused(f"{_MOST_OF_ONE} alerts of the rule {name} fire already: no more are raised.", hint)
        self._open[spot_of(alert)] = begun = self._silences.marked(alert)
        return begun, True

    def change(self, alert: Alert) -> bool:
        """Take in an alert that was acknowledged or silenced; tell whether it is one of these."""
        known = self._open.get(spot_of(alert))
        if known is None or known.id != alert.id:
            return False
        self._open[spot_of(alert)] = alert
        return True

    def end(self, alert_id: str, at: float) -> Alert | None:
        """Have an alert fire no more; None where it does not."""
        spot = next((spot for spot, one in self._open.items() if one.id == alert_id), None)
        return None if spot is None else replace(self._open.pop(spot), ended_at=at)

    def loud_again(self) -> list[Alert]:
        """Return those whose silence is over: they are told anew."""
        over = [one for one in self._open.values() if one.silenced_until is not None and not self._silences.holds(one)]
        loud = [self._silences.marked(one) for one in over]
        self._open.update({spot_of(one): one for one in loud})
        return loud
