"""The machine's line of those who wait for GPUs: read by everybody, joined and left by each agent for its own users."""

import logging
import math
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from mlops_desk.gpus.leases.folders import LeaseFolders
from mlops_desk.gpus.leases.host import Process, ThisHost
from mlops_desk.gpus.leases.shared_mailbox.mailbox_files import Paper, Papers
from mlops_desk.gpus.records.gpu_request import Need
from mlops_desk.jobs.records.waiter import Waiter
from mlops_desk.kit.base.caller import user_name
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain

# Which papers of waiting jobs count, so that the agents of all users keep GPUs for the same ones. Pure.
# Small jobs of one agent would starve a large one of another: each agent keeps GPUs for the first of its own queue
# only. So that one leaves word, and every agent honours it by the same rules. The line is ordered by when a paper was
# written, which the kernel says, so nobody can write one into the past; a paper that is written anew stands last. A
# user stands in it once, however many agents and papers they have, and as long as the agent that wrote it lives.
NAME_LIMIT = 100  # chosen: part of one line
_UUIDS_LIMIT = 64  # chosen: as many GPUs as a booking is of
_ROOT = 0  # the uid of the superuser, on every Linux
_UNSURE_SECONDS = 600.0
"""Chosen: an agent in a container of its own can't be looked for; its word counts as long as doubts about leases."""


@dataclass(frozen=True, slots=True)
class WaiterPaper:
    """What a file says: whose job waits, for what, and which process looks after it, in which life of the machine.

    ``seconds`` is how long the job runs at the longest; None: nobody said.
    """

    uid: int
    job_id: str
    name: str
    need: Need
    owner: Process
    boot_id: str
    seconds: float | None = None


def in_line(
    papers: Iterable[Paper[WaiterPaper]],
    boot_id: str,
    lives: Callable[[Process], bool | None],
    now: float,
    ours: Process | None = None,
) -> tuple[Waiter, ...]:
    """Return who waits, the longest first; ``now`` is Unix seconds, ``ours`` the process whose jobs are known by id."""
    found: list[Waiter] = []
    for paper in papers:
        said, since = paper.content, paper.changed_ns / 1e9
        if paper.uid not in {said.uid, _ROOT} or said.boot_id != boot_id or not makes_sense(said):
            continue
        alive = lives(said.owner)
        if alive is False or (alive is None and now - since > _UNSURE_SECONDS):
            continue
        job_id = said.job_id if said.owner == ours else None
        user, name = plain(user_name(said.uid)), plain(said.name, NAME_LIMIT)
        found.append(Waiter(paper.id, said.uid, user, since, name, _plain_need(said.need), said.seconds, job_id))
    first: dict[int, Waiter] = {}
    for one in sorted(found, key=lambda waiter: waiter.age_key):
        first.setdefault(one.uid, one)
    return tuple(first.values())


def makes_sense(said: WaiterPaper) -> bool:
    """Tell whether a paper is one that an agent would write."""
    need = said.need
    sizes = (need.memory_bytes, need.share_bytes, said.seconds)
    return (
        1 <= need.gpus <= _UUIDS_LIMIT
        and len(need.uuids) <= _UUIDS_LIMIT
        and all(size is None or 0 < size < math.inf for size in sizes)
        and len(said.name) <= NAME_LIMIT
        and len(need.model or "") <= NAME_LIMIT
    )


def _plain_need(need: Need) -> Need:
    return replace(need, uuids=tuple(plain(uuid, NAME_LIMIT) for uuid in need.uuids))


_log = logging.getLogger(__name__)
SUFFIX = ".waiter"
_KEPT_SECONDS = 1.0  # chosen: the queue asks at every decision, and looks once a second
_ID_BYTES = 6  # chosen: a user has one place, and two processes of theirs may draw the same number


class WaitingDesk:
    """Implements ``jobs.ports.MachineLine``. Safe to use from several threads."""

    def __init__(
        self, folders: LeaseFolders, host: ThisHost | None = None, clock: Callable[[], float] = time.time
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
