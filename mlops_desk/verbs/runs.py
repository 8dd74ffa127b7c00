"""Verbs about the runs of a registry."""

from typing import TYPE_CHECKING, Annotated, Protocol

from mlops_desk.verbs.declaration import CURSOR, Moment, Option, reads
from mlops_desk.verbs.models import Uri

if TYPE_CHECKING:
    from builtins import list as list_of

    from mlops_desk.records.list_page import ListPage
    from mlops_desk.records.model import Artifact, DatasetInput, Experiment, Run, RunBrief, RunMetrics

SORT = Option("KEY", "metrics.NAME:desc, params.NAME:asc, tags.NAME:asc or start_time:desc")
EXPERIMENT = Option("NAME", "the experiment; runs experiments lists them")
LIMIT = Option("N", "list at most so many, 1 to 50000")
KEY = Option("NAME", "only this metric; runs show lists them")
POINTS = Option("N", "of each metric at most so many points, 10 to 5000")
FOLDER = Option("FOLDER", "what lies in this folder of them")


class Runs(Protocol):
    """Runs of experiments, in exactly MLflow's order."""

    @reads
    def list(
        self,
        experiment: Annotated[str, EXPERIMENT],
        uri: Uri = None,
        sort: Annotated[str | None, SORT] = None,
        limit: Annotated[int, LIMIT] = 100,
    ) -> "list_of[Run]":
        """List an experiment's runs, in MLflow's order; without a sort key the newest first."""
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
    def datasets(self, run_id: str, uri: Uri = None) -> "list_of[DatasetInput]":
        """List the datasets that were logged with a run."""
        ...
