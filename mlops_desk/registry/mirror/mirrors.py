"""The mirrors that there are: one process for each registry that is looked at, ended once nobody asks any more.

All of them together keep to a budget of memory (mirrors.py), when one is opened and while they grow. One process is
held ready while registries are looked at, because loading what it needs takes longer than reading the first runs.
"""

import contextlib
import select
import threading
import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from threading import Event
from typing import Any, Generic, TypeVar

from mlops_desk.kit.base.caller import is_asked_for
from mlops_desk.kit.base.errors import Refused, Unavailable
from mlops_desk.kit.base.failures import longer
from mlops_desk.registry.mirror.process_handle import LIMIT_BYTES, Broken, HasEnded, MirrorLink
from mlops_desk.registry.readers.source import RegistrySource

# Which mirrors go for the others' sake: together they keep to a number and to a budget of memory. Pure.
# What nobody looks at goes first, the longest unused before all. Among those that are looked at it is who was opened
# last: the others are read to their end, where each would otherwise begin again for the next one's sake.
K = TypeVar("K")

BUDGET_BYTES = 1 << 30  # chosen: three stores of 100,000 runs
_MARGIN_BYTES = 128 << 20  # chosen: what two cores read into them between two looks
MOST = 8  # chosen: as many registries as one looks at in an hour
_IN_USE_SECONDS = 5.0  # chosen: whoever lists a store that is being read asks twenty times a second


@dataclass(frozen=True, slots=True)
class Held(Generic[K]):
    """One mirror: when it was opened and last asked (monotonic seconds), and what its process holds in memory."""

    key: K
    opened_at: float
    used_at: float
    resident_bytes: int
    is_busy: bool


def for_one_more(held: Sequence[Held[K]], now: float) -> list[K]:
    """Return which must go so that one more can be opened; none that is being asked does."""
    return _beyond(held, _ranked(held, now), MOST - 1)


def beyond_budget(held: Sequence[Held[K]], now: float) -> list[K]:
    """Return which must go because they have grown; neither one that is being asked nor the one asked last does."""
    newest = max((one.used_at for one in held), default=0.0)
    return _beyond(held, [one for one in _ranked(held, now) if one.used_at < newest], MOST)


def _ranked(held: Sequence[Held[K]], now: float) -> list[Held[K]]:
    idle = [one for one in held if not one.is_busy]
    unused = sorted((one for one in idle if now - one.used_at > _IN_USE_SECONDS), key=lambda one: one.used_at)
    in_use = sorted((one for one in idle if now - one.used_at <= _IN_USE_SECONDS), key=lambda one: -one.opened_at)
    return [*unused, *in_use]


def _beyond(held: Sequence[Held[K]], ranked: Sequence[Held[K]], most: int) -> list[K]:
    over_bytes = sum(one.resident_bytes for one in held) - (BUDGET_BYTES - _MARGIN_BYTES)
    over_count = len(held) - most
    gone: list[K] = []
    for one in ranked:
        if over_bytes <= 0 and over_count <= 0:
            break
        gone.append(one.key)
        over_bytes -= one.resident_bytes
        over_count -= 1
    return gone


# Registries that let nobody in as we are: the agent by itself asks them less and less, a person whenever they ask.
# Asking again changes nothing until somebody acts: another login makes another source, and with it nothing is
# remembered.
FIRST_SECONDS, LONGEST_SECONDS = 60.0, 600.0  # chosen: what an administrator mends at the server is seen in ten minutes
_MOST = 100  # chosen: as many registries as a list keeps


@dataclass(frozen=True, slots=True)
class _Refusal:
    error: Refused
    pause_seconds: float
    until: float


