"""What the desk knows of data by itself: what runs have logged, pipelines froze, monitors look at, endpoints log.

Only records are asked, and our own folder: no path that somebody named is looked at, for its disk may hang, and what a
run says of its data is text from outside. Where a job of ours made the run, its mounts tell where a path lies here.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypeVar

from mlops_desk.automation.records.pipelines.run import PipelineRun, StepName
from mlops_desk.drift.records.monitors import Monitor
from mlops_desk.drift.records.sources import ReferenceKind, SourceKind, address_in
from mlops_desk.governance.data.catalogue import DataSighting, KnownData
from mlops_desk.governance.data.desk_files import LISTS, labels_of, requests_of
from mlops_desk.governance.records.data.catalogue import DataKind, DataPlace, DataUser, DataUserKind
from mlops_desk.governance.records.data.retention import RetentionItem
from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import DeskError
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import DatasetInput
from mlops_desk.serving.records.endpoint import Endpoint

T = TypeVar("T")
_MOUNT = "mount"  # as the desk itself logs what a job had mounted
_WORDS = 200  # chosen: a sentence


@dataclass(frozen=True, slots=True)
class SeenRun:
    """A run with its data sets, the versions that it registered as MODEL/VERSION, and the job that it is of.

    ``registry`` is where it was found, as endpoints name it.
    """

    run_id: str
    datasets: Sequence[DatasetInput]
    versions: Sequence[str] = ()
    at: float | None = None
    job: Job | None = None
    registry: str | None = None


@dataclass(frozen=True, slots=True)
class KnowingParts:
    """All of these may raise DeskErrors; ``files`` are those of the desk's own logs."""

    runs: Callable[[], Sequence[SeenRun]]
    pipelines: Callable[[], Sequence[PipelineRun]]
    monitors: Callable[[], Sequence[Monitor]]
    endpoints: Callable[[], Sequence[Endpoint]]
    files: Callable[[], Sequence[RetentionItem]]


def known_data(parts: KnowingParts) -> KnownData:
    """Return all that is known now, and what could not be asked."""
    missing: list[str] = []

    def asked(what: str, ask: Callable[[], Sequence[T]]) -> Sequence[T]:
        try:
            return ask()
        except DeskError as error:
            missing.append(f"{what} could not be asked: {plain(error.message, _WORDS)}")
            return ()

    endpoints, files = asked("Endpoints", parts.endpoints), asked("The logs", parts.files)
    runs = asked("The registry", parts.runs)
    sightings = [
        *(one for run in runs for one in of_run(run, endpoints)),
        *(one for run in asked("Pipelines", parts.pipelines) for one in of_pipeline(run)),
        *(one for monitor in asked("Monitors", parts.monitors) for one in of_monitor(monitor)),
        *of_logs(endpoints, files),
        *of_lists(files),
    ]
    return KnownData(tuple(sightings), tuple(missing))


def of_run(run: SeenRun, endpoints: Iterable[Endpoint]) -> Iterator[DataSighting]:
    """Yield what a run has logged, with the versions that it made and the endpoints that serve one of them."""
    serving = [one for one in endpoints if (one.model.registry, one.model.run_id) == (run.registry, run.run_id)]
    for dataset in run.datasets:
        how = f"its {dataset.context} data" if dataset.context else "its data"
        if dataset.context == _MOUNT:
            how = f"mounted at {plain(dataset.name, 80)}"
        users = [
            DataUser(DataUserKind.RUN, run.run_id, how),
            *(DataUser(DataUserKind.MODEL, version, how) for version in run.versions),
            *(DataUser(DataUserKind.ENDPOINT, one.name, f"{how}: it serves {_version(one)}") for one in serving),
        ]
        place, name = _place_of(run, dataset)
        yield DataSighting(
            name, place, tuple(users), digest=dataset.digest, at=run.at, seen_by=f"run {run.run_id}",
            owned_by=None if run.job is None else run.job.submitted_by,
        )  # fmt: skip


def _place_of(run: SeenRun, dataset: DatasetInput) -> tuple[DataPlace, str]:
    """Return where a run's data set lies, and its name: the path on this machine where the run's job tells it."""
    address = address_in(dataset.source) or dataset.source
    if dataset.context == _MOUNT and run.job is not None:
        path = next((one.source for one in run.job.spec.mounts if one.target == dataset.name), None)
    else:
        path = None if run.job is None else here(address.removeprefix("file://"), run.job)
    place = DataPlace(DataKind.MLFLOW, path, run.run_id, dataset.name, plain(dataset.source, 400))
    if dataset.context == _MOUNT:
        return DataPlace(kind_of_path(path or address), path or address), path or address
    return place, plain(dataset.name)


def here(seen: str, job: Job) -> str | None:
    """Return where a path that a job saw lies on this machine, by its mounts' words; None: in none of them. Pure."""
    inside = PurePosixPath(seen)
    if ".." in inside.parts:
        return None
    for mount in sorted(job.spec.mounts, key=lambda mount: len(mount.target), reverse=True):
        if inside.is_relative_to(PurePosixPath(mount.target)):
            return str(PurePosixPath(mount.source, inside.relative_to(PurePosixPath(mount.target))))
    return None


