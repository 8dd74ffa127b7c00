"""One look at a run: what of it is asked for each time, and what only once it has changed. No Qt here.

The whole of a run's curves is read only when its newest values are others than at the look before; what it was given,
and what it has left, at the first look and once it is over.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from mlops_desk.base.errors import DeskError
from mlops_desk.records.model import Artifact, DatasetInput, MetricCurve, Run
from mlops_desk.ui.jobs.detail.metrics import missing
from mlops_desk.verbs.desk import ClientLike

POINTS = 600  # chosen: a chart is hardly wider


@dataclass(frozen=True, slots=True)
class RunLook:
    """What is known of a run. ``untold``: why a part of it can't be told.

    ``read`` are the newest values when its curves were read, ``told`` its status when its files were; None: not yet.
    """

    run: Run
    curves: dict[str, MetricCurve] = field(default_factory=dict)
    datasets: tuple[DatasetInput, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    read: dict[str, str] | None = None
    told: str | None = None
    untold: str = ""


def look(desk: ClientLike, run_id: str, before: RunLook | None, wanted: Sequence[str]) -> RunLook:
    """Ask what has changed of a run since ``before``; ``wanted`` metrics have a curve even if they are far behind.

    Raises DeskError where the run itself can't be told.
    """
    now = RunLook(desk.runs.show(run_id)) if before is None else replace(before, run=desk.runs.show(run_id), untold="")
    newest = {name: repr(value) for name, value in now.run.metrics.items()}  # NaN is the same as NaN so
    try:
        if now.read != newest:
            curves = {curve.name: curve for curve in desk.runs.metrics(run_id, points=POINTS).curves}
            now = replace(now, curves=curves, read=newest)
        for name in missing([name for name in wanted if name in now.run.metrics], now.curves):
            found = desk.runs.metrics(run_id, name, points=POINTS).curves
            now = replace(now, curves={**now.curves, **{curve.name: curve for curve in found}})
        if now.told != now.run.status:
            given, left = tuple(desk.runs.datasets(run_id)), tuple(desk.runs.artifacts(run_id))
            now = replace(now, datasets=given, artifacts=left, told=now.run.status)
    except DeskError as error:
        return replace(now, untold=f"{error.message} {error.hint or ''}".strip())
    return now
