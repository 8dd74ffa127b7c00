"""The window's log: uncaught errors, Qt's messages, and the stacks of a crash in a file beside it."""

import faulthandler
import hashlib
import logging
from pathlib import Path
from typing import TextIO

from PySide6.QtCore import QMessageLogContext, QtMsgType, qInstallMessageHandler

from mlops_desk.base import log
from mlops_desk.base.disk.agent_address import AgentAddress
from mlops_desk.base.disk.paths import state_folder
from mlops_desk.base.disk.private_files import make_private
from mlops_desk.base.errors import DeskError

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
