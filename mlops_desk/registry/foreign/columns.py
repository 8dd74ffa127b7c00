"""Runs of other trackers as the columns that a mirror keeps."""

from collections.abc import Sequence

import numpy as np

from mlops_desk.registry.foreign.history import ForeignRun
from mlops_desk.registry.reading.batch import NO_TIME, MetricCells, RunBatch, TextCells


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
