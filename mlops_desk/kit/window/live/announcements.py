"""What the window does with each announcement: what it changes, and where it is kept. No Qt here.

What was announced while a question was under way is newer than its answer, and is put on top of it.
"""

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from mlops_desk.kit.window.live.store import Keep, LivePart, Store, Topic, devices_of
from mlops_desk.machine.records import event as events

T = TypeVar("T")


def apply(store: Store, event: events.Event) -> frozenset[Topic]:
    """Take an announcement and return what kind of thing changed."""
    changed = set()
    for topic, keep in _keepers(store, type(event)):
        if topic in store.loaded and store.part(topic).loading:
            store.part(topic).meanwhile.append(event)
        if keep(store, event):
            changed.add(topic)
    return frozenset(changed)


def answered(store: Store, topic: Topic, value: Any) -> None:
    """Take the answer to a question; what was announced since the question goes on top."""
    part = store.part(topic)
    part.value, part.error, part.loading = value, None, False
    newer, part.meanwhile = part.meanwhile, []
    for event in newer:
        apply(store, event)


def _keepers(store: Store, kind: type) -> Iterable[tuple[Topic, Keep]]:
    """Yield which topics such an event changes, and what it does to each."""
    if kind in _EVERYWHERE:
        yield _EVERYWHERE[kind]
    for loaded in store.loaded.values():
        keep = loaded.kept_by.get(kind)
        if keep is not None:
            yield loaded.topic, keep


# How parts are kept: what features declare.


def put(part: Callable[[Store], LivePart[dict[str, T]]], record: Callable[[Any], tuple[str, T]]) -> Keep:
    """Keep the record that ``record`` takes from an event, under its key."""
    return lambda store, event: _put(part(store), *record(event))


def put_first(part: Callable[[Store], LivePart[dict[str, T]]], record: Callable[[Any], tuple[str, T]]) -> Keep:
    """Keep the record; one that is new comes first, as in the agent's own answer."""
    return lambda store, event: _put(part(store), *record(event), newest_first=True)


def remove(part: Callable[[Store], LivePart[dict[str, T]]], key: Callable[[Any], str]) -> Keep:
    """Forget the record whose key an event carries."""

    def keep(store: Store, event: Any) -> bool:
        known = part(store).value
        return known is not None and known.pop(key(event), None) is not None

    return keep


def _put(part: LivePart[dict[str, T]], key: str, record: T, *, newest_first: bool = False) -> bool:
    if part.value is None or part.value.get(key) == record:
        return False
    if newest_first and key not in part.value:
        part.value = {key: record, **part.value}
    else:
        part.value[key] = record
    return True


# What no feature owns.


def _keep_sample(store: Store, event: events.Sampled) -> bool:
    status = event.status
    fresh = store.status is None or store.status.sampled_at != status.sampled_at
    store.status = status
    if fresh and status.sampled_at is not None:
        store.recent.take(status.sampled_at, devices_of(status))
    return True


def _keep_notice(store: Store, event: events.Notice) -> bool:
    store.notices.appendleft(event)
    return True


_EVERYWHERE: dict[type, tuple[Topic, Keep]] = {
    events.Sampled: (Topic.STATUS, _keep_sample),
    events.Notice: (Topic.NOTICES, _keep_notice),
    events.RegistriesChanged: (Topic.REGISTRIES, lambda _store, _event: True),  # who shows them asks
}
