"""What jobs put into the store itself: what is there, how much it may be, and who was refused more.

How much of the store is a run's and its children's, in bytes: counted by short reads, which no writer waits for.

How much a job may log into the store itself, and how fast: metrics, parameters, tags, data sets, runs and names.

A body is bounded (request_bodies.py), the number of bodies is not: a loop without a pause would fill the disk with
points of metrics, and whoever else logs would wait behind it. So each request is counted before MLflow has it. One that
is too fast waits for a moment, as no training should end for that; one that is too much for good is refused, and the
agent tells people of it (``LogRefusals``). The owner is not held up.

Which jobs were refused for what they log: written by the tracking server, told to people by the agent.

The server has no way to the agent but the files of its own folder: one for each run, named after it. They are few, as
only a run that a ticket names gets one.
"""

import asyncio
import json
import logging
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from urllib.parse import quote

from mlops_desk.kit.base.disk.files import write_atomically
from mlops_desk.kit.base.text import plain, size_text
from mlops_desk.registry.server.request import RegistryRequest
from mlops_desk.registry.server.request_bodies import CallRejected
from mlops_desk.registry.server.tickets import Grant

_log = logging.getLogger(__name__)

ROW_BYTES = 300
"""Measured: 5.0 million points of metrics, each in its table and three indexes, took 1.5 GB."""
MADE_BYTES = 64 << 10
"""Chosen: what a run, logged model or version counts beside its rows, as each is a line of lists and lies in the memory
of whoever looks at them: 65,000 of them are the default limit."""
_BUSY_SECONDS = 5.0  # chosen: longer than an ordinary transaction of MLflow on this file
_AT_ONCE_ROWS = 50_000  # some 10 ms of an index in memory: who writes waits no longer
_OWN = (
    "WITH RECURSIVE own(id) AS (SELECT ? UNION SELECT tags.run_uuid FROM tags JOIN own ON tags.value = own.id"
    " WHERE tags.key = 'mlflow.parentRunId')"
)
_MODELS = "SELECT model_id FROM logged_models WHERE source_run_id IN (SELECT id FROM own)"
_TEXTS = (
    ("params", "length(key) + length(value)", "run_uuid IN (SELECT id FROM own)"),
    ("tags", "length(key) + length(value)", "run_uuid IN (SELECT id FROM own)"),
    ("logged_model_params", "length(param_key) + length(param_value)", f"model_id IN ({_MODELS})"),
    ("logged_model_tags", "length(tag_key) + length(tag_value)", f"model_id IN ({_MODELS})"),
    (
        "datasets", "length(dataset_schema) + length(dataset_profile)",
        "dataset_uuid IN (SELECT source_id FROM inputs WHERE destination_id IN (SELECT id FROM own))",
    ),
    ("logged_models", str(MADE_BYTES), "source_run_id IN (SELECT id FROM own)"),
    ("model_versions", str(MADE_BYTES), "run_id IN (SELECT id FROM own)"),
)  # fmt: skip
"""Table, what a row takes beside ``ROW_BYTES``, and which rows are a job's."""


class StoredAmounts:
    """Counts in the SQLite file ``store``, in MLflow's own tables."""

    def __init__(self, store: Path) -> None:
        self._uri = f"file:{quote(str(store))}?mode=ro"

    def bytes_of(self, run_id: str) -> int:
        """Return what a run and those below it take of the store. Raises sqlite3.Error."""
        with closing(sqlite3.connect(self._uri, uri=True, timeout=_BUSY_SECONDS, isolation_level=None)) as store:
            own = [found for (found,) in store.execute(_OWN + " SELECT id FROM own", (run_id,)).fetchall()]  # noqa: S608 - a constant
            points = sum(sum(_points(store, one)) for one in own)
            texts = sum(_texts(store, run_id, *about) for about in _TEXTS)
        return points * ROW_BYTES + texts + (len(own) - 1) * MADE_BYTES


def _points(store: sqlite3.Connection, run_id: str) -> Iterator[int]:
    """Yield how many points of metrics a run has, piece by piece."""
    query = (
        "SELECT count(*), max(rowid) FROM (SELECT rowid FROM metrics INDEXED BY index_metrics_run_uuid"
        " WHERE run_uuid = ? AND rowid > ? ORDER BY rowid LIMIT ?)"
    )
    count, last = _AT_ONCE_ROWS, -1
    while count == _AT_ONCE_ROWS:
        count, last = store.execute(query, (run_id, last, _AT_ONCE_ROWS)).fetchone()
        yield count


def _texts(store: sqlite3.Connection, run_id: str, table: str, each: str, which: str) -> int:
    query = f"{_OWN} SELECT coalesce(sum({ROW_BYTES} + coalesce({each}, 0)), 0) FROM {table} WHERE {which}"  # noqa: S608 - from the table above
    found: int = store.execute(query, (run_id,)).fetchone()[0]
    return found


BURST_BYTES = 64 << 20
"""Chosen: some 170,000 points of metrics at once, as a training that logs its history when it is over."""
RATE_BYTES = 1 << 20
"""A second: some 2,800 points, several times what a training writes that logs 100 metrics ten times a second."""
LONGEST_SECONDS = 20.0
"""Chosen: MLflow's client gives up after 120 s, and tries again seven times what is told to come later."""
_MOST_ROWS = 10_000  # MLflow itself refuses a batch of more than 1,000
_NAME_BYTES = 4 << 20
"""Chosen: experiments and registered models are lines in everybody's lists: a thousand of them are the default limit.
The store does not tell who has made them, so they count for as long as the server lives."""
_EXTRA: Mapping[str, int] = MappingProxyType(
    {
        "runs/create": MADE_BYTES, "logged-models": MADE_BYTES, "model-versions/create": MADE_BYTES,
        "experiments/create": _NAME_BYTES, "registered-models/create": _NAME_BYTES,
    }
)  # fmt: skip
_WAYS_OUT = (
    "Log less often, or large things as artifacts; or allow jobs that start from now on more: "
    "mlops-desk settings set jobs.logged_mebibytes N"
)
_RECOUNT_SECONDS = 10.0  # chosen: what comes is counted as it comes; a recount finds what was deleted or overwritten
_REST = 20.0
"""A count rests for so many times as long as it took, so that counting takes 5 % of a core at most."""


