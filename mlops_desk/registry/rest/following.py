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
from typing import Any

import msgspec

from mlops_desk.base.errors import DeskError, Invalid, Refused
from mlops_desk.base.failures.pauses import longer
from mlops_desk.registry.reading.batch import RunBatch
from mlops_desk.registry.rest import listing, models, trouble
from mlops_desk.registry.rest.runs import batch
from mlops_desk.registry.rest.session import RestSession

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
        self._known = listing.KnownRuns()
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
            self._started, self._known = True, listing.KnownRuns()
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
        for runs in listing.search(self._session, self._experiment_ids(), first=listing.first_page_size()):
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
        return [one.experiment_id for one in listing.experiments(self._session)]

    def _recent(self) -> News:
        """Look at what is under way, and at what began or ended since a little before the newest that is known."""
        ids, since = self._experiment_ids(), max(0, self._known.newest_ms - _SLACK_MS)
        conditions = (
            f"attributes.start_time >= {since}",
            f"attributes.end_time >= {since}",
            "attributes.status = 'RUNNING'",
        )
        found = [run for condition in conditions for run in listing.newest(self._session, ids, condition)]
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
            self._round = listing.search(self._session, self._experiment_ids())
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
            return missed - listing.existing(self._session, self._experiment_ids(), asked)
        except Invalid:  # a server that is too old for such a question
            return missed


@contextmanager
def _told(session: RestSession) -> Iterator[None]:
    """Turn what no run looks like into an error of the server."""
    try:
        yield
    except (msgspec.ValidationError, KeyError, TypeError) as error:
        raise trouble.garbage(session.shown, f"a run of it can't be read: {error}") from error
