"""What each run was when it was last read: some bytes of it, so that a change is seen without keeping it all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.store.columns import RunColumns

SWEEP_SECONDS = 0.012  # of each look: of four looks a second a twentieth of a core
RUNNING = frozenset({"RUNNING", "SCHEDULED"})
STATUS, STAGE = 4, 7  # places in a row: see columns.RunColumns
_NO_ROWID = (1 << 63) - 1  # the largest that SQLite has
_WITHOUT_PARAMS = slice(1, 11)


def fingerprint(row: RunColumns) -> int:
    """Return a number that differs where anything of a run's row or tags does; parameters never change."""
    return hash(row[_WITHOUT_PARAMS])


@dataclass(frozen=True, slots=True)
class RunDifference:
    """Runs that are new or not what they were, and runs that are no more."""

    changed: tuple[str, ...]
    gone: tuple[str, ...]


class KnownRuns:
    """All runs that were read, by their rowid: 48 bytes of each. ``active``: the ids of those that still run."""

    def __init__(self) -> None:
        self._rowids: NDArray[np.int64] = np.empty(0, np.int64)
        self._prints: NDArray[np.int64] = np.empty(0, np.int64)
        self._ids: NDArray[np.bytes_] = np.empty(0, "S32")
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bytes_]]] = []
        self.active: dict[str, None] = {}

    def __len__(self) -> int:
        self._settle()
        return len(self._rowids)

    @property
    def last_rowid(self) -> int:
        self._settle()
        return int(self._rowids[-1]) if len(self._rowids) else 0

    def part(self, end: int, size: int) -> tuple[int, int]:
        """Return the rowids from which, and below which, the ``size`` runs before place ``end`` lie.

        Behind the last one everything belongs to it: rowids of runs that are gone are given out again.
        """
        self._settle()
        upper = int(self._rowids[end]) if end < len(self._rowids) else _NO_ROWID
        return int(self._rowids[max(0, end - size)]), upper

    def learn(self, rows: Sequence[RunColumns]) -> None:
        """Remember runs as they are now."""
        if not rows:
            return
        for row in rows:
            if row[STATUS] in RUNNING and row[STAGE] != "deleted":
                self.active[row[1]] = None
            else:
                self.active.pop(row[1], None)
        self._waiting.append((*_columns(rows), np.array([row[1].encode() for row in rows], np.bytes_)))

    def compare(self, rows: Sequence[RunColumns], lower: int, upper: int) -> RunDifference:
        """Compare with all that is there now between two rowids, by rowid, and forget what is gone."""
        self._settle()
        begin, end = np.searchsorted(self._rowids, (lower, upper))
        here, prints = self._rowids[begin:end], self._prints[begin:end]
        rowids, now = _columns(rows)
        if np.array_equal(here, rowids) and np.array_equal(prints, now):
            return RunDifference((), ())
        before = dict(zip(here.tolist(), prints.tolist(), strict=True))
        there = {row[1].encode() for row in rows}
        gone = [run_id for run_id in self._ids[begin:end].tolist() if run_id not in there]
        self._forget(gone)
        changed = tuple(row[1] for row, mark in zip(rows, now.tolist(), strict=True) if before.get(row[0]) != mark)
        return RunDifference(changed, tuple(run_id.decode() for run_id in gone))

    def differing(self, rows: Sequence[RunColumns]) -> list[str]:
        """Return the ids of those of these runs that are not what they were."""
        self._settle()
        rowids, now = _columns(rows)
        places = np.searchsorted(self._rowids, rowids)
        found = np.append(self._rowids, -1)[places] == rowids
        same = found & (np.append(self._prints, 0)[places] == now)
        return [row[1] for row, is_same in zip(rows, same.tolist(), strict=True) if not is_same]

    def holds(self, run_ids: Sequence[str]) -> list[bool]:
        self._settle()
        held: list[bool] = np.isin(np.array([one.encode() for one in run_ids], np.bytes_), self._ids).tolist()
        return held

    def _settle(self) -> None:
        """Put what was learnt in its place; the last word about a run counts."""
        if not self._waiting:
            return
        rowids, prints, ids = zip((self._rowids, self._prints, self._ids), *self._waiting, strict=True)
        self._waiting = []
        numbers = np.concatenate(rowids)
        order = np.argsort(numbers, kind="stable")
        numbers = numbers[order]
        last = order[np.append(numbers[1:] != numbers[:-1], True)]
        self._rowids = np.concatenate(rowids)[last]
        self._prints, self._ids = np.concatenate(prints)[last], np.concatenate(ids)[last]

    def _forget(self, run_ids: Sequence[bytes]) -> None:
        if run_ids:
            keep = ~np.isin(self._ids, np.array(run_ids, np.bytes_))
            self._rowids, self._prints, self._ids = self._rowids[keep], self._prints[keep], self._ids[keep]
            for run_id in run_ids:
                self.active.pop(run_id.decode(), None)


def _columns(rows: Sequence[RunColumns]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return np.array([row[0] for row in rows], np.int64), np.array([fingerprint(row) for row in rows], np.int64)
