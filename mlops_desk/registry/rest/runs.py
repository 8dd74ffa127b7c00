"""Runs as a server tells of them, turned into columns; and single ones into records. Pure."""

import json
from builtins import list as list_of
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlops_desk.kit.base import wire
from mlops_desk.registry.readers.batch import NO_TIME, MetricCells, RunBatch, TextCells
from mlops_desk.registry.records.model import DatasetInput, Experiment, Run
from mlops_desk.registry.rest.responses import DatasetInputShape, ExperimentShape, KeyValue, RunShape

_CONTEXT_TAG = "mlflow.data.context"


def fingerprint(run: Mapping[str, Any]) -> int:
    """Return a number that differs where anything of a run does, whatever order the server tells it in."""
    return hash(json.dumps(_ordered(run), sort_keys=True))


def _ordered(value: Any) -> Any:
    """Return a value with its lists of metrics, tags and the like in one order."""
    if isinstance(value, dict):
        return {key: _ordered(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted((_ordered(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    return value


def shaped(runs: Sequence[Mapping[str, Any]]) -> list_of[RunShape]:
    """Understand runs. Raises msgspec.ValidationError for what none has."""
    found: list_of[RunShape] = wire.convert(runs, list[RunShape], strict=False)
    return found


def batch(runs: Sequence[RunShape]) -> RunBatch:
    """Return runs as columns, in their order."""
    infos = [run.info for run in runs]
    return RunBatch(
        run_ids=[info.run_id for info in infos],
        experiment_ids=[info.experiment_id for info in infos],
        names=[info.run_name or None for info in infos],
        statuses=[info.status for info in infos],
        users=[info.user_id or None for info in infos],
        artifact_uris=[info.artifact_uri or None for info in infos],
        start_times=_times(info.start_time for info in infos),
        end_times=_times(info.end_time or None for info in infos),  # an old server says 0 for none
        is_deleted=np.array([info.lifecycle_stage == "deleted" for info in infos], np.bool_),
        metrics=_metrics(runs),
        params=_texts([run.data.params for run in runs]),
        tags=_texts([run.data.tags for run in runs]),
    )


def _times(times: Iterable[int | None]) -> NDArray[np.int64]:
    return np.array([NO_TIME if time is None else time for time in times], np.int64)


def _metrics(runs: Sequence[RunShape]) -> dict[str, MetricCells]:
    cells: dict[str, list_of[tuple[int, float, int]]] = defaultdict(list)
    for row, run in enumerate(runs):
        for point in {point.key: point for point in run.data.metrics}.values():
            cells[point.key].append((row, point.value, point.step))
    return {key: _cells(found) for key, found in cells.items()}


def _cells(found: Sequence[tuple[int, float, int]]) -> MetricCells:
    rows, values, steps = zip(*found, strict=True)
    return MetricCells(np.array(rows, np.int32), np.array(values, np.float64), np.array(steps, np.int64))


def _texts(of_runs: Sequence[Sequence[KeyValue]]) -> dict[str, TextCells]:
    cells: dict[str, list_of[tuple[int, str]]] = defaultdict(list)
    for row, pairs in enumerate(of_runs):
        for key, value in {pair.key: pair.value for pair in pairs}.items():
            cells[key].append((row, value))
    return {
        key: TextCells(np.array([row for row, _ in found], np.int32), [value for _, value in found])
        for key, found in cells.items()
    }


EMPTY = batch(())
"""What a reader yields that waits for its server: nothing yet."""


def record(run: RunShape) -> Run:
    """Return one run as the rest of the program has it."""
    return Run(
        run_id=run.info.run_id,
        name=run.info.run_name or None,
        status=run.info.status,
        start_time=run.info.start_time,
        metrics={point.key: point.value for point in run.data.metrics},
        params={pair.key: pair.value for pair in run.data.params},
        tags={pair.key: pair.value for pair in run.data.tags},
        experiment_id=run.info.experiment_id,
        end_time=run.info.end_time or None,
    )


def experiment(found: ExperimentShape) -> Experiment:
    changed = found.last_update_time or found.creation_time
    tags = {pair.key: pair.value for pair in found.tags}
    return Experiment(found.experiment_id, found.name, tags, changed / 1000 if changed else None)


def dataset(found: DatasetInputShape) -> DatasetInput:
    told = found.dataset
    context = next((tag.value for tag in found.tags if tag.key == _CONTEXT_TAG), None)
    return DatasetInput(told.name, told.digest, context, told.source_type, told.source, told.schema or None)
