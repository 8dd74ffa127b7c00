"""The kept log of an attempt: how it is completed when the attempt is over, and how it is read then."""

from collections import deque
from collections.abc import Iterator
from pathlib import Path

from mlops_desk.engines.engine import Engine
from mlops_desk.engines.log_lines import shown
from mlops_desk.jobs.runtimes.log_archive import reader
from mlops_desk.jobs.runtimes.log_archive.blocks import LogWriter, has_ended, parts
from mlops_desk.jobs.runtimes.log_archive.budget import was_removed
from mlops_desk.jobs.runtimes.log_archive.log_gaps import Comparison, compared_to, told_lines


class KeptLog:
    """A log in ``folder``; ``old`` is the file where earlier versions kept it."""

    def __init__(self, folder: Path, old: Path) -> None:
        self.folder = folder
        self._old = old

    def is_whole(self) -> bool:
        """Tell whether nothing more will be added."""
        return has_ended(self.folder) or self._old.exists()

    def is_there(self) -> bool:
        return self.is_whole() or bool(parts(self.folder))

    def complete(self, engine: Engine, container: str, most_bytes: int) -> None:
        """Add what only the engine has, each line in its place. Raises OSError, and DeskError as the engine does."""
        writer, since = LogWriter(self.folder, most_bytes), compared_to(self.folder)
        try:
            pieces = engine.log_pieces(container, since=since)
            Comparison(writer, self.folder, since).complete(told_lines(pieces, to_the_end=True))
        finally:
            writer.flush()
        writer.end()

    def close(self, most_bytes: int) -> None:
        """Note that nothing more will come. Raises OSError."""
        LogWriter(self.folder, most_bytes).end()

    def lines(self, tail: int | None = None, since: float | None = None) -> Iterator[str]:
        """Yield what is kept, as text that is safe to show. Raises OSError."""
        if self._old.exists():
            yield from self._old_lines(tail)
            return
        if was_removed(self.folder):
            yield "--- The log was removed: all logs together may take only so much (setting jobs.log_mebibytes). ---"
        found = reader.lines(self.folder, since=since) if tail is None else reader.tail(self.folder, tail, since)
        for line in found:
            yield shown(line.text)

    def _old_lines(self, tail: int | None) -> Iterator[str]:
        with self._old.open(encoding="utf-8", errors="replace") as file:
            for line in file if tail is None else deque(file, maxlen=max(0, tail)):
                yield line.rstrip("\n")
