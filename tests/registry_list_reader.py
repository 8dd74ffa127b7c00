"""A Reader of runs that a test holds in a list: batches of any size, changes as they are said, errors when told to."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from mlops_desk.kit.base.errors import DeskError, NotFound
from mlops_desk.registry.readers.batch import NO_TIME, MetricCells, RunBatch, RunChanges, TextCells, VersionRow
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.reader import TextOrder
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import DatasetInput, Experiment, Model, Run


def batch_of(runs: Sequence[Run], deleted: frozenset[str] = frozenset()) -> RunBatch:
    """Return runs as columns; cells in the order of the runs, as a reader has them."""
    return RunBatch(
        run_ids=[run.run_id for run in runs],
        experiment_ids=[run.experiment_id or "0" for run in runs],
        names=[run.name for run in runs],
        statuses=[run.status for run in runs],
        users=[run.tags.get("mlflow.user") for run in runs],
        artifact_uris=[f"mlflow-artifacts:/{run.run_id}" for run in runs],
        start_times=np.array([NO_TIME if run.start_time is None else run.start_time for run in runs], np.int64),
        end_times=np.array([NO_TIME if run.end_time is None else run.end_time for run in runs], np.int64),
        is_deleted=np.array([run.run_id in deleted for run in runs], np.bool_),
        metrics={name: _numbers(runs, name) for name in sorted({name for run in runs for name in run.metrics})},
        params={name: _texts([run.params for run in runs], name) for name in {n for run in runs for n in run.params}},
        tags={name: _texts([run.tags for run in runs], name) for name in {n for run in runs for n in run.tags}},
    )


def _numbers(runs: Sequence[Run], name: str) -> MetricCells:
    there = [place for place, run in enumerate(runs) if name in run.metrics]
    values = np.array([runs[place].metrics[name] for place in there], np.float64)
    return MetricCells(np.array(there, np.int32), values, np.zeros(len(there), np.int64))


def _texts(pairs: Sequence[Mapping[str, str]], name: str) -> TextCells:
    there = [place for place, given in enumerate(pairs) if name in given]
    return TextCells(np.array(there, np.int32), [pairs[place][name] for place in there])


class ListReader:
    """Implements Reader. ``error`` is raised by whatever is asked next while it is set."""

    via = "files"
    text_order: TextOrder | None = None
    schema = None

    def __init__(self, runs: Sequence[Run], experiments: Sequence[str] = ("a",), size: int = 7) -> None:
        self.runs = {run.run_id: run for run in runs}
        self.names = list(experiments)
        self.size = size
        self.deleted: frozenset[str] = frozenset()
        self.logged: dict[tuple[str, str], list[float]] = {}
        self.inputs: dict[str, list[DatasetInput]] = {}
        self.logged_as: dict[str, LoggedModel] = {}
        self.model_list: list[Model] = []
        self.version_rows: list[VersionRow] = []
        self.waiting: list[RunChanges] = []
        self.error: DeskError | None = None
        self.asked: list[tuple[str, int]] = []
        self.n_looks = 0

    def experiments(self) -> list[Experiment]:
        self._raise()
        return [Experiment(str(number), name) for number, name in enumerate(self.names)]

    def mark(self) -> str:
        self._raise()
        return "0"

    def batches(self) -> Iterator[RunBatch]:
        runs = sorted(self.runs.values(), key=lambda run: -(run.start_time or 0))
        for at in range(0, len(runs), self.size):
            self._raise()
            yield batch_of(runs[at : at + self.size], self.deleted)

    def changes(self, mark: str) -> RunChanges:
        self.n_looks += 1
        self._raise()
        return self.waiting.pop(0) if self.waiting else RunChanges(mark)

    def change(self, *runs: Run) -> None:
        """Let runs be new, or as they are now."""
        self.runs |= {run.run_id: run for run in runs}
        self.waiting.append(RunChanges("1", (batch_of(runs, self.deleted),)))

    def log(self, run_id: str, metric: str, *values: float) -> None:
        self.logged.setdefault((run_id, metric), []).extend(values)
        run = self.runs[run_id]
        self.change(replace(run, metrics={**run.metrics, metric: values[-1]}))

    def run(self, run_id: str) -> Run:
        if run_id not in self.runs:
            raise NotFound(f"There is no run {run_id!r}.")
        return self.runs[run_id]

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        self.asked.append(("datasets", len(run_ids)))
        return {run_id: self.inputs.get(run_id, []) for run_id in run_ids}

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        found = []
        for run_id in run_ids:
            values = tuple(self.logged.get((run_id, metric), ()))[:points]
            steps = tuple(range(len(values)))
            found.append(RunCurve(run_id, metric, len(values), steps, steps, values, since))
        return found

    def metric_values(
        self, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
    ) -> Mapping[str, float]:
        self._raise()
        self.asked.append((f"{metric}:{which}", len(run_ids)))
        found = {}
        for run_id in run_ids:
            values = self.logged.get((run_id, metric), [])
            there = [value for value in values if value == value]
            if which in {"min", "max"} and there:
                found[run_id] = min(there) if which == "min" else max(there)
            elif which == "first" and values:
                found[run_id] = values[0]
            elif which == "step" and step is not None and 0 <= step < len(values):
                found[run_id] = values[step]
        return found

    def models(self) -> list[Model]:
        self.asked.append(("models", 0))
        return self.model_list

    def versions(self) -> list[VersionRow]:
        return self.version_rows

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        self._raise()
        self.asked.append(("origins", len(run_ids)))
        found = [self.runs[run_id] for run_id in run_ids if run_id in self.runs]
        return [RunOrigin(run.run_id, run.name, run.status, None, run.tags) for run in found]

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        self._raise()
        return [self.logged_as[one] for one in model_ids if one in self.logged_as]

    def artifacts(self, artifact_uri: str, path: str) -> list:  # type: ignore[type-arg]  # nothing lies here
        del artifact_uri, path
        return []

    def count_runs(self) -> Iterator[int]:
        self._raise()
        yield len(self.runs.keys() - self.deleted)

    def count_models(self) -> Iterator[int]:
        self._raise()
        yield len(self.model_list)

    def close(self) -> None:
        pass

    def _raise(self) -> None:
        if self.error is not None:
            raise self.error
