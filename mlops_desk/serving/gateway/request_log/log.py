"""The log of all endpoints in the gateway: what was answered is noted in memory, a thread writes it, a child rolls up.

Noting costs the event loop an append to a list. Whatever the disk does, no reply waits for it: what it does not take,
or not in time, is dropped, counted and said once.
"""

import json
import logging
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import DeskError, Invalid, Unavailable
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.request_log.feedback import ID_PATTERN, Feedback
from mlops_desk.serving.gateway.request_log.redaction import redacted, redacted_feedback, rules_for
from mlops_desk.serving.gateway.request_log.roller import LocalRoller, Roller, RollTask
from mlops_desk.serving.gateway.routes import EndpointRoutes, RoutingTable
from mlops_desk.serving.gateway.spool import Exchange, Spool

# Feedback that is sent to the gateway: a document, a list of them, or lines of them, checked. Pure.
_ID = re.compile(ID_PATTERN)
_COLUMNS_LIMIT = 100  # chosen: what turned out is a truth, a score, a comment
_NAME_LIMIT = 200  # chosen: longer ones are values that stand where a name should
_HINT = 'For example: {"request_id": "the x-request-id of the answer", "truth": 1}, one document a line.'


def feedback_in(body: bytes, given_at: float) -> list[Feedback]:
    """Return what a body says, all of it or nothing. Raises Invalid."""
    documents = _documents(body)
    if not documents:
        raise Invalid("The body has no feedback.", _HINT)
    return [_feedback(document, number, given_at) for number, document in enumerate(documents, 1)]


def _documents(body: bytes) -> list[Any]:
    try:
        text = body.decode()
        try:
            found = json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError) as error:
        raise Invalid(f"The body is not JSON: {plain(str(error), 100)}.", _HINT) from error
    if isinstance(found, dict) and isinstance(found.get("feedback"), list) and "request_id" not in found:
        found = found["feedback"]
    return found if isinstance(found, list) else [found]


def _feedback(document: Any, number: int, given_at: float) -> Feedback:
    if not isinstance(document, dict):
        raise Invalid(f"Feedback {number} is no JSON object.", _HINT)
    values = dict(document)
    request_id, row = values.pop("request_id", None), values.pop("row", None)
    if not isinstance(request_id, str) or not _ID.fullmatch(request_id):
        raise Invalid(f"Feedback {number} has no request id, or none that the gateway gives.", _HINT)
    if row is not None and (isinstance(row, bool) or not isinstance(row, int) or not 0 <= row < 1 << 31):
        raise Invalid(f"The row of feedback {number} is no whole number from 0 on.", _HINT)
    if not values or len(values) > _COLUMNS_LIMIT:
        raise Invalid(f"Feedback {number} has {len(values)} values; 1 to {_COLUMNS_LIMIT} are taken.", _HINT)
    for name in values:
        if not name or len(name) > _NAME_LIMIT or not name.isprintable() or name.startswith("_"):
            raise Invalid(f"Feedback {number} names a value {plain(name, 40)!r}, which is no name for one.", _HINT)
    return Feedback(request_id, row, given_at, values)


_log = logging.getLogger(__name__)
WRITE_SECONDS = 0.04
"""How long requests are gathered before they are written: a process that is killed loses those of 50 ms."""
_HELD_BYTES = 64 << 20  # chosen: what a disk that hangs may cost in memory; at 1,000 requests/s of 4 kB, 16 s
_HELD_FOR_ONE = 512  # measured: what an exchange takes beside its bodies, rounded up
_ROLL_SECONDS = 5.0
"""Chosen: how much of the log a crash of the machine may cost in drift's eyes; the spool itself is on the disk."""
_ROLL_REQUESTS = 4000  # measured: each roll costs 15 ms beside its rows, a fifth of what 1,000 requests take
_ROLL_BYTES = 64 << 20  # chosen: what one file takes in memory while it is made
_SPOOL_BYTES = 2 * _ROLL_BYTES
"""What comes faster than it can be rolled up is answered and not logged, which is counted: as much may come while a
spool is rolled up as that one holds."""
_TIDY_SECONDS = 300.0  # chosen: limits of the log are gigabytes and days


