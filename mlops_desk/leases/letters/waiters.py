"""Which papers of waiting jobs count, so that the agents of all users keep GPUs for the same ones. Pure.

Small jobs of one agent would starve a large one of another: each agent keeps GPUs for the first of its own queue only.
So that one leaves word, and every agent honours it by the same rules. The line is ordered by when a paper was written,
which the kernel says, so nobody can write one into the past; a paper that is written anew stands last. A user stands in
it once, however many agents and papers they have, and as long as the agent that wrote it lives.
"""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from mlops_desk.base.caller import user_name
from mlops_desk.base.text import plain
from mlops_desk.leases.host import Process
from mlops_desk.leases.letters.papers import Paper
from mlops_desk.records.jobs.need import Need
from mlops_desk.records.jobs.waiter import Waiter

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
