"""The verbs about an endpoint's logged requests: which there were, and what turned out later."""

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import Invalid, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.process import run_worker
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.request_log.query import RequestQuery, find
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest
from mlops_desk.serving.request_log.redaction import HiddenColumns

IMPORT_WORKER = "mlops_desk.serving.request_log.feedback_worker"
REQUESTS_LIMIT = 10_000  # chosen: as many as any list gives
_FIND_SECONDS = 30.0  # chosen: thirty times what ten million rows take
_IMPORT_SECONDS = 240.0  # chosen: ten million rows on a busy machine
_STATUS = re.compile(r"([1-5])(\d\d|xx)", re.IGNORECASE)
_TIME = re.compile(r"(\d+\.?\d*)\s*(ms|s|m)?")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, None: 1.0}


class RequestDesk:
    """``log_folder`` says where an endpoint's log lies; ``roll`` has the gateway write out what it holds."""

    def __init__(self, log_folder: Callable[[str], Path], roll: Callable[[], bool], loop: Loop) -> None:
        self._log_folder = log_folder
        self._roll = roll
        self._loop = loop

    def find(self, name: str, query: RequestQuery) -> list[LoggedRequest]:
        """Return requests of an endpoint, newest first. Raises TimedOut."""
        self._roll()
        folder = self._log_folder(name)
        if not folder.is_dir():
            return []
        return self._loop.call("Reading the request log", lambda: find(folder, query), _FIND_SECONDS)

    def take_feedback(self, name: str, file: Path, hidden: HiddenColumns) -> FeedbackTaken:
        """Take the rows of a file, all of them or none. Raises Invalid, NotFound, TimedOut."""
        folder = self._log_folder(name)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._roll()
        rules = {"dropped": hidden.dropped, "masked": hidden.masked, "hashed": hidden.hashed, "key": hidden.key}
        request = {"folder": str(folder), "file": str(file), "given_at": time.time(), "rules": rules}
        return wire.from_builtins(run_worker(IMPORT_WORKER, request, _IMPORT_SECONDS), FeedbackTaken)


def own_file(file: str) -> Path:
    """Return the caller's file; the agent has its own rights there, so only for its own user. Raises Refused."""
    path = Path(file)
    if not path.is_absolute():
        raise Invalid(f"The file {plain(file)!r} is not an absolute path.")
    if current_caller().uid not in {0, os.getuid()}:
        raise Refused(
            "Files are read and written on an agent of one's own only.",
            "Feedback can be sent to the endpoint's address, with /feedback behind it.",
        )
    return path


def query_of(
    since: float | None,
    status: str | None,
    slower: str | None,
    limit: int,
    until: float | None = None,
    revision: int | None = None,
) -> RequestQuery:
    """Read what a person asks for: ``5xx`` or ``404``, ``100ms`` or ``2s``. Raises Invalid."""
    if not 1 <= limit <= REQUESTS_LIMIT:
        raise Invalid(f"{limit:,} requests can't be listed.", f"1 to {REQUESTS_LIMIT:,} can.")
    least, most = _statuses(status)
    slower_seconds = None if slower is None else _seconds(slower)
    return RequestQuery(limit, since or 0.0, least, most, slower_seconds, until, revision)


def _statuses(text: str | None) -> tuple[int, int]:
    if text is None:
        return 0, 999
    found = _STATUS.fullmatch(text.strip())
    if found is None:
        raise Invalid(f"The status {plain(text, 40)!r} is neither a class nor a code.", "Say 5xx, or 404.")
    if found[2].lower() == "xx":
        return int(found[1]) * 100, int(found[1]) * 100 + 99
    return int(found[0]), int(found[0])


def _seconds(text: str) -> float:
    found = _TIME.fullmatch(text.strip().lower())
    if found is None:
        raise Invalid(f"{plain(text, 40)!r} is no time.", "Say 100ms, 2s, or seconds.")
    return float(found[1]) * _SECONDS[found[2]]
