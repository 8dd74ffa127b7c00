"""All runs of a source. A run that has changed gets a new row, and its old one is dead: no column is ever patched.

Rows are numbered as they come. Once a quarter of them are dead they are cleared away, and all numbers change.
"""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mlops_desk.registry.mirror.table.columns import Mask, NumberColumn, Rows, TextColumn
from mlops_desk.registry.mirror.table.grown import Grown
from mlops_desk.registry.mirror.table.natural import NaturalOrder
from mlops_desk.registry.reading.batch import NO_TIME, RunBatch, TextCells
from mlops_desk.registry.reading.reader import TextOrder

_FEWEST_DEAD = 2000  # chosen: less is not worth a pause
_DEAD_SHARE = 0.25  # chosen: memory stays below a third more than what is needed
HEAD_BYTES = 8
"""So much of each run's id is kept beside it as bytes, to look for beginnings."""
TEXTS = ("run_name", "status", "user_id", "experiment_id", "artifact_uri")


class RunTable:
    """Appended by batches. ``revision`` grows with each change, ``generation`` when rows were numbered anew."""

    def __init__(self, revision: int = 0, text_order: TextOrder | None = None) -> None:
        self.revision = revision
        self.text_order = text_order
        self.generation = 0
        self.run_ids: list[str] = []
        self.attributes = {name: TextColumn() for name in TEXTS}
        self.metrics: dict[str, NumberColumn] = {}
        self.params: dict[str, TextColumn] = {}
        self.tags: dict[str, TextColumn] = {}
        self._heads: Grown[np.bytes_] = Grown(np.dtype(f"S{HEAD_BYTES}"))  # type: ignore[arg-type]  # a type of a length
        self._starts: Grown[np.int64] = Grown(np.int64)
        self._ends: Grown[np.int64] = Grown(np.int64)
        self._alive: Grown[np.bool_] = Grown(np.bool_)
        self._deleted: Grown[np.bool_] = Grown(np.bool_)
        self._row_of: dict[str, int] = {}
        self._natural = NaturalOrder()

    def __len__(self) -> int:
        return len(self.run_ids)

    @property
    def starts(self) -> NDArray[np.int64]:
        return self._starts.view

    @property
    def ends(self) -> NDArray[np.int64]:
        return self._ends.view

    def durations(self) -> NDArray[np.float64]:
        """Return how long each run took, in seconds; NaN where it has not begun or not ended."""
        known = (self.starts != NO_TIME) & (self.ends != NO_TIME)
        return np.where(known, (self.ends - self.starts) / 1000, np.nan)

    @property
    def heads(self) -> NDArray[np.bytes_]:
        return self._heads.view

    @property
    def active(self) -> Mask:
        """Tell of each row whether it is a run that is there, and not deleted."""
        return self._alive.view & ~self._deleted.view

    def natural(self) -> Rows:
        """Return all rows, the newest run first, ties by id."""
        return self._natural.rows(self.starts, self.run_ids)

    def row_of(self, run_id: str) -> int | None:
        """Return the row of a run, deleted or not; None where there is none."""
        return self._row_of.get(run_id)

    def texts(self, kind: str) -> Mapping[str, TextColumn]:
        """Return the columns of texts of a kind: params, tags or attributes."""
        return {"params": self.params, "tags": self.tags, "attributes": self.attributes}[kind]

    def append(self, batch: RunBatch) -> None:
        """Take in runs; those that are here already become what the batch says of them."""
        first = len(self.run_ids)
        alive = np.ones(len(batch.run_ids), np.bool_)
        for place, run_id in enumerate(batch.run_ids):
            self._bury(run_id)
            if run_id in self._row_of and self._row_of[run_id] >= first:
                alive[self._row_of[run_id] - first] = False  # twice in one batch: the later one counts
            self._row_of[run_id] = first + place
        self.run_ids.extend(batch.run_ids)
        self._heads.add([run_id.encode("utf-8", "replace")[:HEAD_BYTES] for run_id in batch.run_ids])
        self._starts.add(batch.start_times)
        self._ends.add(batch.end_times)
        self._alive.add(alive)
        self._deleted.add(batch.is_deleted)
        self._append_texts(batch, first)
        for name, cells in batch.metrics.items():
            self.metrics.setdefault(name, NumberColumn()).add(cells.rows + np.int32(first), cells.values)
        for columns, given in ((self.params, batch.params), (self.tags, batch.tags)):
            _append_cells(columns, given, first)
        self.revision += 1

    def _append_texts(self, batch: RunBatch, first: int) -> None:
        given: Mapping[str, Sequence[str | None]] = {
            "run_name": batch.names,
            "status": batch.statuses,
            "user_id": batch.users,
            "experiment_id": batch.experiment_ids,
            "artifact_uri": batch.artifact_uris,
        }
        for name, texts in given.items():
            places = [place for place, text in enumerate(texts) if text is not None]
            rows = np.asarray(places, np.int32) + np.int32(first)
            self.attributes[name].add(rows, [text for text in texts if text is not None])

    def remove(self, run_ids: Iterable[str]) -> None:
        """Forget runs that are gone for good."""
        for run_id in run_ids:
            self._bury(run_id)
            self._row_of.pop(run_id, None)
        self.revision += 1

    def _bury(self, run_id: str) -> None:
        row = self._row_of.get(run_id)
        if row is not None and row < len(self._alive):
            self._alive.view[row] = False

    def clear_away(self) -> bool:
        """Give the rows new numbers if many are dead; tell whether that was done."""
        alive = self._alive.view
        n_dead = len(alive) - int(alive.sum())
        if n_dead < _FEWEST_DEAD or n_dead < _DEAD_SHARE * len(alive):
            return False
        new_rows = np.where(alive, np.cumsum(alive) - 1, -1).astype(np.int32)
        self.run_ids = [run_id for run_id, is_alive in zip(self.run_ids, alive.tolist(), strict=True) if is_alive]
        self._row_of = {run_id: row for row, run_id in enumerate(self.run_ids)}
        self.attributes = {name: column.kept(new_rows) for name, column in self.attributes.items()}
        self.metrics = {name: column for name, was in self.metrics.items() if len((column := was.kept(new_rows)).rows)}
        self.params, self.tags = _kept(self.params, new_rows), _kept(self.tags, new_rows)
        self._heads.keep(alive)
        self._starts.keep(alive)
        self._ends.keep(alive)
        self._deleted.keep(alive)
        self._alive.fill(np.ones(len(self.run_ids), np.bool_))
        self._natural = NaturalOrder()
        self.generation += 1
        self.revision += 1
        return True


def _append_cells(columns: dict[str, TextColumn], given: Mapping[str, TextCells], first: int) -> None:
    for name, cells in given.items():
        columns.setdefault(name, TextColumn()).add(cells.rows + np.int32(first), cells.values)


def _kept(columns: Mapping[str, TextColumn], new_rows: Rows) -> dict[str, TextColumn]:
    kept = {name: column.kept(new_rows) for name, column in columns.items()}
    return {name: column for name, column in kept.items() if len(column.rows)}
