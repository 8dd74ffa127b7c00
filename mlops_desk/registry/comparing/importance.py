"""Which parameters of a sweep matter for a metric: gathers the runs, and hands the numbers to a worker."""

from collections.abc import Sequence

from mlops_desk.base import wire
from mlops_desk.base.errors import Invalid, NotFound
from mlops_desk.base.process import run_worker
from mlops_desk.base.text import plain
from mlops_desk.records.model import Run
from mlops_desk.records.registry.run_window import Importance
from mlops_desk.registry.comparing.parameters import table_of

_WORKER = "mlops_desk.registry.comparing.importance_worker"
_SECONDS = 60.0  # chosen: scikit-learn loads in two, and a forest on 5,000 runs takes ten on a slow core
MOST_RUNS = 5000  # chosen: more runs don't change the order, and cost seconds
_ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}  # a core is enough, and the others are people's


def importance_of(runs: Sequence[Run], metric: str) -> list[Importance]:
    """Return the parameters, the most important first. Raises NotFound where no run has the metric."""
    table = table_of(runs, metric)
    if not table.targets:
        if not runs:
            raise NotFound("No run passes the filter.", "Name another experiment or filter.")
        known = sorted({name for run in runs for name in run.metrics})
        hint = f"They have {', '.join(map(plain, known[:5]))}." if known else "They have logged no metric."
        raise NotFound(f"None of {len(runs):,} runs has a finite value of {plain(metric)}.", hint)
    if not table.params:
        return []
    answer = run_worker(_WORKER, wire.to_builtins(table), _SECONDS, _ENVIRONMENT)
    found = wire.from_builtins(answer, list[Importance])
    return sorted(found, key=lambda one: (one.importance is None, -(one.importance or 0.0), one.name))


def checked_metric(metric: str) -> str:
    """Return a metric's name, with or without ``metrics.`` before it. Raises Invalid."""
    name = metric.strip().removeprefix("metrics.")
    if not name:
        raise Invalid("The metric is missing.", "Name one: --metric auc")
    return name
