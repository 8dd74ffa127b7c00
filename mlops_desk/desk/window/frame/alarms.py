"""Which alerts the window or the desktop tells: a firing warning or alert once, its end once, nothing that was seen.

What fires when the window starts is shown by tray and pages, and rings nobody. Many at once are one notification.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import alerts as words
from mlops_desk.kit.window.words import numbers
from mlops_desk.kit.window.words.alerts import RANK, level
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records.alert import Alert

LOUD = frozenset({"warning", "alert"})
KEPT = 2000  # chosen: of those that the agent lists no more; one that it lists would ring anew once it is forgotten
AT_ONCE = 3  # chosen: notifications that one still reads one by one
_NAMED = 3  # chosen: lines that a notification of the desktop shows
_SILENT = "silent"
"""An alert of which nobody wants to hear for a while; when that is over and it still fires, it is told."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """One notification. ``level``: warning, alert, or info for the end; the same ``alert`` replaces its former one.

    ``sentence`` says it in one line; "" where the window has said it already, or need not.
    """

    alert: str
    level: str
    title: str
    text: str
    sentence: str = ""
    hint: str | None = None


class Alarms:
    """Remembers what was told."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._primed = False

    def take(self, alerts: Mapping[str, Alert]) -> list[Alarm]:
        """Take all alerts as they are now; return what has to be told."""
        found = [alarm for alert in alerts.values() if (alarm := self._judge(alert)) is not None]
        if not self._primed:
            self._primed = True
            return []
        gone = [identifier for identifier in self._told if identifier not in alerts]
        for identifier in gone[: max(0, len(gone) - KEPT)]:
            del self._told[identifier]
        fires = [alarm for alarm in found if alarm.level != "info"]
        return [*_gathered(fires, "fire"), *_gathered([one for one in found if one.level == "info"], "are over")]

    def _judge(self, alert: Alert) -> Alarm | None:
        told = self._told.get(alert.id)
        if alert.ended_at is not None:
            self._told[alert.id] = "ended"
            return _ended(alert) if told == "fires" else None
        if alert.acknowledged_by:
            self._told[alert.id] = "seen"
            return None
        if alert.silenced_until is not None:
            self._told[alert.id] = _SILENT
            return None
        if told not in {None, _SILENT} or alert.level not in LOUD:
            return None
        self._told[alert.id] = "fires"
        return _fires(alert)


def _gathered(found: Sequence[Alarm], what: str) -> Sequence[Alarm]:
    """Return what is told of alerts that come at once: each, or of many one that leads to the gravest."""
    if len(found) <= AT_ONCE:
        return found
    worst = max(found, key=lambda one: RANK.get(one.level, 0))
    told = f"{len(found):,} alerts {what}"
    names = "\n".join(one.title for one in found[:_NAMED])
    sentence = f"{told}. {worst.sentence}".strip() if any(one.sentence for one in found) else ""
    mark = numbers.OK if worst.level == "info" else level(worst.level).shape
    return [Alarm(worst.alert, worst.level, f"{mark} {told}", names, sentence)]


def _fires(alert: Alert) -> Alarm:
    mark = level(alert.level)
    text = f"{alert.text}\n{alert.hint or ''}".strip()
    sentence = "" if alert.noticed else f"{_name(alert)}{_whose(alert)}."
    return Alarm(alert.id, alert.level, f"{mark.shape} {_name(alert)}", text, sentence, alert.hint)


def _whose(alert: Alert) -> str:
    """Return whose program an error of the driver ended, in brackets."""
    whose = alert.job or alert.container
    return f" ({plain(whose, 60)})" if whose and alert.xid is not None else ""


def _ended(alert: Alert) -> Alarm:
    length = numbers.duration((alert.ended_at or alert.since) - alert.since)
    return Alarm(alert.id, "info", f"{numbers.OK} {_name(alert)}: over", f"It lasted {length}.")


def _name(alert: Alert) -> str:
    return f"{plain(alert.device_title, 60)}: {plain(alert.title, 80)}"


def worst(alerts: Mapping[str, Alert] | None) -> Mark | None:
    """Return the mark of the worst alert that fires and that nobody has acknowledged or silenced, for the tray."""
    return words.worst((alerts or {}).values())
