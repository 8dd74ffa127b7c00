"""An MLflow server as a source of runs and models (``Reader``)."""

import posixpath
import queue
import re
from builtins import list as list_of
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from urllib.parse import urlsplit

from mlops_desk.kit.base.errors import Invalid, NotFound, Refused
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.address import host_of
from mlops_desk.registry.location import is_plain_path
from mlops_desk.registry.mlflow.decimation import kept
from mlops_desk.registry.readers.batch import RunBatch, RunChanges, VersionRow
from mlops_desk.registry.readers.metric_points import from_curves
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.reader import TextOrder
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, Model, Run
from mlops_desk.registry.rest import models, origins, run_sync, runs
from mlops_desk.registry.rest.responses import FilesAnswer, HistoryAnswer, OneRun, Point, pages
from mlops_desk.registry.rest.run_sync import Following
from mlops_desk.registry.rest.session import QUESTION_SECONDS, AnswerLimits, RestSession

# Lists what runs and models have left, a folder at a time, as the server sees it: also what it could not serve.
_PROXIED = "/api/2.0/mlflow-artifacts/artifacts"
_OF_RUN = "/api/2.0/mlflow/artifacts/list"
_OF_MODEL = "/api/2.0/mlflow/logged-models/{}/artifacts/directories"
_RUN_AT_END = re.compile(r"/([0-9a-f]{32})/artifacts/?$")
_MODEL_AT_END = re.compile(r"/(m-[0-9a-f]{32})/artifacts/?$")
_MOST = 1000  # chosen: more of one folder nobody reads


def artifacts(session: RestSession, uri: str, artifact_uri: str, path: str) -> list_of[Artifact]:
    """List a folder of the files at ``artifact_uri``, on the server at ``uri``. Raises DeskErrors."""
    if not is_plain_path(path):
        raise Refused(f"{plain(path)!r} is no folder of these files.")
    split = urlsplit(artifact_uri)
    if split.scheme == "mlflow-artifacts":
        if split.netloc and host_of(f"{urlsplit(uri).scheme}://{split.netloc}") != host_of(uri):
            raise Refused(f"The server sends us to another host for the files, {plain(split.netloc)}.")
        root = split.path.strip("/")
        if not is_plain_path(root):
            raise Refused(f"{plain(artifact_uri)!r} is no place of files.")
        return _listed(session, _PROXIED, {"path": posixpath.join(root, path) if path else root}, path)
    if run := _RUN_AT_END.search(artifact_uri):
        return _listed(session, _OF_RUN, {"run_id": run[1], **({"path": path} if path else {})}, None)
    if model := _MODEL_AT_END.search(artifact_uri):
        asked = {"artifact_directory_path": path} if path else {}
        return _listed(session, _OF_MODEL.format(model[1]), asked, None)
    text = f"The files are said to lie at {plain(artifact_uri)}, which the server can't be asked to list."
    raise Refused(text, "Look there with the program that the place belongs to.")


def _listed(session: RestSession, address: str, asked: dict[str, str], below: str | None) -> list_of[Artifact]:
    """``below``: the paths of the answer are told from this folder on, and not from the files' root."""
    found: list_of[Artifact] = []
    for answer in pages(lambda token: session.get(address, FilesAnswer, {**asked, **token})):
        for one in answer.files:
            if not one.path or not is_plain_path(one.path):
                continue  # a name that leads elsewhere is none of a file
            path = posixpath.join(below, one.path) if below else one.path
            found.append(Artifact(path, one.is_dir, None if one.is_dir else one.file_size))
        if len(found) >= _MOST:
            break
    return sorted(found, key=lambda one: (not one.is_folder, one.path))[:_MOST]


# How metrics went, from a server: whole where it gives so many points, never a sample that could lack the extremes.
# A server that is asked for many runs at once gives at most 2,500 points of each, taken evenly. A run of which so
# many came is read again, whole, page by page, and thinned out here.
_BULK = "/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval"
_ONE = "/api/2.0/mlflow/metrics/get-history"
_MOST_RUNS = 100  # MLflow's limit
_MOST_POINTS = 2500  # MLflow's limit for each run
_SUSPECT_POINTS = _MOST_POINTS // 2
"""Servers before 3.11 take every n-th step, so that of 2,501 steps 1,251 come."""
_PAGE = 25_000  # MLflow's limit
_LARGEST_STEP = 2**63 - 1  # of 64 bits, as a step is stored


