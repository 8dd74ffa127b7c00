"""One run out of columns. Pure."""

from mlops_desk.records.model import Run
from mlops_desk.registry.reading.batch import NO_TIME, RunBatch

_NAME_TAG = "mlflow.runName"


def run_at(batch: RunBatch, place: int) -> Run:
    """Return the run at a place of a batch; where its row has no name, its tag has, as MLflow has it."""
    tags = _texts(batch, place, "tags")
    start, end = int(batch.start_times[place]), int(batch.end_times[place])
    metrics = {}
    for name, cells in batch.metrics.items():
        for at in (cells.rows == place).nonzero()[0].tolist():
            metrics[name] = float(cells.values[at])
    return Run(
        run_id=batch.run_ids[place],
        name=batch.names[place] or tags.get(_NAME_TAG) or None,
        status=batch.statuses[place],
        start_time=None if start == NO_TIME else start,
        end_time=None if end == NO_TIME else end,
        metrics=metrics,
        params=_texts(batch, place, "params"),
        tags=tags,
        experiment_id=batch.experiment_ids[place],
    )


def _texts(batch: RunBatch, place: int, kind: str) -> dict[str, str]:
    found = {}
    for name, cells in getattr(batch, kind).items():
        for at in (cells.rows == place).nonzero()[0].tolist():
            found[name] = cells.values[at]
    return found
