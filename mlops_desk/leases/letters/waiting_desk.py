"""The machine's line of those who wait for GPUs: read by everybody, joined and left by each agent for its own users."""

import logging
import os
import secrets
import threading
import time
from collections.abc import Callable

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.leases.folders import LeaseFolders
from mlops_desk.leases.host import ThisHost
from mlops_desk.leases.letters.papers import Papers
from mlops_desk.leases.letters.waiters import NAME_LIMIT, WaiterPaper, in_line, makes_sense
from mlops_desk.records.jobs.need import Need
from mlops_desk.records.jobs.waiter import Waiter

_log = logging.getLogger(__name__)
SUFFIX = ".waiter"
_KEPT_SECONDS = 1.0  # chosen: the queue asks at every decision, and looks once a second
_ID_BYTES = 6  # chosen: a user has one place, and two processes of theirs may draw the same number


class WaitingDesk:
    """Implements ``jobs.ports.MachineLine``. Safe to use from several threads."""

    def __init__(
        self,
        folders: LeaseFolders,
        host: ThisHost | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._papers = Papers(folders, SUFFIX, WaiterPaper)
        self._host = host or ThisHost()
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[Waiter, ...] = ()
        self._due = 0.0

    def waiters(self) -> tuple[Waiter, ...]:
        """Return who waits, the longest first; not older than a second."""
        with self._lock:
            if time.monotonic() >= self._due:
                host = self._host
                papers = self._papers.read()
                self._known = in_line(papers, host.boot_id, host.lives, self._clock(), host.this_process())
                self._due = time.monotonic() + _KEPT_SECONDS
            return self._known

    def join(self, uid: int, job_id: str, name: str, need: Need, seconds: float | None) -> None:
        """Have a job of ours stand in the line for its user. Raises Unavailable."""
        uid = uid if os.geteuid() == 0 else os.geteuid()  # papers speak for their owner
        host = self._host
        label = plain(name, NAME_LIMIT)[:NAME_LIMIT]
        paper = WaiterPaper(uid, job_id, label, need, host.this_process(), host.boot_id, seconds)
        mine = (one.content for one in self._papers.own())
        if any((one.uid, one.owner) == (uid, paper.owner) for one in mine):
            return  # it stands there, hidden behind a place that another agent of the same user has
        if not makes_sense(paper):  # it names more than a paper holds: it waits as before there was a line
            return
        self._tidy()
        self._papers.write(secrets.token_hex(_ID_BYTES), paper)
        self._forget()

    def leave(self, place: str) -> None:
        """Give up a place of ours in the line. Raises Unavailable."""
        self._papers.remove(place)
        self._forget()

    def _tidy(self) -> None:
        """Remove what processes of ours have left that are gone."""
        for paper in self._papers.own():
            if paper.content.boot_id != self._host.boot_id or self._host.lives(paper.content.owner) is False:
                try:
                    self._papers.remove(paper.id)
                except DeskError as error:
                    _log.info("The place %s in the line stays for now: %s", paper.id, error.message)

    def _forget(self) -> None:
        with self._lock:
            self._due = 0.0
