"""The order that all others end in: the newest run first, a run without a start last, ties by id."""

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.table.columns import Rows

_FEW = 256  # chosen: so many are put in their places one by one, more are sorted with all others


class NaturalOrder:
    """Kept while rows are added: a few new ones are put in their places."""

    def __init__(self) -> None:
        self._rows: Rows = np.empty(0, np.int32)

    def rows(self, starts: NDArray[np.int64], run_ids: Sequence[str]) -> Rows:
        """Return all rows in this order."""
        n_new = len(run_ids) - len(self._rows)
        if n_new > _FEW:
            self._rows = _sorted(starts, run_ids)
        elif n_new:
            self._insert(starts, run_ids)
        return self._rows

    def _insert(self, starts: NDArray[np.int64], run_ids: Sequence[str]) -> None:
        def key(row: int) -> tuple[int, str]:
            return (~int(starts[row]), run_ids[row])

        added = sorted(range(len(self._rows), len(run_ids)), key=key)
        places = [bisect_left(self._rows, key(row), key=key) for row in added]
        self._rows = np.insert(self._rows, places, np.asarray(added, np.int32))


def _sorted(starts: NDArray[np.int64], run_ids: Sequence[str]) -> Rows:
    keys = ~starts  # turns the order round, and overflows for no number
    rows = np.argsort(keys, kind="stable").astype(np.int32)
    ordered = keys[rows]
    ties = np.flatnonzero(ordered[1:] == ordered[:-1])
    at = 0
    while at < len(ties):
        first = last = int(ties[at])
        while at < len(ties) and int(ties[at]) == last:
            last, at = last + 1, at + 1
        rows[first : last + 1] = sorted(rows[first : last + 1].tolist(), key=run_ids.__getitem__)
    return rows
