"""Opens what another tracker has left on this disk."""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from mlops_desk.kit.base.errors import Invalid, NotFound, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.foreign.files import listed
from mlops_desk.registry.foreign.history import ForeignRun, MetricPoints, RunLog, RunLogs, Stamp
from mlops_desk.registry.readers.batch import NO_TIME, MetricCells, RunBatch, RunChanges, TextCells, VersionRow
from mlops_desk.registry.readers.curve_decimation import kept
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.reader import TextOrder
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, Model, Run
from mlops_desk.registry.records.tracker import TrackerKind


# Runs of other trackers as the columns that a mirror keeps.
def batch_of(runs: Sequence[ForeignRun]) -> RunBatch:
    """Return the runs as one batch."""
    return RunBatch(
        run_ids=[run.run_id for run in runs],
        experiment_ids=[run.experiment for run in runs],
        names=[run.name for run in runs],
        statuses=[run.status for run in runs],
        users=[run.user for run in runs],
        artifact_uris=[run.folder for run in runs],
        start_times=_times([run.start_ms for run in runs]),
        end_times=_times([run.end_ms for run in runs]),
        is_deleted=np.zeros(len(runs), dtype=np.bool_),
        metrics=_metrics(runs),
        params=_texts([run.params for run in runs]),
        tags=_texts([run.tags for run in runs]),
    )


def _times(values: Sequence[int | None]) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    return np.array([NO_TIME if value is None else value for value in values], dtype=np.int64)


def _metrics(runs: Sequence[ForeignRun]) -> dict[str, MetricCells]:
    cells: dict[str, list[tuple[int, float, int]]] = {}
    for row, run in enumerate(runs):
        for name, series in run.metrics.items():
            cells.setdefault(name, []).append((row, series.values[-1], series.steps[-1]))
    return {name: _cells(points) for name, points in cells.items()}


def _cells(points: Sequence[tuple[int, float, int]]) -> MetricCells:
    rows, values, steps = zip(*points, strict=True)
    return MetricCells(np.array(rows, np.int32), np.array(values, np.float64), np.array(steps, np.int64))


def _texts(texts: Sequence[dict[str, str]]) -> dict[str, TextCells]:
    cells: dict[str, tuple[list[int], list[str]]] = {}
    for row, one in enumerate(texts):
        for name, value in one.items():
            rows, values = cells.setdefault(name, ([], []))
            rows.append(row)
            values.append(value)
    return {name: TextCells(np.array(rows, np.int32), values) for name, (rows, values) in cells.items()}


# Other trackers' runs behind the same questions as MLflow's: a ``Reader`` over logs that are read on as they grow.
_STEP_SECONDS = 0.04  # a step may take 50 ms (Reader.batches)


