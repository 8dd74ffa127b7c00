"""A MirrorClient that reads everything anew for each question, through whatever client a registry has.

It is the double of the real one, and the way of registries that no reader knows: slow, and the same answers.
"""

import time
from collections.abc import Mapping, Sequence

from mlops_desk.base.errors import NotFound
from mlops_desk.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.records.registry.curve import RunCurve
from mlops_desk.records.registry.file_glance import FileGlance
from mlops_desk.records.registry.run_window import RunColumn, RunGroup, RunWindow
from mlops_desk.records.registry.version_hit import ModelCard, VersionHit, VersionsFound
from mlops_desk.registry.mirror.column import read_column, read_sorting
from mlops_desk.registry.mirror.filter.grammar import parse_filter
from mlops_desk.registry.mirror.filter.reading import read_filter
from mlops_desk.registry.mirror.plain import listing
from mlops_desk.registry.mirror.plain.values import fulfils
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.mirror.search.cards import card_of, hit_of
from mlops_desk.registry.mirror.search.finding import entry, look_up
from mlops_desk.registry.mirror.search.query import parse_query
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.reading.origins import LoggedModel, RunOrigin

_MOST_RUNS = 50_000  # MLflow's own limit for one search


class PlainMirror:
    """Implements MirrorClient on a RegistryClient."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry

    def window(self, asked: WindowAsked) -> RunWindow:
        columns = [read_column(name) for name in asked.columns]
        everything, found = self._found(asked)
        shown = found[asked.offset : asked.offset + asked.limit]
        rows = tuple(listing.row(run, columns) for run in shown)
        revision = hash((len(everything), max((run.end_time or run.start_time or 0 for run in everything), default=0)))
        return RunWindow(asked.columns, rows, asked.offset, len(found), len(everything), revision, time.time())

    def runs(self, asked: WindowAsked, *, strict: bool = False) -> list[Run]:
        return self._found(asked, strict=strict)[1][asked.offset : asked.offset + asked.limit]

    def _found(self, asked: WindowAsked, *, strict: bool = False) -> tuple[list[Run], list[Run]]:
        conditions = parse_filter(asked.filter) if strict else read_filter(asked.filter)
        sortings = [read_sorting(key) for key in asked.sort]
        everything = self._runs(asked.experiments)
        passing = [run for run in everything if fulfils(run, conditions, self._registry.datasets)]
        ordered = listing.in_order(passing, sortings)
        return everything, listing.nested(ordered) if asked.nested else ordered

    def _runs(self, experiments: Sequence[str]) -> list[Run]:
        names = experiments or [one.name for one in self._registry.experiments()]
        return [run for name in dict.fromkeys(names) for run in self._registry.runs(name, None, _MOST_RUNS)]

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        return [self._registry.run(run_id) for run_id in run_ids]

    def columns(self, experiments: Sequence[str], filter_text: str) -> list[RunColumn]:
        return listing.columns_of(self._found(WindowAsked(tuple(experiments), filter_text))[1])

    def groups(
        self, experiments: Sequence[str], filter_text: str, by: Sequence[str], metrics: Sequence[str]
    ) -> list[RunGroup]:
        columns = [read_column(name) for name in by]
        found = self._found(WindowAsked(tuple(experiments), filter_text))[1]
        return listing.grouped(found, columns, [read_column(f"metrics.{name}") for name in metrics])

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None = None) -> list[RunCurve]:
        del since  # everything is told each time
        return [self._curve(run_id, metric, points) for run_id in run_ids]

    def _curve(self, run_id: str, metric: str, points: int) -> RunCurve:
        (told,) = self._registry.metric_curves(run_id, [metric], points)
        times = tuple(round(at * 1000) for at in told.times)
        return RunCurve(run_id, metric, told.n_points, told.steps, times, told.values)

    def run(self, run_id: str) -> Run:
        return self._registry.run(run_id)

    def datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        return {run_id: self._registry.datasets(run_id) for run_id in run_ids}

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._registry.origins(run_ids)

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._registry.logged_models(model_ids)

    def experiments(self) -> list[Experiment]:
        return self._registry.experiments()

    def models(self) -> list[Model]:
        return self._registry.models()

    def model(self, name: str) -> Model:
        return self._registry.model(name)

    def versions(self, name: str) -> list[ModelVersion]:
        return self._registry.versions(name)

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        return self._registry.versions_of_run(run_id)

    def search(self, query: str, limit: int) -> VersionsFound:
        terms = parse_query(query)
        models = self.models()
        entries = [entry(self._hit(one), model=model) for model in models for one in self.versions(model.name)]
        entries.sort(key=lambda one: (-(one.hit.created or 0.0), one.hit.name))
        return look_up(entries, terms, limit, lambda _one: False)

    def without_files(self, query: str, most: int) -> list[ModelVersion]:  # noqa: ARG002 - see take_files
        parse_query(query)
        return []

    def take_files(self, glances: Sequence[FileGlance]) -> None:
        """Keep none of them: everything is read anew for each question."""

    def _hit(self, version: ModelVersion) -> VersionHit:
        run = None
        if version.run_id:
            try:
                run = self._registry.run(version.run_id)
            except NotFound:  # purged since; the version is there all the same
                run = None
        return hit_of(version, run)

    def cards(self) -> list[ModelCard]:
        cards = []
        for model in self.models():
            versions = self.versions(model.name)
            cards.append(card_of(model, [self._hit(versions[0]), *map(hit_of, versions[1:])] if versions else []))
        return cards
