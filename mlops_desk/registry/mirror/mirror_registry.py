"""A registry that is read from memory; whatever else is asked of it goes to MLflow, when it is asked and not before."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.registry.mirror.column import sort_word
from mlops_desk.registry.mirror.protocol import MirrorClient, WindowAsked
from mlops_desk.registry.mlflow.order import parse_sorts
from mlops_desk.registry.mlflow.pagination import RunsAsked, RunsPage, filter_of
from mlops_desk.registry.protocol import MlflowRegistry
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, MetricCurve, Model, ModelVersion, Run

T = TypeVar("T")

_LONGEST_LIST = 50_000  # MLflow's own limit for one search of runs


class MirroredRegistry(MlflowRegistry):
    """``client`` opens the registry by MLflow, which for the desk's own starts its server: to write, and for files."""

    def __init__(self, mirror: MirrorClient, client: Callable[[], MlflowRegistry]) -> None:
        self._mirror = mirror
        self._client = client

    def models(self) -> list[Model]:
        return self._mirror.models()

    def model(self, name: str) -> Model:
        return self._mirror.model(name)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._mirror.versions(name)

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        return self._mirror.versions_of_run(run_id)

    def experiments(self) -> list[Experiment]:
        return self._mirror.experiments()

    def runs(self, experiment: str, sort: str | None = None, limit: int = 100) -> list[Run]:
        if not 0 < limit <= _LONGEST_LIST:
            raise Invalid(f"The limit must lie between 1 and {_LONGEST_LIST:,}, not {limit}.")
        return self._mirror.runs(WindowAsked((experiment,), "", _sort(sort), (), 0, limit), strict=True)

    def runs_page(self, asked: RunsAsked) -> RunsPage:
        offset = _offset(asked.token)
        found = self._mirror.runs(
            WindowAsked((asked.experiment,), filter_of(asked), _sort(asked.sort), (), offset, asked.limit + 1),
            strict=True,
        )
        goes_on = len(found) > asked.limit
        return RunsPage(tuple(found[: asked.limit]), str(offset + asked.limit) if goes_on else None)

    def run(self, run_id: str) -> Run:
        return self._mirror.run(run_id)

    def metric_curves(self, run_id: str, names: Sequence[str], points: int) -> list[MetricCurve]:
        self.run(run_id)  # a run that is not there is told, where it would have no points
        return [self._curve(run_id, name, points) for name in names]

    def _curve(self, run_id: str, name: str, points: int) -> MetricCurve:
        (told,) = self._mirror.curves([run_id], name, points)
        times = tuple(at / 1000 for at in told.timestamps)
        return MetricCurve(name, told.n_points, told.steps, times, told.values)

    def datasets(self, run_id: str) -> list[DatasetInput]:
        self.run(run_id)
        return list(self._mirror.datasets([run_id]).get(run_id, ()))

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._mirror.origins(run_ids)

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._mirror.logged_models(model_ids)

    def artifacts(self, run_id: str, path: str = "") -> list[Artifact]:
        return self._client().artifacts(run_id, path)

    def log_file(self, run_id: str, file: str, folder: str) -> str:
        return self._client().log_file(run_id, file, folder)

    def _ask(self, kind: type[T] | None, verb: str, **arguments: Any) -> T:
        return self._client()._ask(kind, verb, **arguments)  # noqa: SLF001 - of the same kind as this one


def _sort(sort: str | None) -> tuple[str, ...]:
    return tuple(map(sort_word, parse_sorts(sort)))


def _offset(token: str | None) -> int:
    if token is None or token.isdecimal():
        return int(token or 0)
    raise Invalid("This cursor is not one that a list gave.", "Begin with the first page: leave it out.")