@dataclass(slots=True)
class _Account:
    """What a job has: ``stored`` in its run and those below, ``named`` beside them; ``backlog`` is what came lately."""

    stored: int = 0
    named: int = 0
    backlog: float = 0.0
    seen_at: float = 0.0
    recount_at: float = float("-inf")
    counting: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fits(self, amount: int, most: int) -> bool:
        return self.stored + self.named + amount <= most


class LoggedAmounts:
    """Counts what jobs log. ``tell`` hears of a job that was refused: of what grant, and why. For one event loop."""

    def __init__(
        self, stored: StoredAmounts, tell: Callable[[Grant, str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stored = stored
        self._tell = tell
        self._clock = clock
        self._accounts: dict[str, _Account] = {}

    async def admit(self, grant: Grant, request: RegistryRequest, size_bytes: int) -> None:
        """Count a job's request, and wait where it comes too fast. Raises CallRejected, sqlite3.Error."""
        account = self._accounts.setdefault(grant.run_id, _Account())
        amount = amount_of(request, size_bytes)
        if account.recount_at == float("-inf") or not account.fits(amount, grant.logged_bytes):
            await self._count(account, grant.run_id)
        if not account.fits(amount, grant.logged_bytes):
            text = _too_much(grant)
            await asyncio.to_thread(self._tell, grant, text)
            raise CallRejected(507, f"{text} {_WAYS_OUT}")
        wait = self._owed_seconds(account, amount)
        if _EXTRA.get(request.call) == _NAME_BYTES:
            account.named += amount
        else:
            account.stored += amount
        await asyncio.sleep(wait)

    def _owed_seconds(self, account: _Account, amount: int) -> float:
        """Return how long a request waits for its turn. Raises CallRejected where that is too long."""
        now = self._clock()
        account.backlog = max(0.0, account.backlog - (now - account.seen_at) * RATE_BYTES)
        account.seen_at = now
        wait = max(0.0, (account.backlog + amount - BURST_BYTES) / RATE_BYTES)
        if wait > LONGEST_SECONDS:
            text = (
                f"This job logs more than {size_text(RATE_BYTES)} a second for minutes. Try again, log less often, or "
                "log more at a time (mlflow.log_metrics); large things belong into artifacts."
            )
            raise CallRejected(429, text)
        account.backlog += amount
        return wait

    async def _count(self, account: _Account, run_id: str) -> None:
        async with account.counting:
            began = time.monotonic()
            if began < account.recount_at:
                return
            account.stored = await asyncio.to_thread(self._stored.bytes_of, run_id)
            ended = time.monotonic()
            account.recount_at = ended + max(_RECOUNT_SECONDS, _REST * (ended - began))


def amount_of(request: RegistryRequest, size_bytes: int) -> int:
    """Return what a request will take of the store, at most. Pure."""
    rows = sum(len(value) for value in request.fields.values() if isinstance(value, list))
    return size_bytes + ROW_BYTES * min(max(1, rows), _MOST_ROWS) + _EXTRA.get(request.call, 0)


def _too_much(grant: Grant) -> str:
    return (
        f"What this job's run and its children have logged would take more than the {size_text(grant.logged_bytes)} of "
        "the registry that are allowed."
    )


_RUN = re.compile(r"[0-9a-f]{32}")
_TEXT = 600  # chosen: more than any sentence of the server's own


@dataclass(frozen=True, slots=True)
class LogRefusal:
    """A run that was refused more, of which job's attempt, and what that was told."""

    run_id: str
    attempt_id: str
    text: str


class LogRefusals:
    """The files in ``folder``: written by one process, taken by another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._told: set[str] = set()

    def note(self, grant: Grant, text: str) -> None:
        """Write down that a job was refused, once for each run while this process lives."""
        if grant.run_id in self._told or not _RUN.fullmatch(grant.run_id):
            return
        self._told.add(grant.run_id)
        document = {"attempt": grant.attempt_id, "text": text}
        try:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            write_atomically(self._folder / grant.run_id, json.dumps(document).encode())
        except OSError as error:  # the job has been told all the same
            _log.warning("That run %s was refused more can't be noted: %s", grant.run_id, error)

    def take(self) -> list[LogRefusal]:
        """Return what was noted since, each once. What can't be read is thrown away, and logged."""
        try:
            paths = sorted(path for path in self._folder.iterdir() if _RUN.fullmatch(path.name))
        except FileNotFoundError:
            return []  # nobody was ever refused
        except OSError as error:
            _log.warning("Which jobs were refused can't be read: %s", error)
            return []
        new = [path for path in paths if path.name not in self._told]
        self._told |= {path.name for path in new}  # where it can't be removed, it is told once all the same
        return [found for path in new if (found := _taken(path)) is not None]


def _taken(path: Path) -> LogRefusal | None:
    try:
        document = json.loads(path.read_bytes())
        return LogRefusal(path.name, str(document["attempt"]), plain(str(document["text"]), _TEXT))
    except (OSError, ValueError, TypeError, KeyError) as error:
        _log.warning("What run %s was refused for can't be read: %s", path.name, error)
        return None
    finally:
        _remove(path)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        _log.warning("%s can't be removed: %s", path, error)