class Refusals:
    """Remembers by any key. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[Hashable, _Refusal] = {}

    def check(self, key: Hashable) -> None:
        """Raise what was refused last, while it is too soon to ask again."""
        with self._lock:
            known = self._known.get(key)
        if known is not None and self._clock() < known.until:
            raise Refused(known.error.message, known.error.hint)

    def note(self, key: Hashable, error: Refused) -> None:
        """Note that somebody was refused; the pause grows only with what was asked after it."""
        now = self._clock()
        with self._lock:
            known = self._known.pop(key, None)
            if known is None:
                found = _Refusal(error, FIRST_SECONDS, now + FIRST_SECONDS)
            elif now < known.until:
                found = _Refusal(error, known.pause_seconds, known.until)
            else:
                pause = longer(known.pause_seconds, LONGEST_SECONDS)
                found = _Refusal(error, pause, now + pause)
            self._known[key] = found
            while len(self._known) > _MOST:
                self._known.pop(next(iter(self._known)))

    def forget(self, key: Hashable) -> None:
        """Note that a question was answered."""
        with self._lock:
            self._known.pop(key, None)


ANSWER_SECONDS = 15.0  # chosen: longer than a person waits, and a server far away may take
_UNUSED_SECONDS = 120.0  # chosen: so long a page may be left and found again as it was
_NEWS_SECONDS = 0.5  # chosen: how late the watch sees a process that was started meanwhile

Changed = Callable[[RegistrySource], None]
Key = tuple[Any, ...]


class Mirrors:
    """``changed`` is called, in the watch's thread, for a registry in which something has changed."""

    def __init__(self, changed: Changed = lambda _source: None, limit_bytes: int = LIMIT_BYTES) -> None:
        self._changed = changed
        self._limit_bytes = limit_bytes
        self._lock = threading.Lock()
        self._links: dict[Key, tuple[RegistrySource, MirrorLink]] = {}
        self._spare: MirrorLink | None = None
        self._refusals = Refusals()
        self._is_stopped = False
        self._is_asked = Event()

    def ask(self, source: RegistrySource, verb: str, arguments: Sequence[Any], seconds: float = ANSWER_SECONDS) -> Any:
        """Ask a registry's mirror, which is started for it. Raises DeskErrors.

        What let nobody in is not asked for a while, unless it is somebody who asks.
        """
        key = _key(source)
        if not is_asked_for():
            self._refusals.check(key)
        try:
            answer = self._asked(source, verb, arguments, seconds)
        except Refused as error:
            self._refusals.note(key, error)
            raise
        self._refusals.forget(key)
        return answer

    def _asked(self, source: RegistrySource, verb: str, arguments: Sequence[Any], seconds: float) -> Any:
        """Ask, once more where the process had ended.

        A mirror that can't read its source tells whoever asks first, and ends: who waited behind is told the same.
        """
        began = time.monotonic()
        for _ in range(2):
            link = self._link(source)
            try:
                return link.ask(verb, arguments, seconds)
            except HasEnded as ended:
                told = link.refused_since(began)
                self._drop(source, link)
                if told is not None:
                    raise told from ended
            except Broken as broken:
                self._drop(source, link)
                raise broken.error from broken
        raise Unavailable(f"The process that reads {source.shown} ends as soon as it is started.")

    def is_read(self, source: RegistrySource) -> bool:
        """Tell whether a mirror of this registry is there."""
        with self._lock:
            return _key(source) in self._links

    def look_again(self, source: RegistrySource) -> None:
        """Let the mirror of a registry look for changes at once, if there is one: somebody has just made one."""
        if self.is_read(source):
            self.ask(source, "look_again", [])

    def prepare(self) -> None:
        """Have a process ready for the registry that is looked at next."""
        with self._lock:
            if self._spare is None and not self._is_stopped:
                self._spare = MirrorLink(self._limit_bytes)

    def _link(self, source: RegistrySource) -> MirrorLink:
        key = _key(source)
        with self._lock:
            if self._is_stopped:
                raise Unavailable("The agent is ending.")
            found = self._links.get(key)
            if found is not None:
                found[1].used_at = time.monotonic()
                return found[1]
            gone = self._taken(for_one_more(self._held(), time.monotonic()))
            link, self._spare = self._spare or MirrorLink(self._limit_bytes), None
            link.used_at = link.opened_at = time.monotonic()  # it may have been held ready for long
            with contextlib.suppress(HasEnded):  # the question that follows finds it ended too
                link.open(source)  # before anybody else finds it: what it is told first is its source
            self._links[key] = (source, link)
            self._is_asked.set()
        for one in gone:
            one.end()
        return link

    def _held(self) -> list[Held[Key]]:
        return [
            Held(key, link.opened_at, link.used_at, link.resident_bytes, link.is_busy)
            for key, (_, link) in self._links.items()
        ]

    def _taken(self, keys: Sequence[Key]) -> list[MirrorLink]:
        return [self._links.pop(key)[1] for key in keys]

    def _keep_to_budget(self) -> None:
        """End those that must go because they have grown."""
        with self._lock:
            gone = self._taken(beyond_budget(self._held(), time.monotonic()))
        for link in gone:
            link.end()

    def _drop(self, source: RegistrySource, link: MirrorLink) -> None:
        key = _key(source)
        with self._lock:
            found = self._links.get(key)
            if found is not None and found[1] is link:
                del self._links[key]
        link.end()

    def sweep(self, *, is_shown: bool = False) -> None:
        """End what nobody has asked for a while; while registries ``is_shown`` to somebody, have one ready."""
        now = time.monotonic()
        with self._lock:
            over = [
                key
                for key, (_, link) in self._links.items()
                if not link.is_busy and (link.has_ended or now - link.used_at > _UNUSED_SECONDS)
            ]
            gone = [self._links.pop(key)[1] for key in over]
            if self._spare is not None and (self._spare.has_ended or not (is_shown or self._links)):
                gone.append(self._spare)
                self._spare = None
        for link in gone:
            link.end()
        self._keep_to_budget()
        if is_shown:
            self.prepare()

    def watch(self, ending: Event) -> None:
        """Tell of changes as the mirrors say so, until the agent ends."""
        while not (ending.is_set() or self._is_stopped):
            with self._lock:
                links = {one[1].news: one for one in self._links.values() if not one[1].is_silent}
                if not (self._links or self._is_stopped):
                    self._is_asked.clear()
            if not links:
                if self._is_asked.wait():
                    ending.wait(_NEWS_SECONDS)
                continue
            waiting = select.poll()
            for descriptor in links:
                waiting.register(descriptor, select.POLLIN)
            for descriptor, _ in waiting.poll(_NEWS_SECONDS * 1000):
                self._hear(*links[descriptor])
            self._keep_to_budget()

    def _hear(self, source: RegistrySource, link: MirrorLink) -> None:
        try:
            if link.take_news():
                self._changed(source)
        except HasEnded:
            if not link.is_busy:  # who waits for its answer reads its last words, and ends it after that
                self._drop(source, link)

    def stop(self) -> None:
        """End all of them, whatever they are doing."""
        with self._lock:
            self._is_stopped = True
            self._is_asked.set()
            links = [link for _, link in self._links.values()]
            links += [] if self._spare is None else [self._spare]
            self._links, self._spare = {}, None
        for link in links:
            link.end()


def _key(source: RegistrySource) -> Key:
    headers = tuple(sorted(source.headers.items()))
    where = source.uri if source.path is None else str(source.path)  # a path is written as a URI in several ways
    return (source.kind, where, headers, source.ca_file, source.proxy)
