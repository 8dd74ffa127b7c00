"""How much each experiment takes in the database: runs, deleted ones, points of metrics."""

from collections import Counter

from mlops_desk.base.text import plain
from mlops_desk.records.registry.doctor import ExperimentSize
from mlops_desk.registry.doctor.database import Rows


def measured(store: Rows) -> list[ExperimentSize]:
    """Measure all experiments, those with the most points first."""
    runs: dict[str, tuple[str, bool]] = {}
    query = (
        "SELECT run_uuid, experiment_id, lifecycle_stage FROM runs WHERE run_uuid > :after ORDER BY run_uuid LIMIT :n"
    )
    for run, experiment, stage in store.pieces(query):
        runs[str(run)] = (str(experiment), stage == "deleted")
    n_points = _points(store, runs)
    n_runs = Counter(experiment for experiment, _ in runs.values())
    n_deleted = Counter(experiment for experiment, deleted in runs.values() if deleted)
    found = []
    for key, name in store.rows("SELECT experiment_id, name FROM experiments"):
        one = str(key)
        found.append(ExperimentSize(one, plain(str(name)), n_runs[one], n_deleted[one], n_points[one]))
    return sorted(found, key=lambda one: (-one.n_metric_points, -one.n_runs, one.name))


def _points(store: Rows, runs: dict[str, tuple[str, bool]]) -> Counter[str]:
    source = store.indexed("metrics", "index_metrics_run_uuid")
    query = (
        f"SELECT run_uuid, count(*) FROM {source} WHERE run_uuid > :after GROUP BY run_uuid ORDER BY run_uuid LIMIT :n"  # noqa: S608 - our own names
    )
    counted: Counter[str] = Counter()
    for run, count in store.pieces(query):
        if (known := runs.get(str(run))) is not None:
            counted[known[0]] += int(count)
    return counted
