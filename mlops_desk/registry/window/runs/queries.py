"""What the page asks the agent about runs, in one place: each question with its registry. No Qt here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from mlops_desk.jobs.records.job import Job
from mlops_desk.kit.base.errors import DeskError, Invalid
from mlops_desk.kit.base.text import NAME_LIMIT
from mlops_desk.kit.verbs.desk import ClientLike
from mlops_desk.registry.records.artifact_view import ArtifactView
from mlops_desk.registry.records.comparison import CodeDifference, ComparedValue
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import DatasetInput, Run
from mlops_desk.registry.records.run_window import Importance, RunColumn, RunGroup, RunRow, RunValue, RunWindow
from mlops_desk.registry.records.version_hit import VersionHit
from mlops_desk.registry.verbs.run_owner import job_of_run
from mlops_desk.registry.window.runs.names import METRICS, ColumnName, read
from mlops_desk.registry.window.runs.query import KnownColumns, RunQuestion

# What the agent tells of runs, cut to what a screen can show: in the worker that has asked, before Qt is handed it.
#
# MLflow itself takes names of 250 letters and parameters of 6,000; other trackers take any. No Qt here.

LONGEST = 1000  # letters, chosen: more than a cell or a tool tip shows; of more than this a filter takes the beginning
LONGEST_KEY = 1000  # letters, chosen: four times what MLflow takes; nobody chooses a column by a longer name


def window(told: RunWindow) -> RunWindow:
    """Return a window whose texts are cut; ids stay whole."""
    return replace(told, rows=tuple(map(_row, told.rows)))


def _row(row: RunRow) -> RunRow:
    name = row.name if row.name is None else row.name[: NAME_LIMIT + 1]
    return replace(row, name=name, status=row.status[:NAME_LIMIT], values=tuple(map(_value, row.values)))


def _value(value: RunValue) -> RunValue:
    return value[:LONGEST] if isinstance(value, str) else value


def columns(told: Iterable[RunColumn]) -> tuple[list[RunColumn], int]:
    """Return the columns that can be offered, and how many are left out because of the length of their names."""
    every = list(told)
    kept = [one for one in every if len(one.name) <= LONGEST_KEY]
    return kept, len(every) - len(kept)


def askable(names: Iterable[str]) -> list[str]:
    """Return the names that can be chosen to be drawn or grouped by."""
    return [name for name in names if len(name) <= LONGEST_KEY]


POINTS = 1000  # chosen: of each curve; a plot is hardly wider
_MOST_NESTED = 100  # chosen: more are found in the table, by their parent


@dataclass(frozen=True, slots=True)
class RunStory:
    """One run with what belongs to it. ``untold`` says why a part of it can't be told."""

    run: Run
    datasets: tuple[DatasetInput, ...] = ()
    job: Job | None = None
    nested: tuple[RunRow, ...] = ()
    versions: tuple[VersionHit, ...] = ()
    untold: str = ""


def known_columns(desk: ClientLike, question: RunQuestion) -> KnownColumns:
    """Return what columns the chosen runs have."""
    told, n_too_long = columns(desk.runs.columns(question.experiment_words(), question.uri))
    n_values = {one.name: one.n_values for one in told if one.n_values is not None}
    return KnownColumns(tuple(read(one.name) for one in told), {one.name: one.n_runs for one in told}, n_values,
                        n_too_long)  # fmt: skip


def story(desk: ClientLike, run_id: str, uri: str | None, before: RunStory | None) -> RunStory:
    """Return one run; what can't change once it is over is not asked for again. Raises DeskError for the run itself."""
    run = desk.runs.show(run_id, uri=uri)
    if before is not None and before.run.status == run.status and not before.untold:
        return RunStory(run, before.datasets, before.job, before.nested, before.versions)
    try:
        datasets = tuple(desk.runs.datasets(run_id, uri=uri))
        job = job_of_run(desk, run)
        children = desk.runs.window("", uri, f"tags.`mlflow.parentRunId` = '{run_id}'", "", "", 0, _MOST_NESTED)
        versions = tuple(one for one in desk.models.search(f'run:"{run_id}"', uri) if one.run_id == run_id)
    except DeskError as error:
        return RunStory(run, untold=f"{error.message} {error.hint or ''}".strip())
    return RunStory(run, datasets, job, children.rows, versions)


def compared(desk: ClientLike, run_ids: Sequence[str], uri: str | None) -> list[ComparedValue]:
    """Return what runs have, side by side."""
    return list(desk.runs.compare(list(run_ids), uri=uri))


def code_of(desk: ClientLike, a: str, b: str, uri: str | None) -> CodeDifference:
    """Return how the code of two runs differs."""
    return desk.runs.code(a, b, uri=uri)


def curves(desk: ClientLike, run_ids: Sequence[str], metric: str, uri: str | None) -> list[RunCurve]:
    """Return how a metric went in each of the runs that have it."""
    told = desk.runs.overlay(",".join(run_ids), metric, uri=uri, points=POINTS)
    return [one for one in told if one.values]


def groups(desk: ClientLike, question: RunQuestion, by: ColumnName, metrics: Sequence[ColumnName]) -> list[RunGroup]:
    """Return the runs that are asked for by what they have in common, with how these metrics lie."""
    told = ",".join(str(one).removeprefix(f"{METRICS}.") for one in metrics)
    return list(desk.runs.groups(str(by), question.experiment_words(), question.uri, question.filter, told))


def rows_of(desk: ClientLike, run_ids: Sequence[str], uri: str | None) -> tuple[RunRow, ...]:
    """Return what the table tells of these runs, wherever they stand in it."""
    listed = ", ".join("'" + run_id.replace("'", "''") + "'" for run_id in run_ids)
    return tuple(desk.runs.window("", uri, f"attributes.run_id IN ({listed})", "", "", 0, len(run_ids)).rows)


def is_listed(desk: ClientLike, question: RunQuestion, run_id: str) -> bool:
    """Tell whether a run is of the experiments and passes the filter, in whichever of two forms that is written."""
    forms = (f"attributes.run_id = '{run_id}'", f"id = {run_id}")
    before = question.filter.strip()
    narrowed = [f"{before} and {forms[0]}" if before else forms[0], f"{before} {forms[1]}"]
    try:
        return _has_runs(desk, question, narrowed[0])
    except Invalid:
        return _has_runs(desk, question, narrowed[1])


def _has_runs(desk: ClientLike, question: RunQuestion, narrowed: str) -> bool:
    return desk.runs.window(question.experiment_words(), question.uri, narrowed, "", "", 0, 1).n_matching > 0


def importance(desk: ClientLike, question: RunQuestion, metric: str) -> list[Importance]:
    """Return which parameters have most to do with a metric among the runs that are asked for."""
    return list(desk.runs.importance(question.experiment_words(), metric, question.uri, question.filter))


def file_view(desk: ClientLike, path: str, *, run_id: str, uri: str | None) -> ArtifactView:
    """Return one file as it can be looked at."""
    return desk.runs.artifact(run_id, path, uri=uri)


def saved_file(desk: ClientLike, path: str, folder: str, *, run_id: str, uri: str | None) -> str:
    """Write a file or folder into a folder of this machine; return where it is now."""
    return desk.runs.download(run_id, path, folder, uri=uri).path
