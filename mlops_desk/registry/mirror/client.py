"""A MirrorClient that asks the process in which a registry is kept in memory."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from mlops_desk.kit.base.errors import TimedOut
from mlops_desk.registry.mirror.mirrors import ANSWER_SECONDS, Mirrors
from mlops_desk.registry.mirror.plain import PlainMirror
from mlops_desk.registry.mirror.protocol import GroupsFound, RunsFound, WindowAsked
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.registry.records.run_window import RunColumn, RunGroup, RunWindow
from mlops_desk.registry.records.version_hit import ModelCard, VersionsFound
from mlops_desk.registry.store.errors import UnknownSchema

T = TypeVar("T")
Found = TypeVar("Found", RunsFound, GroupsFound)

_WHOLE_SECONDS = 50.0  # chosen: below the deadline of a verb; a store of a million runs is read in it
_PAUSE_SECONDS = 0.05  # chosen: so often one looks whether all runs were read
_PART = 20  # chosen: a server that takes half a second for each answers four at a time within the deadline
_CURVES_SECONDS = 30.0  # chosen: curves of many runs from a store without the index for them


class ChildMirror:
    """Implements MirrorClient. ``otherwise``: how a store is asked whose tables no reader knows."""

    def __init__(self, mirrors: Mirrors, source: RegistrySource, otherwise: Callable[[], PlainMirror]) -> None:
        self._mirrors = mirrors
        self._source = source
        self._otherwise = otherwise

    def window(self, asked: WindowAsked) -> RunWindow:
        return self._ask(RunWindow, "window", asked)

    def runs(self, asked: WindowAsked, *, strict: bool = False) -> list[Run]:
        return list(self._whole(RunsFound, "runs", asked, strict).runs)

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        return self._ask(list[Run], "runs_of", list(run_ids))

    def columns(self, experiments: Sequence[str], filter_text: str) -> list[RunColumn]:
        return self._ask(list[RunColumn], "columns", list(experiments), filter_text)

    def groups(
        self, experiments: Sequence[str], filter_text: str, by: Sequence[str], metrics: Sequence[str]
    ) -> list[RunGroup]:
        found = self._whole(GroupsFound, "groups", list(experiments), filter_text, list(by), list(metrics))
        return list(found.groups)

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        return self._ask(list[RunCurve], "curves", list(run_ids), metric, points, since, seconds=_CURVES_SECONDS)

    def run(self, run_id: str) -> Run:
        return self._ask(Run, "run", run_id)

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return self._ask(dict[str, list[DatasetInput]], "datasets", list(run_ids))

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._in_parts(RunOrigin, "origins", run_ids)

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._in_parts(LoggedModel, "logged_models", model_ids)

    def experiments(self) -> list[Experiment]:
        return self._ask(list[Experiment], "experiments")

    def models(self) -> list[Model]:
        return self._ask(list[Model], "models")

    def model(self, name: str) -> Model:
        return self._ask(Model, "model", name)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._ask(list[ModelVersion], "versions", name)

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        return self._ask(list[ModelVersion], "versions_of_run", run_id)

    def search(self, query: str, limit: int) -> VersionsFound:
        return self._ask(VersionsFound, "search", query, limit)

    def without_files(self, query: str, most: int) -> list[ModelVersion]:
        return self._ask(list[ModelVersion], "without_files", query, most)

    def take_files(self, glances: Sequence[FileGlance]) -> None:
        self._ask(type(None), "take_files", list(glances))

    def cards(self) -> list[ModelCard]:
        return self._ask(list[ModelCard], "cards")

    def _in_parts(self, kind: type[T], verb: str, keys: Sequence[str]) -> list[T]:
        """Ask for some at a time, so that the registry has others' questions answered in between."""
        parts = [list(keys[start : start + _PART]) for start in range(0, len(keys), _PART)]
        return [one for part in parts for one in self._ask(list[kind], verb, part)]  # type: ignore[valid-type]  # of any kind

    def _whole(self, kind: type[Found], verb: str, *arguments: Any) -> Found:
        """Ask until everything that the answer is made of was read. Raises TimedOut."""
        deadline = time.monotonic() + _WHOLE_SECONDS
        while (found := self._ask(kind, verb, *arguments)).is_loading:
            if time.monotonic() > deadline:
                text = f"{self._source.shown} was not read whole within {_WHOLE_SECONDS:g} s."
                raise TimedOut(text, "It goes on being read: ask again in a moment.")
            time.sleep(_PAUSE_SECONDS)
        return found

    def _ask(self, kind: type[T], verb: str, *arguments: Any, seconds: float = ANSWER_SECONDS) -> T:
        del kind  # what the question is answered with (wire_format.py)
        try:
            answer: T = self._mirrors.ask(self._source, verb, arguments, seconds)
        except UnknownSchema:
            answer = self._asked_plainly(verb, arguments)
        return answer

    def _asked_plainly(self, verb: str, arguments: Sequence[Any]) -> Any:
        """Ask MLflow, which knows a schema that no reader knows, or says what is wrong with it."""
        other = self._otherwise()
        if verb == "runs":
            return RunsFound(tuple(other.runs(arguments[0], strict=arguments[1])))
        if verb == "groups":
            return GroupsFound(tuple(other.groups(*arguments)))
        return getattr(other, verb)(*arguments)
