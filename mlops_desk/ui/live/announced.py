"""What the window does with each announcement: what it changes, what it replaces, where it is kept. No Qt here."""

from collections.abc import Callable
from typing import Any, TypeVar

from mlops_desk.records import event as events
from mlops_desk.ui.live.store import Part, Store, Topic, devices_of, report_key

T = TypeVar("T")

TOPICS: dict[type, frozenset[Topic]] = {
    events.Sampled: frozenset({Topic.STATUS}),
    events.JobChanged: frozenset({Topic.JOBS}),
    events.EndpointChanged: frozenset({Topic.ENDPOINTS}),
    events.EndpointRemoved: frozenset({Topic.ENDPOINTS}),
    events.RegistryChanged: frozenset({Topic.REGISTRY, Topic.MODELS}),
    events.DriftReported: frozenset({Topic.REPORTS}),
    events.RuleChanged: frozenset({Topic.RULES}),
    events.RuleRemoved: frozenset({Topic.RULES}),
    events.RetrainingChanged: frozenset({Topic.RETRAININGS}),
    events.SettingsChanged: frozenset({Topic.SETTINGS}),
    events.Notice: frozenset({Topic.NOTICES}),
    events.IncidentLogged: frozenset({Topic.INCIDENTS}),
    events.AlertChanged: frozenset({Topic.ALERTS}),
}


def keep(store: Store, event: events.Event) -> bool:
    """Put what an event carries into its part; True when that changed anything."""
    keeping = _KEEP.get(type(event))
    return keeping is not None and keeping(store, event)


def _keep_sample(store: Store, event: events.Sampled) -> bool:
    status = event.status
    fresh = store.status is None or store.status.sampled_at != status.sampled_at
    store.status = status
    if fresh and status.sampled_at is not None:
        store.remember_load(status.sampled_at)
        store.recent.take(status.sampled_at, devices_of(status))
    return True


def _keep_registry(store: Store, event: events.RegistryChanged) -> bool:
    if event.uri is None:
        store.registry.value = event.registry
    return True


def _keep_notice(store: Store, event: events.Notice) -> bool:
    store.notices.appendleft(event)
    return True


def _keep_settings(store: Store, _event: events.SettingsChanged) -> bool:
    store.settings_changed = True
    return True


def _put(part: Part[dict[str, T]], key: str, record: T, *, newest_first: bool = False) -> bool:
    """Keep ``record``; one that is new comes first where the newest does, as in the agent's own answer."""
    if part.value is None:
        return False
    if part.value.get(key) == record:
        return False
    if newest_first and key not in part.value:
        part.value = {key: record, **part.value}
    else:
        part.value[key] = record
    return True


def _put_first(part: Part[dict[str, T]], key: str, record: T) -> bool:
    return _put(part, key, record, newest_first=True)


def _remove(part: Part[dict[str, T]], key: str) -> bool:
    return part.value is not None and part.value.pop(key, None) is not None


_KEEP: dict[type, Callable[[Store, Any], bool]] = {
    events.Sampled: _keep_sample,
    events.JobChanged: lambda store, event: _put_first(store.jobs, event.job.id, event.job),
    events.EndpointChanged: lambda store, event: _put(store.endpoints, event.endpoint.name, event.endpoint),
    events.EndpointRemoved: lambda store, event: _remove(store.endpoints, event.name),
    events.RegistryChanged: _keep_registry,
    events.DriftReported: lambda store, event: _put_first(store.reports, report_key(event.report), event.report),
    events.RuleChanged: lambda store, event: _put(store.rules, event.rule.name, event.rule),
    events.RuleRemoved: lambda store, event: _remove(store.rules, event.name),
    events.RetrainingChanged: lambda store, event: _put_first(store.retrainings, event.retraining.id, event.retraining),
    events.IncidentLogged: lambda store, event: _put_first(store.incidents, event.incident.id, event.incident),
    events.AlertChanged: lambda store, event: _put(store.alerts, event.alert.id, event.alert),
    events.Notice: _keep_notice,
    events.SettingsChanged: _keep_settings,
}

_KEYS: dict[type, Callable[[Any], object]] = {
    events.Sampled: lambda _event: "sampled",
    events.Heartbeat: lambda _event: "heartbeat",
    events.JobChanged: lambda event: ("job", event.job.id),
    events.EndpointChanged: lambda event: ("endpoint", event.endpoint.name),
    events.EndpointRemoved: lambda event: ("endpoint", event.name),
    events.RegistryChanged: lambda event: ("registry", event.uri),
    events.RuleChanged: lambda event: ("rule", event.rule.name),
    events.RuleRemoved: lambda event: ("rule", event.name),
    events.RetrainingChanged: lambda event: ("retraining", event.retraining.id),
    events.IncidentLogged: lambda event: ("incident", event.incident.id),
    events.AlertChanged: lambda event: ("alert", event.alert.id),
}


def replaced_by(event: events.Event) -> object | None:
    """Return what an unread event is replaced by, or None when each one counts."""
    key = _KEYS.get(type(event))
    return key(event) if key is not None else None
