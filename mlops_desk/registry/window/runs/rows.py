"""The rows of the table that are here: some hundred around what is seen, of however many there are. No Qt here.

They come in chunks. What is on screen is asked for first, then a chunk ahead and one behind; far chunks are let go.
When runs change, what is here is shown until it has been asked for anew.
"""

from collections.abc import Iterator

from mlops_desk.registry.records.run_window import RunRow, RunWindow

CHUNK = 100  # rows: a few screens, and 20 ms of the agent
KEPT_CHUNKS = 40  # chosen: what was scrolled through lately is there at once when one scrolls back


class SeenRows:
    """Which rows are known, by their place in the order that is asked for."""

    def __init__(self) -> None:
        self.count = 0
        self.n_runs = 0
        self.revision: int | None = None
        self._chunks: dict[int, tuple[RunRow, ...]] = {}
        self._old: set[int] = set()

    def clear(self) -> None:
        """Forget everything: other runs are asked for."""
        self.count, self.n_runs, self.revision = 0, 0, None
        self._chunks, self._old = {}, set()

    def age(self) -> None:
        """Take what is here for old: it is shown until it has been asked for anew."""
        self._old = set(self._chunks)

    def row(self, place: int) -> RunRow | None:
        """Return a row, None while it is not here."""
        chunk = self._chunks.get(place // CHUNK)
        at = place % CHUNK
        return chunk[at] if chunk is not None and at < len(chunk) else None

    def known(self) -> Iterator[tuple[int, RunRow]]:
        """Yield the rows that are here, with their places."""
        for number, chunk in self._chunks.items():
            for at, row in enumerate(chunk):
                if number * CHUNK + at < self.count:
                    yield number * CHUNK + at, row

    def place_of(self, run_id: str) -> int | None:
        """Return the place of a run that is here."""
        return next((place for place, row in self.known() if row.run_id == run_id), None)

    def wanted(self, first: int, last: int) -> list[int]:
        """Return the chunks to ask for while these rows are seen, the most urgent first."""
        if last < first:
            return []
        seen = list(range(max(first, 0) // CHUNK, max(last, 0) // CHUNK + 1))
        near = [*seen, seen[-1] + 1, seen[0] - 1]
        most = (self.count - 1) // CHUNK if self.revision is not None else seen[-1]
        return [
            chunk for chunk in near if 0 <= chunk <= max(most, 0) and (chunk not in self._chunks or chunk in self._old)
        ]

    def take(self, chunk: int, window: RunWindow) -> bool:
        """Put in what was answered for a chunk; True when rows came or went in all."""
        changed = (window.n_matching, window.n_runs) != (self.count, self.n_runs)
        self.revision = window.revision
        self.count, self.n_runs = window.n_matching, window.n_runs
        self._chunks[chunk] = window.rows
        self._old.discard(chunk)
        for number in [one for one in self._chunks if one * CHUNK >= self.count]:
            del self._chunks[number]
            self._old.discard(number)
        self._let_go(chunk)
        return changed

    def _let_go(self, near: int) -> None:
        """Forget the chunks that are furthest away, when there are many."""
        for number in sorted(self._chunks, key=lambda one: -abs(one - near))[: max(len(self._chunks) - KEPT_CHUNKS, 0)]:
            del self._chunks[number]
            self._old.discard(number)
