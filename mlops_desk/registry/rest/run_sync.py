"""Reads a server's runs in a thread: first all of them, page by page, then what has changed, as long as one asks.

MLflow announces nothing and knows no time of change, so this is what is asked: which runs are under way, which began
or ended lately, and, one page at a time, all of them in turn. What is edited at a run that is over (a tag, its name, a
restore) or purged is so seen only when its page comes round: ``ROUND_SECONDS`` for each thousand runs. However slow a
server is, these questions keep it busy for a tenth of the time at most.
"""

import logging
import queue
import re
import threading
import time
from builtins import list as list_of
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import msgspec

from mlops_desk.kit.base.errors import DeskError, Invalid, Refused
from mlops_desk.kit.base.failures import longer
from mlops_desk.registry.readers.batch import RunBatch
from mlops_desk.registry.records.model import Experiment
from mlops_desk.registry.rest import errors, models
from mlops_desk.registry.rest.errors import TooLarge
from mlops_desk.registry.rest.responses import ExperimentsAnswer, RunsAnswer, RunShape, pages
from mlops_desk.registry.rest.runs import batch, experiment, fingerprint, shaped
from mlops_desk.registry.rest.session import RestSession

# Pages of a server's runs, the newest first, deleted ones among them; and which of them are new or have changed.

_RUNS = "/api/2.0/mlflow/runs/search"
_EXPERIMENTS = "/api/2.0/mlflow/experiments/search"
_FIRST_PAGE = 100  # chosen: more than a screen has rows; a server takes a fifth of a second for them
PAGE = 1000
"""What a server takes one to three seconds for; it would let us have 50,000."""
_FEWER = 4  # chosen: five answers are thrown away at most until runs come one at a time
_IDS_AT_ONCE = 200  # chosen: a condition of 8 KB
_MOST_EXPERIMENTS = 1000
"""In one question: databases have a limit for a list of values (SQLite before 3.32: 999, less some)."""


def experiments(session: RestSession) -> list_of[Experiment]:
    """List the active experiments, by name. Raises DeskErrors."""
    body = {"max_results": PAGE, "view_type": "ACTIVE_ONLY"}
    found = pages(lambda token: session.post(_EXPERIMENTS, ExperimentsAnswer, {**body, **token}))
    listed = [experiment(one) for answer in found for one in answer.experiments]
    return sorted(listed, key=lambda one: one.name)


def search(
    session: RestSession, experiment_ids: Sequence[str], condition: str = "", *, first: int = PAGE
) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Yield runs page by page, the newest first; of the first page only so many. Raises DeskErrors."""
    for some in _parts(experiment_ids):
        yield from _pages_of(session, some, condition, first)


def newest(session: RestSession, experiment_ids: Sequence[str], condition: str) -> list_of[Mapping[str, Any]]:
    """Return the newest runs that fulfil a condition, of all that there are no more than a page. Raises DeskErrors."""
    found = [next(_pages_of(session, some, condition, PAGE), ()) for some in _parts(experiment_ids)]
    return [run for page in found for run in page]


def existing(session: RestSession, experiment_ids: Sequence[str], run_ids: Sequence[str]) -> set[str]:
    """Return those of these runs that the server still has. Raises DeskErrors."""
    found: set[str] = set()
    for start in range(0, len(run_ids), _IDS_AT_ONCE):
        listed = ", ".join(f"'{one}'" for one in run_ids[start : start + _IDS_AT_ONCE])
        runs = newest(session, experiment_ids, f"attributes.run_id IN ({listed})")
        found |= {shape.info.run_id for shape in shaped(runs)}
    return found


def _parts(experiment_ids: Sequence[str]) -> Iterator[list_of[str]]:
    for start in range(0, len(experiment_ids), _MOST_EXPERIMENTS):
        yield list(experiment_ids[start : start + _MOST_EXPERIMENTS])


def _pages_of(
    session: RestSession, experiment_ids: Sequence[str], condition: str, first: int
) -> Iterator[Sequence[Mapping[str, Any]]]:
    body = {"experiment_ids": experiment_ids, "run_view_type": "ALL", "order_by": ["attributes.start_time DESC"]}
    if condition:
        body["filter"] = condition
    most = PAGE

    def fetch(token: Mapping[str, str]) -> RunsAnswer:
        nonlocal most
        while True:
            size = most if token else min(first, most)
            try:
                return session.post(_RUNS, RunsAnswer, {**body, "max_results": size, **token})
            except TooLarge:  # runs with thousands of metrics each: a token is a place, whatever a page's size
                if size == 1:
                    raise
                most = max(1, size // _FEWER)

    yield from (answer.runs for answer in pages(fetch))


def count_runs(session: RestSession) -> Iterator[int]:
    """Yield after each page how many runs were counted: not deleted, of the active experiments. Raises DeskErrors."""
    ids = [one.experiment_id for one in experiments(session)]
    actives = (sum(shape.info.lifecycle_stage == "active" for shape in shaped(page)) for page in search(session, ids))
    return accumulate(actives)


class KnownRuns:
    """What was seen of each run last: a number for each, so that what is read again is told only where it differs."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}
        self._newest_ms = 0

    def __len__(self) -> int:
        return len(self._seen)

    @property
    def newest_ms(self) -> int:
        """When the newest run began or ended, by its own clock, which is not taken to be ahead of ours."""
        return min(self._newest_ms, round(time.time() * 1000))

    @property
    def ids(self) -> set[str]:
        return set(self._seen)

    def fresh(self, runs: Sequence[Mapping[str, Any]]) -> list_of[RunShape]:
        """Return those that are new or differ in anything, and know them from now on."""
        found = []
        for run, shape in zip(runs, shaped(runs), strict=True):
            seen = fingerprint(run)
            if self._seen.get(shape.info.run_id) != seen:
                self._seen[shape.info.run_id] = seen
                found.append(shape)
                self._newest_ms = max(self._newest_ms, shape.info.start_time or 0, shape.info.end_time or 0)
        return found

    def forget(self, run_ids: set[str]) -> None:
        for run_id in run_ids:
            self._seen.pop(run_id, None)