class RequestLog:
    """The spools of all endpoints, the thread that writes them and the one that has them rolled up by ``roller``.

    A log is named by its folder, for the next endpoint of a name has another: what is noted of one stays its own.
    """

    def __init__(self, loop: Loop, roller: Roller | None = None) -> None:
        self._loop = loop
        self._spools: dict[str, Spool] = {}
        self._table = RoutingTable()
        self._rules: dict[str, EndpointRoutes] = {}
        self._logs: dict[str, str] = {}
        self._noted: deque[tuple[str, Exchange | Feedback]] = deque()
        self._noted_bytes = 0  # the event loop's
        self._fed_bytes = 0  # feedback's, under a lock
        self._noting = threading.Lock()
        self._written_bytes = 0  # the writer's: a number of each, for one that several change would go wrong
        self._lost: Counter[str] = Counter()
        self._is_noted = threading.Event()
        self._writing = threading.Lock()
        self._wanted = threading.Event()
        self._rolling = threading.Lock()
        self._roller = roller or LocalRoller()
        self._tidied_at = 0.0
        self._is_failing = False

    def start(self) -> None:
        """Begin to write and to roll up."""
        self._loop.start("write-log", self._write_on)
        self._loop.start("roll", self._roll_on)

    def follow(self, table: RoutingTable) -> None:
        """Keep a spool for each endpoint of ``table``."""
        for name, endpoint in table.endpoints.items():
            spool = self._spools.get(endpoint.log)
            if spool is None:
                spool = self._spools[endpoint.log] = Spool(Path(endpoint.log))
            self._rules[endpoint.log] = endpoint
            self._logs[name] = endpoint.log
            spool.describe({route.revision: route.features for route in endpoint.routes})
        self._table = table

    def keep(self, name: str, exchange: Exchange) -> bool:
        """Note one exchange; False when it is one too many. Never waits for the disk or for a lock."""
        return self._note(name, (exchange,), _size(exchange))

    def feedback(self, name: str, body: bytes) -> int:
        """Take what turned out for requests of an endpoint: how many rows it was.

        Reads the body, so that one of megabytes is for a thread. Raises Invalid, and Unavailable when the disk does not
        keep up.
        """
        given = feedback_in(body, time.time())
        with self._noting:
            is_taken = self._note(name, given, sum(map(_size, given)))
        if not is_taken:
            raise Unavailable("The disk does not keep up with what is logged.", "Send the feedback again later.")
        return len(given)

    def _note(self, name: str, noted: Sequence[Exchange | Feedback], size: int) -> bool:
        held, log = self._noted_bytes + self._fed_bytes - self._written_bytes, self._logs[name]
        if held + size > _HELD_BYTES or self._spools[log].waiting_bytes >= _SPOOL_BYTES:
            return False
        if isinstance(noted[0], Feedback):
            self._fed_bytes += size
        else:
            self._noted_bytes += size
        self._noted.extend((log, one) for one in noted)
        if not self._is_noted.is_set():
            self._is_noted.set()
        return True

    def unlogged(self, name: str) -> int:
        """Return how many exchanges of an endpoint were noted and then not taken by the disk."""
        return self._lost[self._logs.get(name, "")]

    def write(self) -> None:
        """Write what is noted now."""
        with self._writing:
            gathered: dict[str, list[Exchange | Feedback]] = {}
            for _ in range(len(self._noted)):
                log, one = self._noted.popleft()
                gathered.setdefault(log, []).append(one)
            for log, noted in gathered.items():
                self._write_one(log, noted)
                self._written_bytes += sum(map(_size, noted))

    def roll(self) -> None:
        """Write and roll up all spools now and, now and then, tidy the log."""
        self.write()
        with self._rolling:
            is_time_to_tidy = time.monotonic() - self._tidied_at > _TIDY_SECONDS
            for log, spool in list(self._spools.items()):
                if spool.folder.is_dir():
                    self._roll_one(log, spool, is_time_to_tidy=is_time_to_tidy)
            if is_time_to_tidy:
                self._tidied_at = time.monotonic()

    def end(self) -> None:
        """Write out and roll up what is noted, for the last time."""
        self._is_noted.set()
        self._wanted.set()
        self.roll()
        with self._rolling:
            self._roller.close()

    def _write_on(self) -> None:
        while not self._loop.ending.is_set():
            self._is_noted.wait()
            self._is_noted.clear()
            self._loop.ending.wait(WRITE_SECONDS)
            self.write()

    def _roll_on(self) -> None:
        """Roll up every few seconds, sooner when much waits, until the process ends."""
        while not self._loop.ending.is_set():
            self.roll()
            self._wanted.wait(_ROLL_SECONDS)
            self._wanted.clear()

    def _write_one(self, log: str, noted: list[Exchange | Feedback]) -> None:
        """Write what was noted of an endpoint; the disk's trouble is said once, not for each request."""
        spool = self._spools[log]
        try:
            spool.append(self._redacted(log, noted))
        except OSError as error:
            if not self._is_failing:
                _log.error("Requests of %s can't be logged: %s", Path(log).parent.name, error)
            self._is_failing = True
            self._lost[log] += len(noted)
            return
        self._is_failing = False
        if spool.waiting >= _ROLL_REQUESTS or spool.waiting_bytes >= _ROLL_BYTES:
            self._wanted.set()

    def _redacted(self, log: str, noted: list[Exchange | Feedback]) -> list[Exchange | Feedback]:
        """Take out what must not be logged; between two exchanges the event loop gets its turn."""
        rules = rules_for(self._rules[log])
        if not rules:
            return noted
        features = {route.revision: [f.name for f in route.features] for route in self._rules[log].routes}
        kept: list[Exchange | Feedback] = []
        for one in noted:
            if isinstance(one, Feedback):
                kept.append(redacted_feedback(one, rules))
            else:
                kept.append(redacted(one, rules, features.get(one.revision, [])))
            time.sleep(0)
        return kept

    def _roll_one(self, log: str, spool: Spool, *, is_time_to_tidy: bool) -> None:
        try:
            waiting = tuple((str(path), stamp_ms) for path, stamp_ms in spool.rotate())
            task = RollTask(str(spool.folder), waiting, self._rules[log], self._table.limits, is_time_to_tidy)
            self._roller.roll(task)
        except (OSError, DeskError) as error:
            _log.warning("The request log in %s can't be written now: %s", spool.folder, error)


def _size(noted: Exchange | Feedback) -> int:
    if isinstance(noted, Feedback):
        return _HELD_FOR_ONE
    return len(noted.body) + len(noted.answer) + _HELD_FOR_ONE
