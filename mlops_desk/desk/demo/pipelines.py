"""Pipelines of the demo: all as it is, but that no container answers rows, so how the two models score is made up."""

from collections.abc import Callable

from mlops_desk.records.model import ModelVersion
from mlops_desk.records.pipelines.comparison import ModelCost, ModelEvaluation, PairedScore, Scored
from mlops_desk.records.pipelines.run import PipelineRun

_ROWS = 2400  # chosen: as many as a day of the demo's endpoint brings
_HALF_WIDTH = 0.012  # chosen: about what so many rows leave open of an AUC


def made_up(
    metric: Callable[[str, str], float | None], run: PipelineRun, champion: ModelVersion, challenger: ModelVersion
) -> ModelEvaluation:
    """Score two versions by what their runs have logged, which the demo has made up as well."""
    values = [(metric(one.run_id, run.metric) if one.run_id else None) or 0.0 for one in (champion, challenger)]
    part = ("newest", f"the newest labelled requests of endpoint {run.endpoint}")
    score = scored("roc_auc", part, *values)
    return ModelEvaluation((score,), ModelCost(2_400_000, 100, 0.011), ModelCost(2_430_000, 100, 0.011))


def scored(metric: str, part: tuple[str, str], before: float, after: float) -> PairedScore:
    """Return how two models score: ``part`` is which rows they are, and the same in words."""
    gap = after - before
    return PairedScore(
        part=part[0],
        data=part[1],
        metric=metric,
        read=_ROWS,
        rows=_ROWS,
        champion=_around(before),
        challenger=_around(after),
        difference=Scored(gap, gap - _HALF_WIDTH / 2, gap + _HALF_WIDTH / 2),
        method="delong" if metric == "roc_auc" else "bootstrap",
    )


def _around(value: float) -> Scored:
    return Scored(value, value - _HALF_WIDTH, value + _HALF_WIDTH)
