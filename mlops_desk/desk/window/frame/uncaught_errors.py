"""Errors of the window itself: whatever is logged with a traceback is shown as a notice, with its details to copy.

Slots, timers, event handlers and threads all end in the log (``kit/base/log.py``, ``kit/base/loop.py``,
``live/tasks.py``), so that is where this listens. An error that repeats is one notice, and many at once wait for one
another.
"""

import faulthandler
import hashlib
import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from PySide6.QtCore import QMessageLogContext, QObject, Qt, QTimer, QtMsgType, Signal, Slot, qInstallMessageHandler

from mlops_desk import __version__
from mlops_desk.kit.base import log
from mlops_desk.kit.base.disk.agent_address import AgentAddress
from mlops_desk.kit.base.disk.paths import state_folder
from mlops_desk.kit.base.disk.private_files import make_private
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.words import numbers

SOON_MILLISECONDS = 300  # a page that tells of the same failure does so first, and this says more
PAUSE_SECONDS = 10.0  # chosen: time to read one, and to press its button, before the next takes its place
SAME_SECONDS = 300.0  # chosen: an error at each tick is told of every five minutes
DETAIL_LIMIT = 8000  # characters: some seventy lines of a traceback, its end first
TEXT_LIMIT = 300  # chosen: two lines of the notice
_KINDS = 100  # chosen: more kinds of errors than this are begun to be told anew

Say = Callable[[str, str], None]
"""Shows a text and the details to copy."""


@dataclass(slots=True)
class _Kind:
    """What happened at one place of the program, how often since it was told, and when that was (monotonic)."""

    text: str
    details: str
    count: int = 0
    told_at: float | None = None


class UncaughtErrors(QObject):
    """Tells of errors that are logged between ``start`` and ``stop``, in whatever thread."""

    _logged = Signal(str, str, str)

    def __init__(self, say: Say, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._say = say
        self._clock = clock
        self._kinds: dict[str, _Kind] = {}
        self._told_at = -PAUSE_SECONDS
        self._due = QTimer(self)
        self._due.setSingleShot(True)
        self._due.timeout.connect(self.tell)
        self._handler = _Handler(self._logged.emit)
        self._logged.connect(self._take, Qt.ConnectionType.QueuedConnection)

    def start(self) -> None:
        logging.getLogger().addHandler(self._handler)

    def stop(self) -> None:
        logging.getLogger().removeHandler(self._handler)
        self._due.stop()

    @Slot(str, str, str)
    def _take(self, place: str, text: str, details: str) -> None:
        if place not in self._kinds and len(self._kinds) >= _KINDS:
            self._kinds.clear()
        kind = self._kinds.setdefault(place, _Kind(text, details))
        kind.text, kind.details = text, details
        kind.count += 1
        self._wait()

    def _wait(self) -> None:
        """Wait for the next error's turn, if one is to be told."""
        now = self._clock()
        turns = [
            max(self._told_at + PAUSE_SECONDS, now if kind.told_at is None else kind.told_at + SAME_SECONDS)
            for kind in self._kinds.values()
            if kind.count
        ]
        if turns:
            self._due.start(max(SOON_MILLISECONDS, round(1000 * (min(turns) - now))))

    def tell(self) -> None:
        """Tell of the error that has waited longest, if its turn has come; all that happened of it is one notice."""
        now = self._clock()
        due = [
            kind
            for kind in self._kinds.values()
            if kind.count and (kind.told_at is None or now - kind.told_at >= SAME_SECONDS)
        ]
        if due and now - self._told_at >= PAUSE_SECONDS:
            kind, count = due[0], due[0].count
            kind.count, kind.told_at, self._told_at = 0, now, now
            often = f" ({numbers.count(count, 'time')})" if count > 1 else ""
            self._say(
                f"This window made an error{often}: {kind.text}. It goes on; its log has the details.", kind.details
            )
        self._wait()


class _Handler(logging.Handler):
    """Hands on what is logged as an error with a traceback: where, what, and all of it."""

    def __init__(self, hand_on: Callable[[str, str, str], None]) -> None:
        super().__init__(logging.ERROR)
        self._hand_on = hand_on

    def emit(self, record: logging.LogRecord) -> None:
        if not record.exc_info or record.exc_info[1] is None:
            return
        error = record.exc_info[1]
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""
        text = plain(f"{type(error).__name__}: {error}" if str(error) else type(error).__name__, TEXT_LIMIT)
        self._hand_on(f"{type(error).__name__} {place}", text.rstrip("."), _details(record, error))


def _details(record: logging.LogRecord, error: BaseException) -> str:
    """Return what a person sends to who mends it: plain lines, of a long traceback the end, where it happened."""
    head = f"MLOps Desk {__version__}, {time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(record.created))}"
    said = plain(f"{record.threadName} {record.name}: {record.getMessage()}", TEXT_LIMIT)
    lines = "".join(traceback.format_exception(error))[-DETAIL_LIMIT:].split("\n")
    return "\n".join([head, said, *(plain(line, TEXT_LIMIT) for line in lines)]).strip()


# The window's log: uncaught errors, Qt's messages, and the stacks of a crash in a file beside it.

_log = logging.getLogger(__name__)


class WindowLog:
    """Remembers from ``start`` on what is said, and writes it down from ``open`` on."""

    def __init__(self, address: AgentAddress) -> None:
        self._path = _folder(address) / "window.crash"
        self._crashes: TextIO | None = None

    def start(self) -> None:
        qInstallMessageHandler(_log_qt)
        log.start_early()

    def open(self) -> None:
        """Begin the files, once the window can be seen: a slow disk must not hold up its first paint."""
        try:
            make_private(self._path.parent)
            log.start_file(self._path.with_name("window.log"))
            self._crashes = self._path.open("w", encoding="utf-8")
        except (OSError, DeskError) as error:
            _log.warning("Crashes can't be written down in %s: %s", self._path, error)
            return
        faulthandler.enable(self._crashes)

    def stop(self) -> None:
        if self._crashes is not None:
            faulthandler.disable()
            self._crashes.close()
        qInstallMessageHandler(None)


def _folder(address: AgentAddress) -> Path:
    """Return where a window writes: beside its agent's log, or for itself where those files are on another machine."""
    if address.folder is not None:
        return address.folder.logs
    return state_folder() / f"window-{hashlib.sha256(str(address).encode()).hexdigest()[:12]}"


_LEVELS = {
    QtMsgType.QtDebugMsg: logging.DEBUG,
    QtMsgType.QtInfoMsg: logging.INFO,
    QtMsgType.QtWarningMsg: logging.WARNING,
    QtMsgType.QtCriticalMsg: logging.ERROR,
    QtMsgType.QtFatalMsg: logging.CRITICAL,
}


def _log_qt(kind: QtMsgType, context: QMessageLogContext, message: str) -> None:
    logging.getLogger("qt").log(_LEVELS.get(kind, logging.WARNING), "%s (%s)", message, context.category)