def kind_of_path(path: str) -> DataKind:
    """Return what a path looks like; a look tells better."""
    return DataKind.FILE if PurePosixPath(path).suffix else DataKind.FOLDER


def of_pipeline(run: PipelineRun) -> Iterator[DataSighting]:
    """Yield the data that a pipeline froze, and the logs that it takes rows from."""
    manifest = run.step(StepName.FREEZE).evidence.manifest
    versions = [] if run.challenger_version is None else [f"{run.model}/{run.challenger_version}"]
    for target, path in run.data.items():
        how = f"frozen as {plain(target, 80)}"
        users = (
            DataUser(DataUserKind.PIPELINE, run.id, how),
            *(DataUser(DataUserKind.MODEL, version, f"{how} by pipeline {run.id}") for version in versions),
        )
        yield DataSighting(
            path, DataPlace(kind_of_path(path), path), users,
            sha256=None if manifest is None else manifest.by_target.get(target), at=run.created_at,
            seen_by=f"pipeline {run.id}", owned_by=run.created_by,
        )  # fmt: skip
    for file, how in ((run.plan.test, "its fixed test set"), (run.plan.newest, "its newest labelled rows")):
        if file is not None:
            user = DataUser(DataUserKind.PIPELINE, run.id, how)
            yield DataSighting(file, DataPlace(kind_of_path(file), file), (user,), owned_by=run.created_by)
    if run.endpoint is not None and run.plan.newest is None:
        user = DataUser(DataUserKind.PIPELINE, run.id, "its newest labelled rows")
        yield _log(DataKind.LABELS, run.endpoint, (user,))


def of_monitor(monitor: Monitor) -> Iterator[DataSighting]:
    """Yield what a monitor looks at, and what it holds that against."""
    source, reference = monitor.source, monitor.reference
    watched = (DataUser(DataUserKind.MONITOR, monitor.name, "what it watches"),)
    held = (DataUser(DataUserKind.MONITOR, monitor.name, "its reference"),)
    if source.kind is SourceKind.LOG:
        yield _log(DataKind.LOG, source.place, watched)
    elif source.kind is SourceKind.FILE:
        yield DataSighting(source.place, DataPlace(kind_of_path(source.place), source.place), watched)
    elif source.kind is SourceKind.MLFLOW:
        place = DataPlace(DataKind.MLFLOW, run=source.place, dataset=source.query)
        yield DataSighting(plain(source.query or source.place), place, watched)
    elif source.kind is SourceKind.SQL:
        place = DataPlace(DataKind.QUERY, database=source.place, query=source.query, login=source.login)
        yield DataSighting(f"{monitor.name}/query", place, watched, owned_by=monitor.created_by)
    if reference.kind is ReferenceKind.FILE and reference.path is not None:
        yield DataSighting(
            reference.path, DataPlace(kind_of_path(reference.path), reference.path), held, owned_by=monitor.created_by
        )
    elif reference.kind is ReferenceKind.PINNED and source.kind is SourceKind.LOG:
        yield _log(DataKind.LOG, source.place, held)


def of_logs(endpoints: Iterable[Endpoint], files: Iterable[RetentionItem]) -> Iterator[DataSighting]:
    """Yield the logs of endpoints, and what is left of those that were removed."""
    sizes: dict[str, tuple[int, int]] = {}
    for item in files:
        count, size = sizes.get(item.dataset, (0, 0))
        sizes[item.dataset] = count + 1, size + item.size_bytes
    by_name: Mapping[str, Endpoint] = {one.name: one for one in endpoints}
    names = set(by_name) | {name.rpartition("/")[0] for name in sizes if name != LISTS}
    for name in sorted(names):
        there = by_name.get(name)
        for kind, called in ((DataKind.LOG, requests_of(name)), (DataKind.LABELS, labels_of(name))):
            count, size = sizes.get(called, (0, 0))
            if count or (there is not None and kind is DataKind.LOG):
                users = () if there is None else (DataUser(DataUserKind.ENDPOINT, name, "its log"),)
                owner = None if there is None else there.created_by
                yield DataSighting(
                    called, DataPlace(kind, endpoint=name), users, size_bytes=size, files=count, owned_by=owner
                )


def of_lists(files: Iterable[RetentionItem]) -> Iterator[DataSighting]:
    """Yield the lists of what retrainings have frozen, where there are any."""
    sizes = [one.size_bytes for one in files if one.dataset == LISTS]
    if sizes:
        yield DataSighting(LISTS, DataPlace(DataKind.LISTS), size_bytes=sum(sizes), files=len(sizes))


def _log(kind: DataKind, endpoint: str, users: tuple[DataUser, ...]) -> DataSighting:
    name = requests_of(endpoint) if kind is DataKind.LOG else labels_of(endpoint)
    return DataSighting(name, DataPlace(kind, endpoint=endpoint), users)


def _version(endpoint: Endpoint) -> str:
    return f"{plain(endpoint.model.name)}/{endpoint.model.version}"
