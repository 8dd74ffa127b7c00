"""What happened, told to whoever wants to know. Subscribers are called in the publisher's thread."""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

_log = logging.getLogger(__name__)

E = TypeVar("E")
Unsubscribe = Callable[[], None]


class Bus:
    """Publish and subscribe by event class. A subscriber that raises is logged; the others still hear."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subscribers: dict[type, list[Callable[[Any], None]]] = {}

    def subscribe(self, kind: type[E], callback: Callable[[E], None]) -> Unsubscribe:
        """Call ``callback`` with each event of exactly ``kind`` (``object``: with every event)."""
        with self._lock:
            self._subscribers.setdefault(kind, []).append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers.get(kind, []):
                    self._subscribers[kind].remove(callback)

        return unsubscribe

    def publish(self, event: object) -> None:
        """Hand ``event`` to its subscribers, one after the other."""
        with self._lock:
            callbacks = [*self._subscribers.get(type(event), []), *self._subscribers.get(object, [])]
        for callback in callbacks:
            try:
                callback(event)
            except Exception:  # noqa: BLE001 - one deaf subscriber must not keep the others from hearing
                _log.exception("A subscriber failed on %s", type(event).__name__)


class Mailbox:
    """A bounded queue between the bus and a slow reader: newest wins for each key, the rest in order.

    ``key`` returns what makes an event replace its predecessor, or None for events that all count;
    past ``limit`` the oldest are dropped and ``dropped`` counts them.
    """

    def __init__(self, key: Callable[[object], object | None], limit: int = 1000) -> None:
        self._key = key
        self._limit = limit
        self._ready = threading.Condition()
        self._items: OrderedDict[object, object] = OrderedDict()
        self._number = 0
        self._closed = False
        self.dropped = 0

    def put(self, event: object) -> None:
        """Add an event, replacing an unread one of the same key."""
        with self._ready:
            key = self._key(event)
            if key is None:
                self._number += 1
                key = self._number
            self._items.pop(key, None)
            self._items[key] = event
            if len(self._items) > self._limit:
                self._items.popitem(last=False)
                self.dropped += 1
            self._ready.notify()

    def take(self, timeout_seconds: float) -> list[object]:
        """Return all unread events, waiting up to ``timeout_seconds`` for the first; empty when none came."""
        with self._ready:
            self._ready.wait_for(lambda: self._items or self._closed, timeout_seconds)
            events = list(self._items.values())
            self._items.clear()
            return events

    def close(self) -> None:
        """Wake the reader for good."""
        with self._ready:
            self._closed = True
            self._ready.notify_all()

    @property
    def closed(self) -> bool:
        return self._closed