class ForeignReader:
    """``what`` names the tracker for messages; one thread asks."""

    via = "files"
    schema: str | None = None
    text_order: TextOrder | None = None

    def __init__(self, logs: RunLogs, what: str) -> None:
        self._logs = logs
        self._what = what
        self._open: dict[str, RunLog] = {}
        self._read: dict[str, Stamp] = {}
        self._going: dict[str, Iterator[None]] = {}
        """Logs that are being read: whoever goes on with one takes up where it was left, and reads nothing twice."""
        self._looks = 0

    # -- runs --------------------------------------------------------------------------------

    def mark(self) -> str:
        return str(self._looks)

    def batches(self) -> Iterator[RunBatch]:
        """Yield what there is, the files that changed last first; an empty batch where one file takes long."""
        stamps = self._stamps()
        for name in sorted(stamps, key=lambda one: stamps[one][-1], reverse=True):
            for _ in self._read_log(name, stamps[name]):
                yield batch_of(())
            yield batch_of(self._open[name].runs())

    def changes(self, mark: str) -> RunChanges:
        if mark != str(self._looks):
            return RunChanges(str(self._looks), everything=True)
        stamps, deadline = self._stamps(), time.monotonic() + _STEP_SECONDS
        gone = [name for name in self._read if name not in stamps]
        lost = tuple(run.run_id for name in gone for run in self._forget(name))
        batches: list[RunBatch] = []
        for name, stamp in stamps.items():
            if self._read.get(name) == stamp:
                continue
            if time.monotonic() >= deadline:
                break  # at the next look
            batches.append(batch_of(self._changed(name, stamp)))
        if lost or batches:
            self._looks += 1
        return RunChanges(str(self._looks), tuple(batches), lost)

    def _stamps(self) -> Mapping[str, Stamp]:
        try:
            return self._logs.stamps()
        except FileNotFoundError as error:
            where = plain(str(self._logs.root()), 400)
            raise NotFound(f"There is nothing at {where} any more.", "It was moved or removed.") from error
        except OSError as error:
            where = plain(str(self._logs.root()), 400)
            raise Unavailable(f"{self._what}'s files at {where} can't be read: {error.strerror}.") from error

    def _read_log(self, name: str, stamp: Stamp) -> Iterator[None]:
        """Read a log on, giving way where it takes long."""
        log = self._open.get(name)
        if log is None:
            log = self._open[name] = self._logs.open(name)
        going = self._going.setdefault(name, log.read_on())
        since = time.monotonic()
        try:
            for _ in going:
                if time.monotonic() - since >= _STEP_SECONDS:
                    yield
                    since = time.monotonic()
        finally:
            self._going.pop(name, None)
        self._read[name] = stamp

    def _read_rest(self) -> None:
        """Read what nobody has read yet: who asks for one run may be the first to ask."""
        for name, stamp in self._stamps().items():
            if name not in self._read:
                for _ in self._read_log(name, stamp):
                    pass

    def _changed(self, name: str, stamp: Stamp) -> list[ForeignRun]:
        log = self._open.get(name)
        before = {} if log is None else {run.run_id: run.n_points for run in log.runs()}
        for _ in self._read_log(name, stamp):
            pass
        found = self._open[name].runs()
        return found if len(found) == 1 else [run for run in found if before.get(run.run_id) != run.n_points]

    def _forget(self, name: str) -> list[ForeignRun]:
        self._read.pop(name, None)
        log = self._open.pop(name, None)
        return [] if log is None else log.runs()

    def all_runs(self) -> list[ForeignRun]:
        """Return all that was read, the newest first."""
        found = [run for log in self._open.values() for run in log.runs()]
        return sorted(found, key=lambda run: (-(run.start_ms or 0), run.run_id))

    def found(self, run_id: str) -> ForeignRun:
        """Return a run. Raises NotFound."""
        found = self._known([run_id])
        if not found:
            raise NotFound(f"{self._what} has no run {plain(run_id)} here.", "Is it still there? List the runs again.")
        return found[0]

    def _known(self, run_ids: Sequence[str]) -> list[ForeignRun]:
        """Return the runs of these ids, in their order; those that are gone are left out."""
        known = {run.run_id: run for run in self.all_runs()}
        if not known.keys() >= set(run_ids):
            self._read_rest()
            known = {run.run_id: run for run in self.all_runs()}
        return [known[run_id] for run_id in run_ids if run_id in known]

    def run(self, run_id: str) -> Run:
        one = self.found(run_id)
        metrics = {name: series.values[-1] for name, series in one.metrics.items()}
        started, ended = one.start_ms, one.end_ms
        return Run(run_id, one.name, one.status, started, metrics, one.params, tags_of(one), one.experiment, ended)

    def experiments(self) -> list[Experiment]:
        """List what the runs say that they belong to: those that are there are read for it, once."""
        if not self._read:
            self._read_rest()
        names = {run.experiment for run in self.all_runs()}
        return [Experiment(name, name) for name in sorted(names)]

    # -- curves ------------------------------------------------------------------------------

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        return [self._curve(run_id, metric, points, since) for run_id in run_ids]

    def _curve(self, run_id: str, metric: str, points: int, since: str | None) -> RunCurve:
        series = self.found(run_id).metrics.get(metric, MetricPoints())
        first = int(since) if since is not None and since.isdecimal() else 0
        count = len(series.values)
        order = np.lexsort((np.array(series.times[first:]), np.array(series.steps[first:])))
        values = np.array(series.values[first:], dtype=np.float64)[order]
        chosen = kept(values, points)
        steps, times = np.array(series.steps[first:])[order], np.array(series.times[first:])[order]
        return RunCurve(
            run_id, metric, count,
            tuple(int(steps[place]) for place in chosen), tuple(int(times[place]) for place in chosen),
            tuple(float(values[place]) for place in chosen), str(count),
        )  # fmt: skip

    def metric_values(
        self, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
    ) -> Mapping[str, float]:
        """Return another value of a metric than its last: min, max, first, or that of a step."""
        found = {}
        for run_id in run_ids:
            value = _chosen(self.found(run_id).metrics.get(metric), which, step)
            if value is not None:
                found[run_id] = value
        return found

    # -- what these trackers have not ----------------------------------------------------------

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return dict.fromkeys(run_ids, ())

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        """Return where the files of runs lie; they name nothing that they were given."""
        found = self._known(run_ids)
        return [RunOrigin(run.run_id, run.name, run.status, run.folder, tags_of(run)) for run in found]

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:  # noqa: ARG002 - they have none
        return []

    def models(self) -> list[Model]:
        return []

    def versions(self) -> list[VersionRow]:
        return []

    def count_runs(self) -> Iterator[int]:
        self.experiments()  # reads what there is
        yield len(self.all_runs())

    def count_models(self) -> None:
        return None

    # -- files -------------------------------------------------------------------------------

    def artifacts(self, artifact_uri: str, path: str) -> list[Artifact]:
        return listed(self._logs.root(), artifact_uri, path)

    def close(self) -> None:
        self._open.clear()