def first_page_size() -> int:
    """Return how many runs the first page has."""
    return _FIRST_PAGE


_log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0  # chosen: a person who watches a server elsewhere; our own is read directly, within 250 ms
ROUND_SECONDS = 10.0  # chosen: with 20,000 runs an edit of an old one is seen within 200 s
_IDLE = 10.0
"""Ten times as long as a look took, nothing is asked."""
_UNASKED_SECONDS = 10.0  # chosen: who looks at the registry asks four times a second
_RUN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What can stand in a condition as it is; MLflow's own are 32 hexadecimal digits."""
_SLACK_MS = 600_000  # chosen: clocks of machines that train differ by less than ten minutes
_AHEAD = 2  # chosen: while one page is taken in, the next is read
_RETRY_SECONDS = 5.0  # chosen: as long as a server takes to be restarted
_REFUSED_SECONDS = 120.0  # chosen: a login that is taken away stays so; another one has another process asked at once


@dataclass(frozen=True, slots=True)
class News:
    """What a look has found."""

    batches: tuple[RunBatch, ...] = ()
    gone: tuple[str, ...] = ()
    models_changed: bool = False


class Following:
    """The thread's side and the reader's of one server's runs."""

    def __init__(self, session: RestSession) -> None:
        self._session = session
        self._pages: queue.Queue[RunBatch | DeskError | None] = queue.Queue(_AHEAD)
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._trouble: DeskError | None = None
        self._retry_seconds = _RETRY_SECONDS
        self._asked = threading.Event()
        self._known = KnownRuns()
        self._models: object = None
        self._round: Iterator[Sequence[Mapping[str, Any]]] | None = None
        self._round_seen: set[str] = set()
        self._round_began: set[str] = set()
        self._next_page_at = 0.0
        self._started = False

    # -- the reader's side -------------------------------------------------------------------

    def start(self) -> None:
        """Begin to read; what is under way goes on, and what broke off begins anew."""
        if not self._started:
            self._started, self._known = True, KnownRuns()
            self._session.start("registry-runs", self._work)

    def next_page(self, seconds: float) -> RunBatch | None:
        """Return the next batch of the first reading; None after the last. Raises queue.Empty, and DeskErrors."""
        found = self._pages.get(timeout=seconds)
        if isinstance(found, DeskError):
            raise found
        return found

    def news(self) -> list_of[News]:
        """Return what was found since it was asked last. Raises what keeps the thread from looking at the moment."""
        self._asked.set()
        found = []
        while not self._news.empty():
            found.append(self._news.get())
        if not found and self._trouble is not None:
            raise self._trouble
        return found

    # -- the thread's side -------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with _told(self._session):
                self._read_all()
        except DeskError as error:
            self._started = False  # before it is told: who hears of it may begin again
            self._put(error)
            return
        self._put(None)
        pause = LOOK_SECONDS
        while not self._session.wait(pause):
            if not self._asked.wait(_UNASKED_SECONDS):
                continue
            self._asked.clear()
            pause = self._look()

    def _read_all(self) -> None:
        for runs in search(self._session, self._experiment_ids(), first=first_page_size()):
            fresh = self._known.fresh(runs)
            if fresh and not self._put(batch(fresh)):
                return

    def _put(self, item: RunBatch | DeskError | None) -> bool:
        """Hand something over, and wait for room; False where nobody will take it any more."""
        while not self._session.wait(0.0):
            try:
                self._pages.put(item, timeout=0.2)
            except queue.Full:
                continue
            return True
        return False

    def _look(self) -> float:
        """Look once; return how long not to look again."""
        began = time.monotonic()
        try:
            with _told(self._session):
                self._tell(self._recent())
                self._tell(self._turn())
                self._tell(News(models_changed=self._models_changed()))
        except DeskError as error:
            self._trouble = error
            self._retry_seconds = (
                longer(self._retry_seconds, _REFUSED_SECONDS) if isinstance(error, Refused) else _RETRY_SECONDS
            )
            return self._retry_seconds
        self._trouble, self._retry_seconds = None, _RETRY_SECONDS
        return max(LOOK_SECONDS, _IDLE * (time.monotonic() - began))

    def _tell(self, news: News) -> None:
        if news != News():
            self._news.put(news)

    def _experiment_ids(self) -> list_of[str]:
        return [one.experiment_id for one in experiments(self._session)]

    def _recent(self) -> News:
        """Look at what is under way, and at what began or ended since a little before the newest that is known."""
        ids, since = self._experiment_ids(), max(0, self._known.newest_ms - _SLACK_MS)
        conditions = (
            f"attributes.start_time >= {since}",
            f"attributes.end_time >= {since}",
            "attributes.status = 'RUNNING'",
        )
        found = [run for condition in conditions for run in newest(self._session, ids, condition)]
        fresh = self._known.fresh(list({str(run["info"]["run_id"]): run for run in found}.values()))
        return News((batch(fresh),) if fresh else ())

    def _models_changed(self) -> bool:
        """Compare with the last look; the first one has nothing to compare with, and says so."""
        try:
            now = models.models(self._session)
        except DeskError as error:  # whoever asks for them is told; runs go on being followed
            _log.info("Models can't be followed: %s", error.message)
            return False
        changed, self._models = now != self._models, now
        return changed

    def _turn(self) -> News:
        """Read the next page of all runs; after the last, what was on none of them is gone."""
        if time.monotonic() < self._next_page_at:
            return News()
        self._next_page_at = time.monotonic() + ROUND_SECONDS
        if self._round is None:
            self._round = search(self._session, self._experiment_ids())
            self._round_began, self._round_seen = self._known.ids, set()
        try:
            runs = next(self._round)
        except StopIteration:
            self._round = None
            gone = self._gone(self._round_began - self._round_seen)
            self._known.forget(gone)
            return News(gone=tuple(sorted(gone)))
        except DeskError:
            self._round = None
            raise
        self._round_seen |= {str(run["info"]["run_id"]) for run in runs}
        fresh = self._known.fresh(runs)
        return News((batch(fresh),) if fresh else ())

    def _gone(self, missed: set[str]) -> set[str]:
        """Return those that are not there: what is purged meanwhile slides others onto a page that was read already."""
        asked = sorted(one for one in missed if _RUN_ID.fullmatch(one))
        try:
            return missed - existing(self._session, self._experiment_ids(), asked)
        except Invalid:  # a server that is too old for such a question
            return missed


@contextmanager
def _told(session: RestSession) -> Iterator[None]:
    """Turn what no run looks like into an error of the server."""
    try:
        yield
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise errors.garbage(session.shown, f"a run of it can't be read: {error}") from error