def curves(
    session: RestSession, run_ids: Sequence[str], metric: str, points: int, since: str | None
) -> list_of[RunCurve]:
    """Return how a metric went in each run, in the order asked; those without it are empty. Raises DeskErrors."""
    if since is not None and len(run_ids) == 1:
        return [_newer(session, run_ids[0], metric, points, since)]
    found: dict[str, list_of[Point]] = {}
    for start in range(0, len(run_ids), _MOST_RUNS):
        found |= _some(session, run_ids[start : start + _MOST_RUNS], metric)
    ordered = [(run_id, _ordered(found.get(run_id, []))) for run_id in run_ids]
    return [_curve(run_id, metric, one, points, _mark(one)) for run_id, one in ordered]


def _some(session: RestSession, run_ids: Sequence[str], metric: str) -> dict[str, list_of[Point]]:
    try:
        found = _bulk(session, {"run_ids": list(run_ids), "metric_key": metric, "max_results": _MOST_POINTS})
    except NotFound:  # one that is gone makes the server refuse all
        return {} if len(run_ids) == 1 else _halves(session, run_ids, metric)
    return {
        run_id: _whole(session, run_id, metric) if len(of_one) >= _SUSPECT_POINTS else of_one
        for run_id, of_one in found.items()
    }


def _halves(session: RestSession, run_ids: Sequence[str], metric: str) -> dict[str, list_of[Point]]:
    middle = len(run_ids) // 2
    return _some(session, run_ids[:middle], metric) | _some(session, run_ids[middle:], metric)


def _bulk(session: RestSession, parameters: dict[str, object]) -> dict[str, list_of[Point]]:
    of_runs: dict[str, list_of[Point]] = defaultdict(list)
    for point in session.get(_BULK, HistoryAnswer, parameters).metrics:
        of_runs[point.run_id].append(point)
    return of_runs


def _whole(session: RestSession, run_id: str, metric: str) -> list_of[Point]:
    asked = {"run_id": run_id, "metric_key": metric, "max_results": _PAGE}
    found = pages(lambda token: session.get(_ONE, HistoryAnswer, {**asked, **token}))
    return [point for answer in found for point in answer.metrics]


def _newer(session: RestSession, run_id: str, metric: str, points: int, since: str) -> RunCurve:
    """Return what was logged from the marked step on, less what was known of it. A lower step is seen when all is."""
    step, known = _read_mark(since)
    of_steps = {"start_step": step, "end_step": _LARGEST_STEP, "max_results": _MOST_POINTS}
    found = _bulk(session, {"run_ids": [run_id], "metric_key": metric, **of_steps}).get(run_id, [])
    if len(found) >= _SUSPECT_POINTS:
        found = [point for point in _whole(session, run_id, metric) if point.step >= step]
    ordered = _ordered(found)
    return _curve(run_id, metric, ordered[known:], points, _mark(ordered) or since)


def _curve(run_id: str, metric: str, found: Sequence[Point], points: int, mark: str | None) -> RunCurve:
    """``found`` is in its order."""
    shown = [found[place] for place in kept([point.value for point in found], points)]
    return RunCurve(
        run_id,
        metric,
        len(found),
        tuple(point.step for point in shown),
        tuple(point.timestamp for point in shown),
        tuple(point.value for point in shown),
        mark,
    )


def _ordered(found: Sequence[Point]) -> list_of[Point]:
    return sorted(found, key=lambda point: (point.step, point.timestamp))


def _mark(ordered: Sequence[Point]) -> str | None:
    """Return the last step, and how many points it has so far: more may be logged at the same one."""
    if not ordered:
        return None
    last = ordered[-1].step
    return f"{last}:{sum(point.step == last for point in ordered)}"


def _read_mark(since: str) -> tuple[int, int]:
    step, _, known = since.partition(":")
    try:
        return int(step), int(known)
    except ValueError as error:
        raise Invalid("This is no mark of a curve.", "Ask for the whole curve.") from error


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
        return run_sync.experiments(self._session)

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
        return curves(self._session, run_ids, metric, points, since)

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
        return artifacts(self._session, self._source.uri, artifact_uri, path.strip("/"))

    def count_runs(self) -> Iterator[int]:
        return run_sync.count_runs(self._session)

    def count_models(self) -> Iterator[int]:
        return models.count_models(self._session)

    def close(self) -> None:
        self._session.close()
        self._listing.close()
