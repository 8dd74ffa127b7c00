"""What keeps rows and lists of the desk's own although they are older than they are to be kept: who stands on them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from mlops_desk.base.errors import DeskError
from mlops_desk.base.text import plain
from mlops_desk.governance.data.desk_files import LISTS, labels_of, list_files, requests_of
from mlops_desk.governance.data.planning import DataHold
from mlops_desk.governance.data.sighting import KnownData
from mlops_desk.records.data.catalogue import DataUserKind
from mlops_desk.records.drift.monitors import Monitor
from mlops_desk.records.drift.sources import ReferenceKind, SourceKind
from mlops_desk.records.jobs.job import Job
from mlops_desk.records.pipelines.run import PipelineRun

_WORDS = 200  # chosen: a sentence


@dataclass(frozen=True, slots=True)
class DataHolds:
    """``endpoints`` is the folder of all logs, ``lists`` that of frozen data, both below ``root``.

    ``pipelines`` and ``jobs`` are those that have not ended; ``pipeline`` finds any by its id. ``aliases`` are those of
    a model, with their versions; none where the model is gone. All may raise DeskErrors.
    """

    root: Path
    endpoints: Path
    lists: Path
    monitors: Callable[[], Sequence[Monitor]]
    pipelines: Callable[[], Sequence[PipelineRun]]
    jobs: Callable[[], Sequence[Job]]
    known: Callable[[], KnownData]
    pipeline: Callable[[str], PipelineRun | None]
    aliases: Callable[[str], Mapping[str, str]]

    def __call__(self) -> tuple[Sequence[DataHold], Sequence[str]]:
        """Return what is to stay, and what could not be asked."""
        holds: list[DataHold] = []
        missing: list[str] = []
        for what, look in (
            ("Monitors", self._pinned),
            ("Pipelines", self._compared),
            ("Jobs", self._mounted),
            ("Models", self._taught),
            ("Retrainings", self._listed),
        ):
            try:
                holds += look(missing)
            except DeskError as error:
                missing.append(f"{what} could not be asked: {plain(error.message, _WORDS)}")
            except OSError as error:
                missing.append(f"What {what.lower()} need can't be looked at: {error.strerror}.")
        return holds, missing

    def _pinned(self, _missing: list[str]) -> Iterator[DataHold]:
        for monitor in self.monitors():
            held = monitor.reference
            if monitor.source.kind is SourceKind.LOG and held.kind is ReferenceKind.PINNED:
                why = f"monitor {plain(monitor.name)} has them for its reference"
                yield DataHold(requests_of(monitor.source.place), why, held.start, held.end)

    def _compared(self, _missing: list[str]) -> Iterator[DataHold]:
        for run in self.pipelines():
            if run.endpoint is not None and not run.state.is_final:
                why = f"pipeline {run.id} scores models on them"
                yield DataHold(requests_of(run.endpoint), why)
                yield DataHold(labels_of(run.endpoint), why)

    def _mounted(self, _missing: list[str]) -> Iterator[DataHold]:
        for job in self.jobs():
            for mount in job.spec.mounts:
                yield from self._touched(mount.source, f"job {job.id} has them mounted")

    def _taught(self, missing: list[str]) -> Iterator[DataHold]:
        """Hold what a version was trained on: without it nobody can make that again, nor look at it."""
        known = self.known()
        missing += known.missing
        for one in known.sightings:
            models = sorted(user.name for user in one.users if user.kind is DataUserKind.MODEL)
            if models and one.place.path is not None:
                yield from self._touched(one.place.path, f"model {plain(models[0])} was trained on them")

    def _listed(self, _missing: list[str]) -> Iterator[DataHold]:
        """Hold the list of what a pipeline works on, or of what a version with an alias was trained on."""
        models: dict[str, Mapping[str, str]] = {}
        for file in list_files(self.lists):
            run = self.pipeline(file.stem)
            if run is None:
                continue
            path = file.relative_to(self.root).as_posix()
            if not run.state.is_final:
                yield DataHold(LISTS, f"pipeline {run.id} goes on with them", path=path)
                continue
            if run.challenger_version is not None:
                aliases = models[run.model] = models.get(run.model) or self.aliases(run.model)
                held = sorted(alias for alias, version in aliases.items() if version == run.challenger_version)
                if held:
                    model = f"{plain(run.model)}/{plain(run.challenger_version)} ({plain(', '.join(held))})"
                    yield DataHold(LISTS, f"model {model} was trained on them", path=path)

    def _touched(self, path: str, why: str) -> Iterator[DataHold]:
        """Hold the logs that lie at a path, in it or around it; by its words, for its disk may hang."""
        place, top = PurePosixPath(path), PurePosixPath(self.endpoints)
        if top.is_relative_to(place):
            names = [one.name for one in self.endpoints.iterdir()] if self.endpoints.is_dir() else []
        elif place.is_relative_to(top) and place != top:
            names = [place.relative_to(top).parts[0]]
        else:
            return
        for name in names:
            yield DataHold(requests_of(name), why)
            yield DataHold(labels_of(name), why)
