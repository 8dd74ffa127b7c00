"""Notes that users leave for whoever runs a process on a GPU. Pure.

Agents of different users share nothing but the lease folders, so a note lies in its writer's folder there, where all
users of the machine can read it, and the agent of whom it is for shows it. Who wrote it is who owns the file.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from mlops_desk.base.text import plain
from mlops_desk.leases.letters.papers import Paper

TEXT_LIMIT = 200  # chosen: a sentence or two; nobody is to be talked to at length by a stranger
KEPT_SECONDS = 7 * 86_400.0  # chosen: longer than a weekend away
FROM_ONE = 5  # chosen: more notes of one user to another are pestering


@dataclass(frozen=True, slots=True)
class NotePaper:
    """What a note's file says. ``written_at`` is Unix seconds; ``start_ticks`` tells the process from a later one."""

    to_uid: int
    pid: int
    gpu_index: int
    text: str
    written_at: float
    start_ticks: int | None = None


def for_user(papers: Iterable[Paper[NotePaper]], uid: int, now: float) -> list[Paper[NotePaper]]:
    """Return the notes to a user that are not old, a few of each writer, the oldest first."""
    found: list[Paper[NotePaper]] = []
    for paper in papers:
        written_at = paper.changed_ns / 1e9  # as the kernel says: a writer could say that it will never be old
        fresh = now - written_at < KEPT_SECONDS
        if paper.content.to_uid == uid != paper.uid and fresh and _count(found, paper.uid) < FROM_ONE:
            found.append(paper)
    return found


def said(paper: Paper[NotePaper]) -> str:
    """Return what a note says, fit to be shown."""
    return plain(paper.content.text, TEXT_LIMIT)


def _count(papers: Iterable[Paper[NotePaper]], uid: int) -> int:
    return sum(paper.uid == uid for paper in papers)
