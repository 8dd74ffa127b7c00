"""Verbs about the model registry: the desk's own tracking server, or any other by its URI."""

from builtins import list as list_of
from typing import Annotated, Protocol

from mlops_desk.records.model import DatasetInput, Model, ModelVersion, Registry, Run
from mlops_desk.verbs.declaration import Option, changes, reads


class Models(Protocol):
    """Registered models, versions and aliases. ``uri`` None means the desk's own registry."""

    @reads
    def list(self, uri: str | None = None) -> list_of[Model]:
        """List registered models with their aliases."""
        ...

    @reads
    def versions(self, model: str, uri: str | None = None) -> list_of[ModelVersion]:
        """List a model's versions, newest first."""
        ...

    @reads
    def show(self, model: str, uri: str | None = None) -> Model:
        """Show one model and its aliases."""
        ...

    @changes(before="show")
    def alias(
        self, model: str, alias: str, version: Annotated[str, Option("VERSION")], uri: str | None = None
    ) -> Model:
        """Point ALIAS of MODEL at a version."""
        ...

    @changes(timeout_seconds=180.0)
    def start(self) -> Registry:
        """Start the desk's own tracking server if it does not run, and wait until it answers."""
        ...

    @reads
    def server(self) -> Registry:
        """Tell whether the desk's own tracking server runs, and where it answers."""
        ...


class Runs(Protocol):
    """Runs of experiments, in exactly MLflow's order."""

    @reads
    def list(
        self,
        experiment: Annotated[str, Option("NAME")],
        uri: str | None = None,
        sort: str | None = None,
        limit: int = 100,
    ) -> list_of[Run]:
        """List an experiment's runs; ``sort`` is ``metrics.NAME:desc``, ``params.NAME:asc``, ``start_time:desc``."""
        ...

    @reads
    def show(self, run_id: str, uri: str | None = None) -> Run:
        """Show one run."""
        ...

    @reads
    def datasets(self, run_id: str, uri: str | None = None) -> list_of[DatasetInput]:
        """List the datasets that were logged with a run."""
        ...
