"""A table that is read from a source, step by step, and kept as the source is.

Each step is one ``next`` of the reader, 50 ms at most, so that questions are answered in between. What is read anew
(a store that was restored from a backup) is read into a table of its own, while the old one goes on to answer.
"""

import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from mlops_desk.kit.base.errors import DeskError, Refused
from mlops_desk.kit.base.failures import longer
from mlops_desk.registry.mirror.table.runs import RunTable
from mlops_desk.registry.readers.reader import Reader

if TYPE_CHECKING:
    from mlops_desk.registry.readers.batch import RunBatch

_PAUSE_SECONDS = 2.0  # chosen: a source that can't be read is tried again as often as one would look
_REFUSED_SECONDS = 120.0  # chosen: who lets nobody in goes on so; another login has another process begin at once

Clock = Callable[[], float]


class Loading:
    """``table`` is what was read so far. ``problem``: why the source can't be read at the moment."""

    def __init__(self, reader: Reader, clock: Clock = time.monotonic, first_revision: int = 1) -> None:
        self._reader = reader
        self._clock = clock
        self.table = RunTable(first_revision, reader.text_order)
        self._next = self.table
        self._batches: Iterator[RunBatch] | None = None
        self._mark: str | None = None
        self.problem: DeskError | None = None
        self.is_loading = True
        self.models_changed = True
        self.read_at = time.time()
        self._tried_at = float("-inf")
        self._failed_at = float("inf")
        self._pause = _PAUSE_SECONDS
        self._looked_at = float("-inf")
        self.touched: set[str] = set()

    @property
    def has_work(self) -> bool:
        """Tell whether ``step`` would read something now."""
        return self.is_loading and self._clock() >= self._tried_at

    def step(self) -> None:
        """Read one batch more of what is being loaded."""
        if not self.has_work:
            return
        try:
            if self._batches is None:
                self._mark = self._reader.mark()
                self._batches = self._reader.batches()
            batch = next(self._batches, None)
        except DeskError as error:
            self._failed(error)
            return
        self.problem, self.read_at, self._pause = None, time.time(), _PAUSE_SECONDS
        if batch is None:
            self._loaded()
        else:
            self._next.append(batch)
            self.touched.update(batch.run_ids)

    def asked(self) -> None:
        """Note that somebody asks: who lets nobody in is tried again as soon as whatever else can't be read."""
        self._tried_at = min(self._tried_at, self._failed_at + _PAUSE_SECONDS)

    def _failed(self, error: DeskError) -> None:
        self._pause = longer(self._pause, _REFUSED_SECONDS) if isinstance(error, Refused) else _PAUSE_SECONDS
        self._failed_at = self._clock()
        self.problem, self._tried_at, self._batches = error, self._failed_at + self._pause, None
        if self._next is self.table and len(self.table):
            # Begins anew, and what there is stays until it is read.
            self._next = RunTable(self.table.revision + 1, self._reader.text_order)

    def _loaded(self) -> None:
        self.is_loading, self._batches = False, None
        if self._next is not self.table:
            self._next.revision = max(self._next.revision, self.table.revision) + 1
            self._next.generation = self.table.generation + 1
            self.table = self._next
        self.table.revision += 1
        self._looked_at = self._clock()

    def look(self, oldest_seconds: float) -> None:
        """Take in what has changed, unless somebody looked in the last ``oldest_seconds``."""
        now = self._clock()
        if self.is_loading or now - self._looked_at < oldest_seconds or now < self._tried_at or self._mark is None:
            return
        self._looked_at = now
        try:
            changes = self._reader.changes(self._mark)
        except DeskError as error:
            self._failed_at = self._clock()  # from now on: it may have waited
            self.problem, self._tried_at = error, self._failed_at + _PAUSE_SECONDS
            return
        self.problem, self.read_at, self._mark = None, time.time(), changes.mark
        self.models_changed = self.models_changed or changes.models_changed
        if changes.everything:
            self.is_loading, self._next = True, RunTable(self.table.revision + 1, self._reader.text_order)
            return
        for batch in changes.batches:
            self.table.append(batch)
            self.touched.update(batch.run_ids)
        if changes.gone:
            self.table.remove(changes.gone)
            self.touched.update(changes.gone)
        self.table.clear_away()
