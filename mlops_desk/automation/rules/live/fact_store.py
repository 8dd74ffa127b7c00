"""The facts that rules rest on, as they are now: who hears of one puts it here, and each look takes what is news.

Of the machine and of features only those facts are kept that some rule asks for. One that nobody tells of any more
becomes unknown: a value of an hour ago says nothing of now.
"""

import threading
from collections.abc import Callable, Iterable, Mapping

from mlops_desk.kit.rule_engine.plan import Value

Fact = tuple[str, str, Value]


class FactBoard:
    """Facts by class and thing. ``now`` is a clock that only grows."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._values: dict[tuple[str, str], Value] = {}
        self._news: dict[tuple[str, str], Value] = {}
        self._until: dict[tuple[str, str], float] = {}
        self._wanted: frozenset[str] = frozenset()
        self._of_machine: set[tuple[str, str]] = set()

    def want(self, facts: Iterable[str]) -> None:
        """Keep these classes of facts from now on, and forget all others but what things are in a state."""
        with self._lock:
            self._wanted = frozenset(facts)
            for key in [key for key in self._values if not self._is_wanted(key[0])]:
                self._values.pop(key)
                self._news.pop(key, None)
                self._until.pop(key, None)

    @property
    def wanted(self) -> Mapping[str, tuple[str, ...]]:
        """The metrics that rules ask for, by class of device."""
        found: dict[str, list[str]] = {}
        for fact in self._wanted:
            device, _, metric = fact.partition("/")
            found.setdefault(device, []).append(metric)
        return {device: tuple(metrics) for device, metrics in found.items()}

    def put(self, fact: str, thing: str, value: Value, lasts_seconds: float | None = None) -> None:
        """Take in a fact; ``lasts_seconds``: unless it is told again within, it is unknown then."""
        with self._lock:
            if self._is_wanted(fact):
                self._put((fact, thing), value, lasts_seconds)

    def put_machine(self, facts: Iterable[Fact]) -> None:
        """Take in all facts of the machine at once; those that are not told any more are unknown."""
        with self._lock:
            gone = self._of_machine
            told = set()
            for fact, thing, value in facts:
                told.add((fact, thing))
                self._put((fact, thing), value, None)
            for key in gone - told:
                self._put(key, None, None)
            self._of_machine = told

    def drop(self, fact: str, thing: str) -> None:
        """Forget a thing of which nothing will be told any more; the engine is to forget it by itself."""
        with self._lock:
            for values in (self._values, self._news, self._until):
                values.pop((fact, thing), None)

    def things(self, fact: str) -> list[str]:
        with self._lock:
            return [thing for known, thing in self._values if known == fact]

    def news(self) -> list[Fact]:
        """Return what is other than when it was asked last."""
        with self._lock:
            now = self._now()
            for key in [key for key, until in self._until.items() if until < now]:
                self._put(key, None, None)
            found = [(*key, value) for key, value in self._news.items()]
            self._news = {}
            return found

    def all_again(self) -> None:
        """Have everything told once more: an engine is new."""
        with self._lock:
            self._news = dict(self._values)

    def _is_wanted(self, fact: str) -> bool:
        return fact in self._wanted or fact.startswith(("state/", "rule/"))

    def _put(self, key: tuple[str, str], value: Value, lasts_seconds: float | None) -> None:
        if lasts_seconds is None:
            self._until.pop(key, None)
        else:
            self._until[key] = self._now() + lasts_seconds
        if key not in self._values or self._values[key] != value:
            self._values[key] = self._news[key] = value
