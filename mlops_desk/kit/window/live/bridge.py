"""The one crossing into the GUI thread: a latest-wins mailbox, one wake-up signal, one slot.

A thread listens to the agent and fills the mailbox; however many events arrive while the GUI is busy,
one wake-up is under way. When the connection breaks, the listener comes back by itself, ever more
slowly; an agent that somebody stopped is not started behind their back, only by ``start_agent``.
"""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal, Slot

from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.failures import longer
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.window.live.store import Store, Topic

if TYPE_CHECKING:
    from mlops_desk.kit.verbs.desk import ClientLike
    from mlops_desk.machine.records import event as events

_log = logging.getLogger(__name__)

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.5, 10.0
"""Chosen: an agent that restarts is back within a second; one that is gone is not hammered."""
STALE_CHECK_MILLISECONDS, SELDOM_CHECK_MILLISECONDS = 500, 2000
"""Chosen: half of what is late by a second; a hidden window needs no haste."""
UNREAD_LIMIT = 2000  # chosen: then all is asked for anew, which is less

Connect = Callable[[Callable[[], bool]], "ClientLike"]
"""Is called in a thread and may take a while; looks now and then whether its word is still wanted."""


class Bridge(QObject):
    """Feeds the store from the agent and tells which topics changed.

    ``connected`` tells whether something may have been missed since the last time, so that all is to be loaded anew.
    """

    changed = Signal(object)
    connected = Signal(bool)
    _woken = Signal()

    def __init__(self, connect: Connect, store: Store, loop: Loop) -> None:
        super().__init__()
        self._connect = connect
        self._store = store
        self._loop = loop
        self._lock = threading.Lock()
        self._unread: OrderedDict[object, object] = OrderedDict()
        self._awake = False
        self._number = 0
        self._client: ClientLike | None = None
        self._clients: list[ClientLike] = []  # earlier ones too: an agent that is slow may yet answer what they asked
        self._hurry = threading.Event()
        self._connect_again = False
        self._stopped = False
        self._every_seconds = 0.0
        self._paced_anew = False
        self._woken.connect(self._drain, Qt.ConnectionType.QueuedConnection)
        self._watch = QTimer(self)
        self._watch.setInterval(STALE_CHECK_MILLISECONDS)
        self._watch.timeout.connect(self._check_stale)

    @property
    def client(self) -> "ClientLike | None":
        """The client, once connected; its calls block and belong into a task."""
        return self._client

    def start(self) -> None:
        """Begin to listen; call it after the first paint."""
        self._watch.start()
        self._loop.at_end(self._hang_up)
        self._loop.start("events", self._listen)

    def stop(self) -> None:
        """Listen no more. What was asked is still waited for, until the loop ends."""
        self._watch.stop()
        self._stopped = True
        self._hurry.set()
        if self._client is not None:
            self._client.hang_up()

    def _hang_up(self) -> None:
        """Let nobody wait for the agent when the program ends: what it was asked for, it goes on with."""
        with self._lock:
            clients = list(self._clients)
        for client in clients:
            client.close()

    def pace(self, every_seconds: float) -> None:
        """Hear of samples no more often than this from now on; everything else is heard at once."""
        if every_seconds != self._every_seconds:
            self._every_seconds = every_seconds
            self._paced_anew = True
            self._watch.setInterval(SELDOM_CHECK_MILLISECONDS if every_seconds else STALE_CHECK_MILLISECONDS)
            if self._client is not None:
                self._client.hang_up()

    @Slot()
    def start_agent(self) -> None:
        """Connect anew, starting an agent when none answers."""
        self._connect_again = True
        self._hurry.set()

    # In the listener's thread.

    def _listen(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._is_over():
            try:
                for event in self._events():
                    pause = FIRST_PAUSE_SECONDS
                    self._post(event.key, event)
                    if self._is_over():
                        return
                if self._pacing_changed():
                    continue
                self._post("lost", DeskError("The agent ended the connection.", "It may be restarting."))
            except DeskError as error:
                if self._pacing_changed():
                    continue
                self._post("lost", error)
            except Exception as error:  # noqa: BLE001 - a bug in the client must not leave the window deaf
                _log.exception("Listening to the agent failed")
                self._post("lost", DeskError(f"Listening to the agent failed: {error}", "See the window's log."))
            if self._is_over():
                return
            self._hurry.wait(pause)
            self._hurry.clear()
            pause = longer(pause, LONGEST_PAUSE_SECONDS)

    def _pacing_changed(self) -> bool:
        """Tell, once, whether the connection ended because another pace was wished for."""
        changed, self._paced_anew = self._paced_anew, False
        return changed

    def _is_over(self) -> bool:
        return self._stopped or self._loop.ending.is_set()

    def _events(self) -> "Iterator[events.Event]":
        if self._client is None or self._connect_again:
            self._connect_again = False
            self._post("connecting", None)
            self._client = self._taken(self._connect(self._is_over))
        from mlops_desk.machine.records.event import Hello  # noqa: PLC0415 - the window's frame is painted before

        self._paced_anew = False
        for event in self._client.announcements(self._every_seconds):
            if isinstance(event, Hello):
                self._post("connected" if event.complete else "connected anew", None)
            yield event
            if self._paced_anew:
                return

    def _taken(self, client: "ClientLike") -> "ClientLike":
        with self._lock:
            self._clients.append(client)
        if self._loop.ending.is_set():  # it came too late to be closed with the others
            client.close()
        return client

    def _post(self, key: object, item: object) -> None:
        with self._lock:
            if key is None:
                self._number += 1
                key = self._number
            self._unread.pop(key, None)
            self._unread[key] = item
            if len(self._unread) > UNREAD_LIMIT:
                self._unread.popitem(last=False)
            if self._awake or self._is_over():
                return
            self._awake = True
        self._woken.emit()

    # In the GUI thread.

    @Slot()
    def _drain(self) -> None:
        from mlops_desk.kit.window.live import announcements  # noqa: PLC0415 - it needs all records, and an agent may be starting

        with self._lock:
            unread, self._unread = self._unread, OrderedDict()
            self._awake = False
        topics: set[Topic] = set()
        connected = missed = False
        for key, item in unread.items():
            if key == "lost":
                topics |= {Topic.CONNECTION} if self._store.lost(item) else set()  # type: ignore[arg-type]  # the key tells what the item is
            elif key == "connecting":
                topics |= {Topic.CONNECTION} if self._store.lost(None, "starting") else set()
            elif key in {"connected", "connected anew"}:
                connected, missed = True, missed or key == "connected anew"
            else:
                topics |= {Topic.CONNECTION} if self._store.heard(time.monotonic()) else set()
                topics |= announcements.apply(self._store, item)  # type: ignore[arg-type]  # likewise
        if connected:
            self.connected.emit(missed)
        if topics:
            self.changed.emit(frozenset(topics))

    @Slot()
    def _check_stale(self) -> None:
        if self._store.check_stale(time.monotonic()):
            self.changed.emit(frozenset({Topic.CONNECTION}))
