"""Verbs about the runs of a registry."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.kit.verbs.declaration import CURSOR, AbsolutePath, Moment, Option, Who, Word, changes, reads
from mlops_desk.registry.verbs.models import DOWNLOAD_SECONDS, TAG_EXPECTED, TAG_VALUE, Uri

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.kit.records.list_page import ListPage
    from mlops_desk.registry.records.artifact_view import ArtifactView, Downloaded
    from mlops_desk.registry.records.comparison import CodeDifference, ComparedValue
    from mlops_desk.registry.records.curve import RunCurve
    from mlops_desk.registry.records.labels import Labels, RunStage
    from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, Run, RunBrief, RunMetrics
    from mlops_desk.registry.records.run_window import Importance, RunColumn, RunGroup, RunWindow

SORT = Option("KEYS", "metrics.NAME:desc, params.NAME:asc, tags.NAME:asc, start_time:desc …, with commas between them")
EXPERIMENT = Option("NAME", "the experiment; runs experiments lists them")
EXPERIMENT_OR_ALL = Option("NAME", "the experiment, without it all of them; runs experiments lists them")
LIMIT = Option("N", "list at most so many, 1 to 50000")
KEY = Option("NAME", "only this metric; runs show lists them")
POINTS = Option("N", "of each metric at most so many points, 10 to 5000")
_TEAMS = "MLflow knows no owner of a run: a registry is its team's, and the audit trail has who changed what"
_MANY_SECONDS = 300.0  # a thousand runs, one after the other
MLFLOWS = Option("FILTER", "only runs that pass MLflow's filter: \"metrics.auc > 0.9 and params.model = 'cnn'\"")
OFFSET = Option("N", "leave out the first N")
EXPERIMENTS = Option("NAMES", "experiments, commas between them, those that have one in backticks")
FILTER = Option("FILTER", "as people type it (auc > 0.9 and lr < 0.01 resnet), or MLflow's filter")
SORTS = Option("KEYS", "metrics.NAME:desc, duration, metrics.NAME:max:desc …, with commas between them")
COLUMNS = Option("NAMES", "metrics.NAME, metrics.NAME:min, metrics.NAME:step=10, params.NAME …, with commas")
BY = Option("NAMES", "params.NAME, tags.NAME, status …, with commas between them")
METRICS = Option("NAMES", "tell how these metrics lie in each group: NAME, NAME:max …, with commas")
METRIC = Option("NAME", "name of the metric")
CURVE_POINTS = Option("N", "at most so many points of a curve, 2 to 25000")
SINCE_MARK = Option("MARK", "only what was logged since: the mark of the curve before, of a single run")
Experiments = Annotated[str, EXPERIMENTS]
Filter = Annotated[str, FILTER]
FOLDER = Word("FOLDER", "what lies in this folder of them")


class Runs(Protocol):
    """Runs of experiments, in exactly MLflow's order."""

    @reads
    def list(
        self,
        experiment: Annotated[str, EXPERIMENT_OR_ALL] = "",
        uri: Uri = None,
        sort: Annotated[str | None, SORT] = None,
        limit: Annotated[int, LIMIT] = 100,
        filter: Annotated[str | None, MLFLOWS] = None,  # noqa: A002 - the word of the command line
        offset: Annotated[int, OFFSET] = 0,
    ) -> "list_of[Run]":
        """List runs of one experiment or of all, in MLflow's order; without a sort key the newest first."""
        ...

    @reads
    def window(
        self,
        experiment: Experiments = "",
        uri: Uri = None,
        filter: Filter = "",  # noqa: A002 - the word of the command line
        sort: Annotated[str, SORTS] = "",
        columns: Annotated[str, COLUMNS] = "",
        offset: Annotated[int, OFFSET] = 0,
        limit: int = 100,
        nested: bool = False,
    ) -> "RunWindow":
        """Show a part of a table of runs: some rows, some columns, and how many runs pass the filter.

        ``nested``: runs stand below the run that they were started by.
        """
        ...

    @reads
    def columns(
        self,
        experiment: Experiments = "",
        uri: Uri = None,
        filter: Filter = "",  # noqa: A002 - the word of the command line
    ) -> "list_of[RunColumn]":
        """List the metrics, parameters and tags that runs have, with how many have each."""
        ...

    @reads
    def groups(
        self,
        by: Annotated[str, BY],
        experiment: Experiments = "",
        uri: Uri = None,
        filter: Filter = "",  # noqa: A002 - the word of the command line
        metrics: Annotated[str, METRICS] = "",
    ) -> "list_of[RunGroup]":
        """List runs by what they have in common, the largest groups first, with how their metrics lie."""
        ...

    @reads
    def page(
        self,
        experiment: Annotated[str, EXPERIMENT],
        uri: Uri = None,
        status: str | None = None,
        since: Annotated[float | None, Moment()] = None,
        sort: Annotated[str | None, SORT] = None,
        limit: int = 100,
        cursor: Annotated[str | None, CURSOR] = None,
    ) -> "ListPage[RunBrief]":
        """List a page of an experiment's runs in brief, in MLflow's order, optionally of one status or since a time."""
        ...

    @reads
    def experiments(self, uri: Uri = None) -> "list_of[Experiment]":
        """List the experiments that have runs to list."""
        ...

    @reads
    def show(self, run_id: str, uri: Uri = None) -> "Run":
        """Show one run."""
        ...

    @reads
    def metrics(
        self, run_id: str, key: Annotated[str | None, KEY] = None, uri: Uri = None, points: Annotated[int, POINTS] = 500
    ) -> "RunMetrics":
        """Show how a run's metrics went, point by point; of a long one what a drawing of it needs.

        Without a key the first 20 by name, those of the system last. The newest value is always there.
        """
        ...

    @reads
    def artifacts(self, run_id: str, path: Annotated[str, FOLDER] = "", uri: Uri = None) -> "list_of[Artifact]":
        """List the files that a run has left with its registry, folder by folder."""
        ...

    @reads
    def artifact(self, run_id: str, path: str, uri: Uri = None) -> "ArtifactView":
        """Look at a file that a run has left. Nothing in it is run, and of a large one the beginning is shown."""
        ...

    @changes(who=Who.ADMINISTRATOR, timeout_seconds=DOWNLOAD_SECONDS)
    def download(
        self, run_id: str, path: str, folder: Annotated[str, AbsolutePath("FOLDER")], uri: Uri = None
    ) -> "Downloaded":
        """Fetch a file or folder that a run has left into a folder here; nothing there is written over."""
        ...

    @reads
    def datasets(self, run_id: str, uri: Uri = None) -> "list_of[DatasetInput]":
        """List the datasets that were logged with a run."""
        ...

    @reads
    def compare(self, run_ids: "list_of[str]", uri: Uri = None) -> "list_of[ComparedValue]":
        """Show in what runs differ: metrics, parameters, tags, data, environment, signature and code."""
        ...

    @reads
    def code(self, a: str, b: str, uri: Uri = None) -> "CodeDifference":
        """Show how the code of two runs differs, where it is kept: of jobs that have a source."""
        ...

    @reads
    def curves(
        self,
        run_id: str,
        metric: Annotated[str, METRIC],
        uri: Uri = None,
        points: Annotated[int, CURVE_POINTS] = 2500,
    ) -> "RunCurve":
        """Show how a metric of a run went; the least and the largest value are always there."""
        ...

    @reads
    def overlay(
        self,
        run_ids: str,
        metric: Annotated[str, METRIC],
        uri: Uri = None,
        points: Annotated[int, CURVE_POINTS] = 1000,
        since: Annotated[str, SINCE_MARK] = "",
    ) -> "list_of[RunCurve]":
        """Show how one metric went in several runs (ids with commas between them)."""
        ...

    @reads
    def importance(
        self,
        experiment: Experiments,
        metric: Annotated[str, METRIC],
        uri: Uri = None,
        filter: Filter = "",  # noqa: A002 - the word of the command line
    ) -> "list_of[Importance]":
        """Tell which parameters have most to do with a metric, among the runs of experiments; at least ten of them."""
        ...

    @reads
    def labels(self, run_id: str, uri: Uri = None) -> "Labels":
        """Show the tags and the description of a run; those that MLflow keeps for itself are left out."""
        ...

    @changes(before="labels", why=_TEAMS)
    def tag(
        self,
        run_id: str,
        key: str,
        value: Annotated[str | None, TAG_VALUE] = None,
        uri: Uri = None,
        expected: Annotated[str | None, TAG_EXPECTED] = None,
    ) -> "Labels":
        """Write a tag of a run, or take it away; and say how it is put back."""
        ...

    @changes(before="labels", why=_TEAMS)
    def describe(
        self, run_id: str, text: str, uri: Uri = None, expected: Annotated[str | None, TAG_EXPECTED] = None
    ) -> "Labels":
        """Write the description of a run; and say how it is put back."""
        ...

    @reads
    def stages(self, run_ids: "list_of[str]", uri: Uri = None) -> "list_of[RunStage]":
        """Tell of runs whether they are deleted."""
        ...

    @changes(before="stages", why=_TEAMS, timeout_seconds=_MANY_SECONDS)
    def delete(self, run_ids: "list_of[str]", uri: Uri = None) -> "list_of[RunStage]":
        """Delete runs; until they are purged (mlflow gc), runs restore brings them back. Running ones are left."""
        ...

    @changes(before="stages", why=_TEAMS, timeout_seconds=_MANY_SECONDS)
    def restore(self, run_ids: "list_of[str]", uri: Uri = None) -> "list_of[RunStage]":
        """Bring deleted runs back."""
        ...
