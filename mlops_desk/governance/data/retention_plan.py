"""Which files of the desk a retention takes. Pure: it is handed what there is, and gives back what would go or stays.

A file is older than it is to be kept when the newest row that it may have is. Nothing else is ever taken: what is no
file of the desk's own stands in no list that comes here, and a path that leaves the data folder is refused once more.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from mlops_desk.governance.records.data.retention import (
    DAY_SECONDS,
    RetentionHold,
    RetentionItem,
    RetentionPlan,
    touches,
)

LATE_SECONDS = 600.0  # as the gateway has it: an hour that ended so long ago gets no more requests
MOST_FILES = 10_000  # chosen: a year of hours; what is left is shown by the next preview


@dataclass(frozen=True, slots=True)
class DataHold:
    """Why rows of a set are to stay: all of them, those between two Unix times, or those of one file."""

    dataset: str
    why: str
    begins: float | None = None
    ends: float | None = None
    path: str | None = None

    def holds(self, item: RetentionItem) -> bool:
        """Tell whether a file has rows that are to stay."""
        if self.dataset != item.dataset or self.path not in {None, item.path}:
            return False
        return touches(self.begins, self.ends, item.begins, item.ends)


@dataclass(frozen=True, slots=True)
class RetentionAsked:
    """``days`` for all sets, or None: as ``kept`` says of each. ``name``: of one set alone."""

    days: float | None = None
    name: str | None = None


def planned(
    asked: RetentionAsked,
    files: Iterable[RetentionItem],
    kept: Mapping[str, float | None],
    holds: Sequence[DataHold],
    now: float,
) -> RetentionPlan:
    """Return what is older than it is to be kept, oldest first, and what is held."""
    old: list[RetentionItem] = []
    held: dict[tuple[str, str], tuple[int, int]] = {}
    unset: set[str] = set()
    for item in files:
        if asked.name not in {None, item.dataset}:
            continue
        days = asked.days if asked.days is not None else kept.get(item.dataset)
        if days is None:
            unset.add(item.dataset)
        elif is_inside(item.path) and item.ends <= now - max(days * DAY_SECONDS, LATE_SECONDS):
            why = next((one.why for one in holds if one.holds(item)), None)
            if why is None:
                old.append(item)
            else:
                count, size = held.get((item.dataset, why), (0, 0))
                held[item.dataset, why] = count + 1, size + item.size_bytes
    going = tuple(sorted(old, key=lambda one: (one.ends, one.path))[:MOST_FILES])
    told = tuple(RetentionHold(name, why, count, size) for (name, why), (count, size) in sorted(held.items()))
    size = sum(one.size_bytes for one in going)
    return RetentionPlan(token_of(asked, going), asked.days, going, told, len(going), size, tuple(sorted(unset)))


def token_of(asked: RetentionAsked, items: Iterable[RetentionItem]) -> str:
    """Return what names exactly these files, as they are now."""
    told = [[one.dataset, one.path, one.size_bytes, one.inode, one.changed_ns] for one in items]
    return hashlib.sha256(json.dumps([asked.days, asked.name, told]).encode()).hexdigest()[:32]


def is_inside(path: str) -> bool:
    """Tell whether a path below the data folder stays there, by its words."""
    pure = PurePosixPath(path)
    return bool(pure.parts) and not pure.is_absolute() and ".." not in pure.parts and "\0" not in path
