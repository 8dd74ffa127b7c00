"""What was announced lately, numbered, so that who lost the connection hears what was missed, or is told to load anew.

Of what has a newest state only that is kept, as in a listener's mailbox; of samples nothing, for the next one comes
within a second.
"""

import re
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from mlops_desk.kit.base.bus import Bus, Mailbox
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.machine.records import event as events

KEPT = 2000
"""Announcements: as many changed jobs, endpoints and notices as a busy machine has in some hours. One is a record that
lives anyhow, or some hundred bytes."""

_MARK = re.compile(r"([0-9a-f]{32}):([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Numbered:
    """An announcement, and which of this agent's it is."""

    seq: int
    event: events.Event


@dataclass(frozen=True, slots=True)
class LastHeard:
    """The last announcement that a listener has heard; ``epoch`` names the agent's life in which it was numbered."""

    epoch: str
    seq: int


def mark_of(text: str) -> LastHeard | None:
    """Read ``EPOCH:SEQ``; None for the empty text of one who has heard nothing yet. Raises Invalid."""
    if not text:
        return None
    found = _MARK.fullmatch(text)
    if found is None:
        raise Invalid(f"{plain(text)!r} does not say what was heard last.", "Leave it empty to begin anew.")
    return LastHeard(found[1], int(found[2]))


@dataclass(frozen=True, slots=True)
class Joined:
    """Where a listener stands. ``missed`` is what it has not heard of what is kept; ``complete``: that is all."""

    seq: int
    complete: bool
    missed: tuple[Numbered, ...]
    mailbox: Mailbox


class Backlog:
    """Numbers what a bus tells of the wire's events, in the order in which it hands it to its listeners."""

    def __init__(self, bus: Bus, kept: int = KEPT) -> None:
        self.epoch = uuid.uuid4().hex
        self._most = kept
        self._lock = threading.Lock()
        self._seq = 0
        self._forgotten = 0
        self._kept: OrderedDict[object, Numbered] = OrderedDict()
        self._listeners: list[Mailbox] = []
        bus.subscribe(object, self._put)

    @property
    def listeners(self) -> int:
        """How many listen now."""
        return len(self._listeners)

    @contextmanager
    def joined(self, after: LastHeard | None) -> Iterator[Joined]:
        """Listen from now on; nothing falls between what was missed and what comes into the mailbox."""
        mailbox = Mailbox(_key)
        with self._lock:
            complete = after is not None and after.epoch == self.epoch and self._forgotten <= after.seq <= self._seq
            missed = tuple(one for one in self._kept.values() if complete and after and one.seq > after.seq)
            self._listeners.append(mailbox)
            told = Joined(self._seq, complete, missed, mailbox)
        try:
            yield told
        finally:
            with self._lock:
                self._listeners.remove(mailbox)
            mailbox.close()

    def _put(self, event: object) -> None:
        if not isinstance(event, events.Event) or isinstance(event, events.Heartbeat):
            return
        with self._lock:
            self._seq += 1
            numbered = Numbered(self._seq, event)
            if not isinstance(event, events.Sampled):
                self._keep(numbered)
            for mailbox in self._listeners:
                mailbox.put(numbered)

    def _keep(self, numbered: Numbered) -> None:
        key = numbered.event.key
        key = numbered.seq if key is None else key
        self._kept.pop(key, None)
        self._kept[key] = numbered
        if len(self._kept) > self._most:
            self._forgotten = self._kept.popitem(last=False)[1].seq


def _key(numbered: object) -> object | None:
    """Return what an announcement is the newest state of, or None when each one counts."""
    return numbered.event.key if isinstance(numbered, Numbered) else None


def everything(_event: events.Event) -> bool:
    """Let a listener hear all there is."""
    return True


Hears = Callable[[events.Event], bool]
