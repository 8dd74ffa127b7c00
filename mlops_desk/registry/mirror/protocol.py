"""What the rest of the program asks of a registry that it reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.registry.records.run_window import RunColumn, RunGroup, RunWindow
from mlops_desk.registry.records.version_hit import ModelCard, VersionsFound


@dataclass(frozen=True, slots=True)
class WindowAsked:
    """Which part of which runs. ``experiments`` are names (none: all of them); ``filter`` is of either form.

    ``sort`` are keys as ``metrics.auc:desc``, the first counting most; ``columns`` as ``metrics.auc:max``. ``nested``:
    runs stand below the run that they were started by.
    """

    experiments: tuple[str, ...] = ()
    filter: str = ""
    sort: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    offset: int = 0
    limit: int = 100
    nested: bool = False


@dataclass(frozen=True, slots=True)
class RunsFound:
    """``is_loading``: not all runs were read yet, and none is told."""

    runs: tuple[Run, ...]
    is_loading: bool = False


@dataclass(frozen=True, slots=True)
class GroupsFound:
    """``is_loading``: not all that they are made of was read yet, and none is told."""

    groups: tuple[RunGroup, ...]
    is_loading: bool = False


class MirrorClient(Protocol):
    """One registry, to be read. Everything raises DeskErrors; any thread may ask."""

    def window(self, asked: WindowAsked) -> RunWindow:
        """Return the rows and columns on screen. Raises NotFound for an experiment, Invalid for filter and keys."""
        ...

    def runs(self, asked: WindowAsked, *, strict: bool = False) -> list[Run]:
        """Return whole runs of a window. ``strict``: the filter is MLflow's, and what MLflow refuses is refused.

        It waits until all runs were read: what a program lists is never a part.
        """
        ...

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        """Return whole runs in the order asked, deleted ones too. Raises NotFound."""
        ...

    def columns(self, experiments: Sequence[str], filter_text: str) -> list[RunColumn]:
        """List what the runs that pass the filter have: metrics, params and tags, each by name."""
        ...

    def groups(
        self, experiments: Sequence[str], filter_text: str, by: Sequence[str], metrics: Sequence[str]
    ) -> list[RunGroup]:
        """Return the runs that pass the filter by what they have in common, the largest groups first.

        ``metrics`` are names, and may say which value (``auc:max``). It waits until all that it needs was read.
        """
        ...

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        """Return how a metric went in each of the runs (see Reader.curves)."""
        ...

    def run(self, run_id: str) -> Run: ...

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]: ...

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        """Return what runs were given and gave, deleted ones too; those that are gone are left out."""
        ...

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        """Return models as runs logged them; those that are gone are left out."""
        ...

    def experiments(self) -> list[Experiment]: ...

    def models(self) -> list[Model]: ...

    def model(self, name: str) -> Model: ...

    def versions(self, name: str) -> list[ModelVersion]:
        """List a model's versions, newest first. Raises NotFound."""
        ...

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        """List the versions that a run registered, oldest first."""
        ...

    def search(self, query: str, limit: int) -> VersionsFound:
        """Find versions of all models, the newest first, as far as they are known. Raises Invalid, with the place."""
        ...

    def without_files(self, query: str, most: int) -> list[ModelVersion]:
        """List versions that a query may be about and of which nobody has told what their files say, newest first."""
        ...

    def take_files(self, glances: Sequence[FileGlance]) -> None:
        """Take what the files of versions say, so that it is searched and shown."""
        ...

    def cards(self) -> list[ModelCard]:
        """List the models by name, without what only the desk knows (endpoints and drift)."""
        ...
