"""The audit trail, which a disk that is full or hangs may hold up but not tear: what can't be written now is later.

No verb waits for such a disk longer than a moment, and people are told, once, that its record is in memory alone.
What begins is kept before it is done. So what an earlier agent began and did not end is found at the next start, and
nobody knows what became of it: it is told as that, neither as done nor as failed.
"""

import logging
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from threading import Lock

from mlops_desk.desk.settings import without_secrets
from mlops_desk.kit.base.disk.paths import DataFolder
from mlops_desk.kit.base.disk.write_deadline import HungDisk, PatientWriter
from mlops_desk.kit.base.errors import DeskError, Hint
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.agent import AuditEntry, AuditState
from mlops_desk.kit.storage.audit.anchors import append_head, send_head
from mlops_desk.kit.storage.audit.chain import START, Anchor
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.kit.storage.state import State
from mlops_desk.machine.records.event import Notice

_log = logging.getLogger(__name__)
SOURCE = "audit"
STOPPED = "The agent stopped during it."
_HEADS_SECONDS = 30.0  # chosen: a burst of records is anchored soon
_ANCHOR_SECONDS, _ANCHOR_RECORDS = 600.0, 100  # chosen: five megabytes of heads a year at most of steady work
_WAITING = 10_000  # chosen: a few MB while the disk is full; what is older is then lost, and that is told
_ABOUT = ("file", "audit")
_MAKE_ROOM = Hint("mlops-desk doctor", after=" tells how much room there is, journalctl -k how the disk is.")
_LOOK = Hint("mlops-desk audit", before="Look at the thing itself before you ask again; ", after=" tells what it was.")


class AuditTrail:
    """Keeps audit entries, in order. What was done stays done, and its answer true, though it can't be noted yet.

    ``notify`` is told of each that an earlier agent did not end, and when entries begin to wait for the disk and end.
    """

    def __init__(
        self, table: StoredRecords[AuditEntry], notify: Callable[[Notice], None], writer: PatientWriter | None = None
    ) -> None:
        self._table = table
        self._notify = notify
        self._writer = PatientWriter("audit") if writer is None else writer
        self._is_told = False
        self._waiting: deque[AuditEntry] = deque(maxlen=_WAITING)
        self._ours: set[str] = set()
        self._is_taken_up = False
        self._lock = Lock()

    def put(self, entry: AuditEntry) -> None:
        """Keep an entry without its secrets, and those that wait; a disk that does not play along is logged.

        One that is kept under the id of another takes its place.
        """
        entry = replace(entry, id=entry.id or uuid.uuid4().hex)
        with self._lock:
            self._note(entry)
            self._waiting.append(without_secrets(entry))
            self._write()

    def take_up(self) -> None:
        """Say of what an earlier agent began and did not end that nobody knows what became of it."""
        with self._lock:
            found = self._left()
            self._waiting.extend(found)
            self._write()
        for entry in found:
            self._notify(_notice(entry))

    def flush(self) -> None:
        """Write what waits, and take up what could not be read at the start."""
        if not self._is_taken_up:
            self.take_up()
        with self._lock:
            self._write()

    def _left(self) -> list[AuditEntry]:
        if self._is_taken_up:
            return []
        try:
            began = self._writer.do(lambda: self._table.list(states=(AuditState.BEGAN,), newest_first=False))
        except (DeskError, HungDisk) as error:
            _log.warning("What an earlier agent left unfinished can't be read yet: %s", _words(error))
            return []
        self._is_taken_up = True
        now = time.time()
        return [
            replace(entry, state=AuditState.UNKNOWN, ended_at=now, why=STOPPED)
            for entry in began
            if entry.id not in self._ours
        ]

    def _note(self, entry: AuditEntry) -> None:
        """Remember which this agent began, until it is known that an earlier one's were found."""
        if entry.state is AuditState.BEGAN and not self._is_taken_up:
            self._ours.add(entry.id or "")

    def _write(self) -> None:
        while self._waiting:
            try:
                self._writer.do(partial(self._table.put, self._waiting[0]))
            except (DeskError, HungDisk) as error:
                _log.warning("%s entries of the audit trail wait for the disk: %s", len(self._waiting), _words(error))
                self._tell_of_waiting(_words(error))
                return
            self._waiting.popleft()
        if self._is_told:
            self._is_told = False
            self._notify(Notice("info", SOURCE, "The audit trail is written again.", None, time.time(), about=_ABOUT))

    def _tell_of_waiting(self, why: str) -> None:
        if self._is_told:
            return
        self._is_told = True
        text = f"The audit trail can't be written. {why} What is changed meanwhile is noted in memory alone."
        self._notify(Notice("alert", SOURCE, plain(text), _MAKE_ROOM, time.time(), about=_ABOUT))


class AuditHeads:
    """Anchors heads of the audit outside its database as it grows; a simulated desk's nowhere.

    That is at the agent's begin and end, and meanwhile after a hundred records or ten minutes: who makes the chain anew
    later, or cuts it, can't do so behind the last of them.
    """

    def __init__(self, folder: DataFolder, state: State, *, simulated: bool) -> None:
        self._folder, self._state, self._simulated = folder, state, simulated
        self._writer = PatientWriter("audit heads")
        self._last: tuple[int, str] | None = None
        self._at = 0.0
        self._troubles: set[str] = set()

    def start(self, loop: Loop) -> None:
        """Begin to anchor."""
        if not self._simulated:
            loop.repeat("audit heads", _HEADS_SECONDS, self.turn)

    def stop(self) -> None:
        """Anchor what was written last."""
        if not self._simulated:
            self._anchor(due=True)

    def turn(self) -> None:
        """Anchor the newest head if it is time."""
        self._anchor(due=time.monotonic() - self._at >= _ANCHOR_SECONDS)

    def _anchor(self, *, due: bool) -> None:
        newest = self._state.audit.newest() or (0, START)
        repaired = self._state.repair if self._last is None else None
        if newest == (self._last or (0, START)) and repaired is None:
            return
        if self._last is not None and not due and newest[0] - self._last[0] < _ANCHOR_RECORDS:
            return
        what = None if repaired is None else "a repair of what was damaged"
        anchor = Anchor(*newest, time.time(), "", what)
        anchored = [
            self._try(lambda: self._writer.do(lambda: append_head(self._folder.audit_heads, anchor))),
            self._try(lambda: send_head(self._folder.instance, anchor)),
        ]
        if any(anchored):
            self._last, self._at = newest, time.monotonic()

    def _try(self, act: Callable[[], object]) -> bool:
        """Tell whether ``act`` anchored a head; what fails again in the same way is logged once."""
        try:
            return act() is not False
        except OSError as error:
            text = error.strerror or str(error)
            if text not in self._troubles:
                _log.warning("A head of the audit can't be anchored outside the database: %s", text)
            self._troubles.add(text)
            return False


def _words(error: DeskError | HungDisk) -> str:
    return error.message if isinstance(error, DeskError) else "The disk of the data folder does not answer."


def _notice(entry: AuditEntry) -> Notice:
    what = f"{entry.verb.replace('.', ' ')}, which {plain(entry.user, 40)} had asked for"
    text = f"The agent stopped during {what}. Whether it was done is not known."
    return Notice("warning", SOURCE, text, _LOOK, entry.at, about=None)
