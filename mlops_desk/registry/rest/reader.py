"""An MLflow server as a source of runs and models (``Reader``)."""

import queue
from builtins import list as list_of
from collections.abc import Iterator, Mapping, Sequence

from mlops_desk.base.errors import NotFound
from mlops_desk.records.model import Artifact, DatasetInput, Experiment, Model, Run
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.registry.reading.batch import RunBatch, RunChanges, VersionRow
from mlops_desk.registry.reading.origins import LoggedModel, RunOrigin
from mlops_desk.registry.reading.reader import TextOrder
from mlops_desk.registry.reading.source import RegistrySource
from mlops_desk.registry.reading.spots import from_curves
from mlops_desk.registry.rest import files, histories, listing, models, origins, runs
from mlops_desk.registry.rest.following import Following
from mlops_desk.registry.rest.session import QUESTION_SECONDS, AnswerLimits, RestSession
from mlops_desk.registry.rest.shapes import OneRun

_RUN = "/api/2.0/mlflow/runs/get"
_STEP_SECONDS = 0.05  # what a reader may take before others have their turn


class RestReader:
    """Reads the server of ``source``. Its runs are read by a thread, so that nobody waits for a slow page."""

    via = "rest"
    schema: str | None = None
    text_order: TextOrder | None = None

    def __init__(self, source: RegistrySource, limits: AnswerLimits | None = None) -> None:
        self._source = source
        self._session = RestSession(source, limits or AnswerLimits(QUESTION_SECONDS))
        self._listing = RestSession(source, limits or AnswerLimits())  # nobody waits for it
        self._following = Following(self._listing)
        self._mark = 0

    def experiments(self) -> list_of[Experiment]:
        return listing.experiments(self._session)

    def mark(self) -> str:
        return str(self._mark)

    def batches(self) -> Iterator[RunBatch]:
        """Yield the runs as they come; an empty batch where none has come in time."""
        self._following.start()
        while True:
            try:
                found = self._following.next_page(_STEP_SECONDS)
            except queue.Empty:
                yield runs.EMPTY
                continue
            if found is None:
                return
            yield found

    def changes(self, mark: str) -> RunChanges:
        """Return what the thread has found since it was asked last; each piece of news is told once."""
        if mark != str(self._mark):
            return RunChanges(str(self._mark), everything=True)
        news = self._following.news()
        if not news:
            return RunChanges(mark)
        self._mark += 1
        return RunChanges(
            str(self._mark),
            tuple(batch for one in news for batch in one.batches),
            tuple(run_id for one in news for run_id in one.gone),
            models_changed=any(one.models_changed for one in news),
        )

    def run(self, run_id: str) -> Run:
        return runs.record(self._session.get(_RUN, OneRun, {"run_id": run_id}).run)

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return {run_id: self._datasets(run_id) for run_id in run_ids}

    def _datasets(self, run_id: str) -> list_of[DatasetInput]:
        try:
            found = self._session.get(_RUN, OneRun, {"run_id": run_id}).run
        except NotFound:
            return []
        return [runs.dataset(one) for one in found.inputs.dataset_inputs]

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list_of[RunCurve]:
        return histories.curves(self._session, run_ids, metric, points, since)

    def metric_values(
        self, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
    ) -> Mapping[str, float]:
        return from_curves(self, run_ids, metric, which, step)

    def models(self) -> list_of[Model]:
        return models.models(self._session)

    def versions(self) -> list_of[VersionRow]:
        return models.versions(self._session)

    def origins(self, run_ids: Sequence[str]) -> list_of[RunOrigin]:
        return origins.origins(self._session, run_ids)

    def logged_models(self, model_ids: Sequence[str]) -> list_of[LoggedModel]:
        return origins.logged_models(self._session, model_ids)

    def artifacts(self, artifact_uri: str, path: str) -> list_of[Artifact]:
        return files.artifacts(self._session, self._source.uri, artifact_uri, path.strip("/"))

    def count_runs(self) -> Iterator[int]:
        return listing.count_runs(self._session)

    def count_models(self) -> Iterator[int]:
        return models.count_models(self._session)

    def close(self) -> None:
        self._session.close()
        self._listing.close()
