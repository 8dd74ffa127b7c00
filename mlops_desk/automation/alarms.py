"""Alerts of people's rules: raised when a rule fires, and over once what it is about does not hold any more.

While nobody knows whether it holds, nothing ends, for an hour; what is unknown for longer is gone, as any device is.
"""

import time
from collections.abc import Callable
from dataclasses import replace

from mlops_desk.automation.rules.storage.rule_repository import RuleShelf
from mlops_desk.machine.alerts.engine import GONE_SECONDS
from mlops_desk.machine.alerts.rule_alerts import PREFIX
from mlops_desk.machine.alerts.service import AlertsService
from mlops_desk.machine.records.alert import Alert

LOOK_SECONDS = 1.0  # as often as rules are judged
Stands = Callable[[str, str], bool | None]


class RuleAlarms:
    """``stands`` tells whether a rule (by its id) holds for a thing, ``title`` what people call a thing."""

    def __init__(
        self,
        alerts: AlertsService,
        shelf: RuleShelf,
        stands: Stands,
        title: Callable[[str], str],
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alerts = alerts
        self._shelf = shelf
        self._stands = stands
        self._title = title
        self._now = now
        self._unknown: dict[str, float] = {}

    def begin(self, alert: Alert) -> Alert:
        """Have an alert fire, once for each rule and thing. Raises Refused where a rule has too many."""
        return self._alerts.begin_raised(replace(alert, device_title=self._title(alert.subject) or alert.device))

    def look(self) -> None:
        """End what is over."""
        fires = self._alerts.raised()
        self._unknown = {one.id: self._unknown[one.id] for one in fires if one.id in self._unknown}
        for alert in fires:
            if self._is_over(alert):
                self._alerts.end_raised(alert.id)

    def _is_over(self, alert: Alert) -> bool:
        found = self._shelf.find(alert.rule.removeprefix(PREFIX))
        if found is None or found.written.is_paused or found.written.created_at > alert.since:
            return True
        holds = self._stands(found.written.id, alert.subject)
        if holds is not None:
            self._unknown.pop(alert.id, None)
            return not holds
        return self._now() - self._unknown.setdefault(alert.id, self._now()) > GONE_SECONDS