def tags_of(run: ForeignRun) -> dict[str, str]:
    """Return a run's tags, with what could not be shown of it."""
    told = {"mlops_desk.problem": run.problem} if run.problem else {}
    return {**run.tags, **told}


def _chosen(series: MetricPoints | None, which: str, step: int | None) -> float | None:
    if series is None or not series.values:
        return None
    values = np.array(series.values)
    if which == "first":
        return float(values[int(np.argmin(np.array(series.steps)))])
    if which == "step":
        places = np.flatnonzero(np.array(series.steps) == step)
        return float(values[places[-1]]) if places.size else None
    finite = values[~np.isnan(values)]
    if not finite.size:
        return None
    return float(finite.min() if which == "min" else finite.max())


_NAMES = {TrackerKind.TENSORBOARD: "TensorBoard", TrackerKind.TRACKIO: "Trackio", TrackerKind.WANDB: "W&B"}


def open_reader(source: RegistrySource) -> ForeignReader:
    """Return the reader of another tracker's files. Raises Invalid, and Unavailable where its package is missing."""
    if source.path is None or source.kind not in _NAMES:
        raise Invalid(f"{source.shown} is nothing that another tracker has left on this disk.")
    return ForeignReader(_logs(source), _NAMES[source.kind])


def _logs(source: RegistrySource) -> RunLogs:
    if source.path is None:
        raise AssertionError("checked by who calls")
    if source.kind is TrackerKind.TENSORBOARD:
        from mlops_desk.registry.foreign.tensorboard import TensorBoardLogs  # noqa: PLC0415 - each loads its own library

        return TensorBoardLogs(source.path)
    if source.kind is TrackerKind.WANDB:
        from mlops_desk.registry.foreign.wandb import WandbLogs  # noqa: PLC0415 - as above

        return WandbLogs(source.path)
    from mlops_desk.registry.foreign.trackio import TrackioLogs  # noqa: PLC0415 - as above

    return TrackioLogs(source.path)
