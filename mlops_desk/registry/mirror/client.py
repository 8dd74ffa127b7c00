"""A MirrorClient that asks the process in which a registry is kept in memory."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from mlops_desk.base.errors import TimedOut
from mlops_desk.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.records.registry.run_window import RunColumn, RunGroup, RunWindow
from mlops_desk.records.registry.version_hit import ModelCard, VersionHit
from mlops_desk.registry.mirror.mirrors import Mirrors
from mlops_desk.registry.mirror.protocol import RunsFound, WindowAsked
from mlops_desk.registry.reading.source import RegistrySource

_WHOLE_SECONDS = 50.0  # chosen: below the deadline of a verb; a store of a million runs is read in it
_PAUSE_SECONDS = 0.05  # chosen: so often one looks whether all runs were read
_CURVES_SECONDS = 30.0  # chosen: curves of many runs from a store without the index for them


class ChildMirror:
    """Implements MirrorClient."""

    def __init__(self, mirrors: Mirrors, source: RegistrySource) -> None:
        self._mirrors = mirrors
        self._source = source

    def window(self, asked: WindowAsked) -> RunWindow:
        return self._ask("window", asked)

    def runs(self, asked: WindowAsked, *, strict: bool = False) -> list[Run]:
        deadline = time.monotonic() + _WHOLE_SECONDS
        while True:
            found: RunsFound = self._ask("runs", asked, strict)
            if not found.is_loading:
                return list(found.runs)
            if time.monotonic() > deadline:
                text = f"{self._source.shown} was not read whole within {_WHOLE_SECONDS:g} s."
                raise TimedOut(text, "It goes on being read: ask again in a moment.")
            time.sleep(_PAUSE_SECONDS)

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        return self._ask("runs_of", list(run_ids))

    def columns(self, experiments: Sequence[str], filter_text: str) -> list[RunColumn]:
        return self._ask("columns", list(experiments), filter_text)

    def groups(
        self, experiments: Sequence[str], filter_text: str, by: Sequence[str], metrics: Sequence[str]
    ) -> list[RunGroup]:
        return self._ask("groups", list(experiments), filter_text, list(by), list(metrics))

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        return self._ask("curves", list(run_ids), metric, points, since, seconds=_CURVES_SECONDS)

    def run(self, run_id: str) -> Run:
        return self._ask("run", run_id)

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return self._ask("datasets", list(run_ids))

    def experiments(self) -> list[Experiment]:
        return self._ask("experiments")

    def models(self) -> list[Model]:
        return self._ask("models")

    def model(self, name: str) -> Model:
        return self._ask("model", name)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._ask("versions", name)

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        return self._ask("versions_of_run", run_id)

    def search(self, query: str, limit: int) -> list[VersionHit]:
        return self._ask("search", query, limit)

    def cards(self) -> list[ModelCard]:
        return self._ask("cards")

    def _ask(self, verb: str, *arguments: Any, seconds: float | None = None) -> Any:
        if seconds is None:
            return self._mirrors.ask(self._source, verb, arguments)
        return self._mirrors.ask(self._source, verb, arguments, seconds)
