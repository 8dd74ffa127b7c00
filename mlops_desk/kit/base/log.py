"""Logging: what is said before the data folder is known is kept and written once it is; files rotate."""

import logging
import sys
import threading
from collections import deque
from pathlib import Path

_FORMAT = "%(asctime)s %(levelname)-7s %(threadName)s %(name)s: %(message)s"


class _Early(logging.Handler):
    """Keeps the newest thousand records until there is a place for them."""

    def __init__(self) -> None:
        super().__init__()
        self._records: deque[logging.LogRecord] = deque(maxlen=1000)

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)

    def pour(self, target: logging.Handler) -> None:
        while self._records:
            target.handle(self._records.popleft())


_early = _Early()


class _OneLine(logging.Formatter):
    """Formats a record so that text from outside can't forge a second one."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


def start_early() -> None:
    """Begin to remember log records; nothing is written yet."""
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    if _early not in root.handlers:
        root.addHandler(_early)
    sys.excepthook = _log_uncaught
    threading.excepthook = _log_uncaught_in_thread


def start_file(path: Path, *, echo: bool = False) -> None:
    """Write the log, early records first, to ``path`` (5 MiB, four old ones kept) and, with ``echo``, to stderr."""
    from logging.handlers import RotatingFileHandler  # noqa: PLC0415 - 4 ms that the window's first paint need not wait

    root = logging.getLogger()
    handler: logging.Handler
    try:
        handler = RotatingFileHandler(path, maxBytes=5 << 20, backupCount=4, encoding="utf-8")
    except OSError as error:
        handler = logging.StreamHandler()
        root.warning("The log file %s can't be written (%s); logging to stderr", path, error.strerror)
    handler.setFormatter(_OneLine(_FORMAT))
    root.addHandler(handler)
    if echo and isinstance(handler, logging.FileHandler):
        console = logging.StreamHandler()
        console.setFormatter(_OneLine("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(console)
    root.removeHandler(_early)
    _early.pour(handler)
    logging.getLogger("alembic").setLevel(logging.WARNING)
    logging.getLogger("httpx").setLevel(logging.WARNING)


def _log_uncaught(kind: type[BaseException], error: BaseException, trace: object) -> None:
    logging.getLogger("mlops_desk").critical("Uncaught", exc_info=(kind, error, trace))  # type: ignore[arg-type]  # the hook is handed a traceback, typed as an object
    if _early in logging.getLogger().handlers:  # there is no file yet, and what ends here never has one
        sys.__excepthook__(kind, error, trace)  # type: ignore[arg-type]  # likewise


def _log_uncaught_in_thread(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value or arguments.exc_type()
    logging.getLogger("mlops_desk").critical("Uncaught in a thread", exc_info=error)
