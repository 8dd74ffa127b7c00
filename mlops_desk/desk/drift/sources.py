"""What monitors watch and only the house can reach: endpoints' logs, data of runs, passwords of databases."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.text import plain
from mlops_desk.drift.live.cutting import SourceDoors
from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import place_in_run
from mlops_desk.records.model import Artifact, DatasetInput
from mlops_desk.records.registry.artifact_view import Downloaded

BACK_SECONDS = 86_400.0
"""Chosen: a monitor begins with the requests of the day before it was made; older ones are no news."""
_LINE_ENDS = re.compile(rb"[\r\n]+\Z")


@dataclass(frozen=True, slots=True)
class SourceParts:
    """What is needed of endpoints, registry and secrets, as plain callables; all of them may raise DeskError.

    ``log_place`` gives an endpoint's folder, revisions, and since when; ``datasets`` those of a run, ``listed`` a
    folder of its files, ``download`` brings a file of it into a folder; ``secret`` is a person's by its name.
    """

    log_place: Callable[[str], tuple[Path, tuple[int, ...], float]]
    datasets: Callable[[str], Sequence[DatasetInput]]
    listed: Callable[[str, str], Sequence[Artifact]]
    download: Callable[[str, str, str], Downloaded]
    secret: Callable[[int, str], bytes]


class MonitorSources:
    """Opens them. What of a run was fetched last is known by its size: an artifact that grows is fetched anew."""

    def __init__(self, parts: SourceParts) -> None:
        self._parts = parts
        self._sizes: dict[str, tuple[str, str, int]] = {}
        self._fetched: dict[str, tuple[str, str, int]] = {}

    def doors(self) -> SourceDoors:
        return SourceDoors(self.log_place, self.fetched, self.password, self.settled)

    def log_place(self, monitor: Monitor) -> LogPlace:
        """Return where an endpoint's log lies. Raises DeskError."""
        folder, revisions, since = self._parts.log_place(monitor.source.place)
        begun = (monitor.created_at or 0.0) - BACK_SECONDS
        return LogPlace(str(folder), revisions, max(since, begun, monitor.begun_at or 0.0))

    def fetched(self, monitor: Monitor, folder: Path) -> Path | None:
        """Bring a data set or a table of a run into a folder; None where it is as it was the last time.

        Raises DeskError, Invalid where its data set lies elsewhere.
        """
        run_id, path = self._place(monitor)
        size = self._size(run_id, path)
        if size is not None and self._sizes.get(monitor.id) == (run_id, path, size):
            return None
        found = Path(self._parts.download(run_id, path, str(folder)).path)
        if size is not None:
            self._fetched[monitor.id] = run_id, path, size
        return found

    def settled(self, monitor: Monitor) -> None:
        """Take note that what was fetched last is kept."""
        known = self._fetched.pop(monitor.id, None)
        if known is not None:
            self._sizes[monitor.id] = known

    def password(self, monitor: Monitor) -> str | None:
        """Return what the secret says that a monitor names, of the person who made it. Raises DeskError."""
        name = monitor.source.login
        if name is None or monitor.created_by is None:
            return None
        return _LINE_ENDS.sub(b"", self._parts.secret(monitor.created_by, name)).decode("utf-8", "replace")

    def _place(self, monitor: Monitor) -> tuple[str, str]:
        run_id, name = monitor.source.place, monitor.source.query or ""
        dataset = next((one for one in self._parts.datasets(run_id) if one.name == name), None)
        if dataset is None:
            return run_id, name  # a file of the run, as mlflow.log_table leaves it
        found = place_in_run(dataset.source)
        if found is None:
            text = f"The data set {plain(name, 200)} of run {plain(run_id, 100)} does not lie among a run's files."
            raise Invalid(text, "Log the data as a file of the run, or watch them as files: --files PATH.")
        return found

    def _size(self, run_id: str, path: str) -> int | None:
        """Return a file's size; None for a folder, and where the registry does not say. Raises NotFound."""
        parent = path.rpartition("/")[0]
        found = next((one for one in self._parts.listed(run_id, parent) if one.path == path), None)
        if found is None:
            text = f"Run {plain(run_id, 100)} has neither a data set nor a file {plain(path, 200)}."
            raise NotFound(text, "It is looked for again; mlflow.log_table(data, NAME) writes one.")
        return None if found.is_folder else found.size_bytes
