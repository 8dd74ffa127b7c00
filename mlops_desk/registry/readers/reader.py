"""What is asked of a source. Every reader is used by one thread, in a child process that may be killed at any time.

Reading changes nothing at the source, keeps no transaction open between two calls, and none longer than 50 ms where
a writer would have to wait for it. Everything raises DeskErrors.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from mlops_desk.registry.readers.batch import RunBatch, RunChanges, VersionRow
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.model import Artifact, DatasetInput, Experiment, Model, Run

TextOrder = Callable[[Sequence[str]], Sequence[str]]
"""Returns different texts in their order. Raises DeskErrors."""


class Reader(Protocol):
    """One source of runs; those without models have empty lists of them."""

    via: str
    """How it is read: sql, rest or files."""
    schema: str | None
    """The store's Alembic revision, where there is one."""
    text_order: TextOrder | None
    """How the source sorts texts, where that is not by code points (a database has the rules of some language)."""

    def experiments(self) -> list[Experiment]:
        """List the active experiments, by name."""
        ...

    def mark(self) -> str:
        """Return where ``changes`` begins to look; it is taken before the first batch is read."""
        ...

    def batches(self) -> Iterator[RunBatch]:
        """Yield all runs, the newest first, the first batch small (a screenful): each ``next`` reads at most 50 ms."""
        ...

    def changes(self, mark: str) -> RunChanges:
        """Return what happened since ``mark``. Cheap where nothing did."""
        ...

    def run(self, run_id: str) -> Run:
        """Return one run, deleted or not. Raises NotFound."""
        ...

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        """Return the datasets that were logged with each of these runs."""
        ...

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        """Return how a metric went in each run, at most ``points`` of each, in the order asked; none: an empty curve.

        ``since`` (a curve's mark, for a single run): only what was logged after it.
        """
        ...

    def metric_values(
        self, run_ids: Sequence[str], metric: str, which: str, step: int | None = None
    ) -> Mapping[str, float]:
        """Return the least, largest or first value of a metric (``which``: min, max, first), or that at a step (step).

        NaN is none of them, but where it is first or at that step; several values at one step: the latest. A run
        without such a value is left out. Whoever asks for many runs asks for 500 at a time.
        """
        ...

    def models(self) -> list[Model]:
        """List all registered models, by name, with their aliases."""
        ...

    def versions(self) -> list[VersionRow]:
        """List all versions of all models, each with its aliases and tags; of a model the newest first."""
        ...

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        """Return what runs were given and gave, deleted ones too; those that are gone are left out."""
        ...

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        """Return models as runs logged them; those that are gone are left out."""
        ...

    def artifacts(self, artifact_uri: str, path: str) -> list[Artifact]:
        """List one folder of files, folders first, then by name. Raises Refused for what lies outside."""
        ...

    def count_runs(self) -> Iterator[int]:
        """Yield how many runs there are at least (not deleted, of active experiments); the last number is all."""
        ...

    def count_models(self) -> Iterator[int] | None:
        """Yield how many registered models there are at least; None where a source of this kind has none."""
        ...

    def close(self) -> None: ...
