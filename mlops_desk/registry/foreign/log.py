"""What a reader of other trackers' files has to give, whichever tracker wrote them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

from mlops_desk.registry.foreign.history import ForeignRun

Stamp = tuple[int, ...]
"""Another one whenever a run's files are others: sizes and times of change."""


class RunLog(Protocol):
    """The files of one run, or of one project."""

    def read_on(self) -> Iterator[None]:
        """Read what is new, giving way after each few records; a file that is not over is read on at the next call."""
        ...

    def runs(self) -> list[ForeignRun]:
        """Return the runs as far as they have been read; the same objects each time."""
        ...


class RunLogs(Protocol):
    """All logs of a source."""

    def stamps(self) -> Mapping[str, Stamp]:
        """Return what there is by a name of its own, with its stamp. Raises OSError."""
        ...

    def open(self, name: str) -> RunLog: ...

    def root(self) -> Path:
        """Return the folder that all files lie in."""
        ...
