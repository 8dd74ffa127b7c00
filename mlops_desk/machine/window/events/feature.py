"""Events and alerts, as the frame sees them."""

from collections.abc import Iterator

from mlops_desk.kit.base import agent_clock
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.kit.window.actions import Action
from mlops_desk.kit.window.feature import Badge, Feature, OfferedAct, as_it_is, go, later
from mlops_desk.kit.window.live import announcements
from mlops_desk.kit.window.live.context import Context
from mlops_desk.kit.window.live.store import Loaded, Store, Topic
from mlops_desk.kit.window.widgets.lines import Line
from mlops_desk.kit.window.words import alerts, numbers
from mlops_desk.kit.window.words.numbers import Mark
from mlops_desk.machine.records import event as events
from mlops_desk.machine.records.alert import Alert, AlertRule
from mlops_desk.machine.records.incident import Incident

INCIDENTS_LOADED = 2000  # chosen: a bad month
INCIDENTS_OFFERED = 100  # chosen: the palette is for what happened lately
INCIDENTS_SHOWN, INCIDENT_SECONDS = 12, 86_400.0  # chosen: a screen of lines, of the last day


def _ask_incidents(desk: ClientLike, _store: Store) -> dict[str, Incident]:
    return {incident.id: incident for incident in desk.events.list(limit=INCIDENTS_LOADED)}


def _ask_alerts(desk: ClientLike, _store: Store) -> dict[str, Alert]:
    return {alert.id: alert for alert in desk.alerts.list()}


def _ask_rules(desk: ClientLike, _store: Store) -> dict[str, AlertRule]:
    return {rule.name: rule for rule in desk.alerts.rules()}


def _outdated(store: Store, event: events.AutomationChanged) -> bool:
    """Hear that what is shown of a built-in rule may be old: its announcement has a document, whoever shows it asks."""
    part = store.alert_rules
    if not event.rule.built_in or part.value is None or part.asked_at is None:
        return False
    part.asked_at = None
    return True


def _firing(store: Store) -> list[Alert]:
    return alerts.firing((store.alerts.value or {}).values())


def _mark(store: Store) -> Mark | None:
    unseen = [alert for alert in _firing(store) if not alerts.is_silent(alert)]
    if not unseen:
        return None
    worst = alerts.worst(unseen) or alerts.level(unseen[0].level)
    return Mark(worst.token, f"{worst.shape} {len(unseen)}", numbers.count(len(unseen), "alert") + " not acknowledged")


def _things(context: Context) -> Iterator[Action]:
    store = context.store
    for alert in _firing(store):
        yield go(context, "events", f"alert:{alert.id}", f"Alert {alert.device_title}: {alert.title}")
    for one in sorted((store.incidents.value or {}).values(), key=lambda one: -one.at)[:INCIDENTS_OFFERED]:
        device = alerts.device_title(one.device, store.status)
        yield go(context, "events", one.id, f"Event {device}: {one.title} ({numbers.ago(one.at)})")


def _wrong_now(store: Store) -> Iterator[Line]:
    for alert in _firing(store):
        yield Line(
            alerts.alert_mark(alert),
            f"{plain(alert.device_title)}: {plain(alert.title or alert.text)}",
            numbers.ago(alert.since),
            f"events/alert:{alert.id}",
            f"{alert.title}\n{alert.text}\n{alert.hint or ''}".strip(),
        )


def _of_late(store: Store) -> Iterator[Line]:
    """Yield what happened within a day and is no alert any more: alerts have lines of their own."""
    since = agent_clock.now() - INCIDENT_SECONDS
    recent = sorted(
        (one for one in (store.incidents.value or {}).values() if one.at >= since and one.kind != "alert"),
        key=lambda one: -one.at,
    )
    for incident in recent[:INCIDENTS_SHOWN]:
        yield Line(
            alerts.incident_mark(incident),
            f"{alerts.device_title(incident.device, store.status)}: {plain(incident.title)}"
            + (f" ({incident.count:,} times)" if incident.count > 1 else ""),
            numbers.ago(incident.at),
            f"events/{incident.id}",
            f"{numbers.absolute(incident.at)}\n{incident.text}\n{incident.hint or ''}".strip(),
        )


FEATURE = Feature(
    later("mlops_desk.machine.window.events.page", "EventsPage"),
    loads=(
        Loaded(
            Topic.ALERTS,
            _ask_alerts,
            {
                events.AlertChanged: announcements.put(
                    lambda store: store.alerts, lambda event: (event.alert.id, event.alert)
                )
            },
            early=True,
        ),
        Loaded(
            Topic.INCIDENTS,
            _ask_incidents,
            {
                events.IncidentLogged: announcements.put_first(
                    lambda store: store.incidents, lambda event: (event.incident.id, event.incident)
                )
            },
            early=True,
        ),
        Loaded(Topic.ALERT_RULES, _ask_rules, {events.AutomationChanged: _outdated}),
    ),
    badge=Badge(frozenset({Topic.ALERTS}), _mark),
    things=_things,
    wrong_now=_wrong_now,
    of_late=_of_late,
    sources=frozenset({"alerts"}),
    shows={"alert": lambda _store, key: f"alert:{key}", "incident": as_it_is},
    offers=(
        OfferedAct("events.rules", "Change what is watched", "threshold limit alert rules watch"),
        OfferedAct("events.acknowledge", "Acknowledge the chosen alert", "seen confirm ack"),
        OfferedAct("events.silence", "Silence the chosen alert …", "mute snooze quiet hour"),
        OfferedAct("events.acknowledge_all", "Acknowledge every alert", "seen ack"),
        OfferedAct("events.change_rule", "Change the chosen rule …", "threshold limit alert level"),
    ),
)
