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
    gap = values[1] - values[0]
    score = PairedScore(
        part="newest",
        data=f"the newest labelled requests of endpoint {run.endpoint}",
        metric="roc_auc",
        read=_ROWS,
        rows=_ROWS,
        champion=_around(values[0]),
        challenger=_around(values[1]),
        difference=Scored(gap, gap - _HALF_WIDTH / 2, gap + _HALF_WIDTH / 2),
        method="delong",
    )
    return ModelEvaluation((score,), ModelCost(2_400_000, 100, 0.011), ModelCost(2_430_000, 100, 0.011))


def _around(value: float) -> Scored:
    return Scored(value, value - _HALF_WIDTH, value + _HALF_WIDTH)
