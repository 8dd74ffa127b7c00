"""A MirrorClient that reads everything anew for each question, through whatever client a registry has.

It is the double of the real one, and the way of registries that no reader knows: slow, and the same answers.
"""

import math
import operator
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from mlops_desk.kit.base.errors import NotFound
from mlops_desk.registry.mirror.column import ColumnKey, Sorting, read_column, read_sorting
from mlops_desk.registry.mirror.filter.grammar import (
    LARGEST,
    NULL_COMPARATORS,
    Clause,
    Filter,
    Of,
    parse_filter,
    text_test,
)
from mlops_desk.registry.mirror.filter.parser import number_of, read_filter
from mlops_desk.registry.mirror.protocol import WindowAsked
from mlops_desk.registry.mirror.search import card_of, entry, hit_of, look_up, parse_query
from mlops_desk.registry.protocol import RegistryClient
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.registry.records.run_window import MetricSpread, RunColumn, RunGroup, RunRow, RunValue, RunWindow
from mlops_desk.registry.records.version_hit import ModelCard, VersionHit, VersionsFound

# What a run has in a column, and whether it fulfils conditions: one run at a time, in plain Python.
PARENT = "mlflow.parentRunId"
USER = "mlflow.user"
NAME = "mlflow.runName"
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le, "=": operator.eq, "!=": operator.ne,
}  # fmt: skip
Datasets = Callable[[str], Sequence[DatasetInput]]


def value_of(run: Run, column: ColumnKey) -> RunValue:
    """Return what a run has in a column; of a metric its last value, whichever is asked for."""
    if column.kind == "metrics":
        return run.metrics.get(column.key)
    if column.kind == "params":
        return run.params.get(column.key)
    if column.kind == "tags":
        return run.tags.get(column.key)
    return _attribute(run, column.key)


def _attribute(run: Run, key: str) -> RunValue:
    if key == "run_name":
        return run.name
    if key == "user_id":
        return run.tags.get(USER)
    if key == "duration":
        return None if run.start_time is None or run.end_time is None else (run.end_time - run.start_time) / 1000
    value: RunValue = getattr(run, key, None)
    return value


def fulfils(run: Run, conditions: Filter, datasets: Datasets) -> bool:
    return all(_fulfils(run, clause, datasets) for clause in conditions)


def _fulfils(run: Run, clause: Clause, datasets: Datasets) -> bool:
    tests: Mapping[Of, Callable[[], bool]] = {
        Of.METRIC: lambda: clause.key in run.metrics and _metric(run.metrics[clause.key], clause),
        Of.PARAM: lambda: _pair(run.params.get(clause.key), clause),
        Of.TAG: lambda: _pair(run.tags.get(clause.key), clause),
        Of.ATTRIBUTE: lambda: _of_attribute(run, clause),
        Of.DATASET: lambda: any(_of_dataset(one, clause) for one in datasets(run.run_id)),
        Of.NAMED: lambda: _named(run, clause),
        Of.WORD: lambda: _has_word(run, str(clause.value).lower()),
    }
    return tests[clause.of]()


def _metric(value: float, clause: Clause) -> bool:
    return _number(value if math.isnan(value) else max(-LARGEST, min(LARGEST, value)), clause)


def _has_word(run: Run, word: str) -> bool:
    return word in (run.name or "").lower() or run.run_id.startswith(word)


def _pair(given: str | None, clause: Clause) -> bool:
    if clause.comparator in NULL_COMPARATORS:
        return (given is None) is (clause.comparator == "IS NULL")
    return given is not None and _text(given, clause)


def _named(run: Run, clause: Clause) -> bool:
    if clause.key in run.metrics and isinstance(clause.value, float):
        return _number(run.metrics[clause.key], clause)
    given = run.params.get(clause.key, run.tags.get(clause.key))
    if given is None:
        return False
    if not isinstance(clause.value, float):
        return _text(given, clause)
    number = number_of(given)
    if number is None:
        return clause.comparator == "!="
    return _number(number, clause)


def _of_attribute(run: Run, clause: Clause) -> bool:
    # MLflow has the name of a run in a tag, and looks there.
    value = run.tags.get(NAME) if clause.key == "run_name" else _attribute(run, clause.key)
    if value is None:
        return False
    return _text(value, clause) if isinstance(value, str) else _number(value, clause)


def _of_dataset(dataset: DatasetInput, clause: Clause) -> bool:
    value = {"name": dataset.name, "digest": dataset.digest, "context": dataset.context}[clause.key]
    return value is not None and _text(value, clause)


def _number(value: float, clause: Clause) -> bool:
    wanted = clause.value
    if not isinstance(wanted, (int, float)):
        return False
    if isinstance(wanted, float) and math.isnan(wanted):
        return math.isnan(value) is (clause.comparator == "=")
    return _COMPARE[clause.comparator](value, wanted)


def _text(value: str, clause: Clause) -> bool:
    return text_test(clause.comparator, clause.value)(value)


# Runs in MLflow's order, in groups, and what columns they have: on plain lists of runs.
LONGEST_TEXT = 500  # chosen: a cell of a table shows less
MOST_IDS = 1000  # chosen: more runs of one group nobody overlays

_START = ColumnKey("attributes", "start_time")
_MISSING, _NAN, _THERE = 2, 1, 0  # the order in which MLflow puts them


def in_order(runs: Iterable[Run], sortings: Sequence[Sorting]) -> list[Run]:
    """Return runs in MLflow's order: by the keys, then the newest first, then by id; what has no value is last."""
    ordered = sorted(runs, key=lambda run: run.run_id)
    keys = [*sortings, *([] if any(one.column == _START for one in sortings) else [Sorting(_START, True)])]
    for one in reversed(keys):
        ordered = _by(ordered, one)
    return ordered


def _by(runs: list[Run], sorting: Sorting) -> list[Run]:
    def rank(run: Run) -> int:
        value = value_of(run, sorting.column)
        if value is None:
            return _MISSING
        return _NAN if isinstance(value, float) and math.isnan(value) else _THERE

    def value(run: Run) -> float | str:
        found = value_of(run, sorting.column)
        return 0.0 if found is None else found

    there = sorted((run for run in runs if rank(run) == _THERE), key=value, reverse=sorting.is_descending)
    return there + sorted((run for run in runs if rank(run) != _THERE), key=rank)


def nested(runs: Sequence[Run]) -> list[Run]:
    """Return runs with those that each has started directly below it; whose parent is not here stands as it did."""
    ids = {run.run_id for run in runs}
    below: dict[str | None, list[Run]] = {}
    for run in runs:
        parent = run.tags.get(PARENT)
        below.setdefault(parent if parent in ids and parent != run.run_id else None, []).append(run)
    ordered: list[Run] = []
    stack = below.pop(None, [])[::-1]
    while stack:
        ordered.append(stack.pop())
        stack += below.pop(ordered[-1].run_id, [])[::-1]
    # Runs that name each other as parents hang on nothing; they are there all the same.
    return ordered + [run for rest in below.values() for run in rest]


def row(run: Run, columns: Sequence[ColumnKey]) -> RunRow:
    values = (value_of(run, column) for column in columns)
    cut = tuple(value[:LONGEST_TEXT] if isinstance(value, str) else value for value in values)
    parent = run.tags.get(PARENT)
    return RunRow(run.run_id, run.name, run.status, run.start_time, run.experiment_id or "", parent, cut)


def columns_of(runs: Sequence[Run]) -> list[RunColumn]:
    """Return the columns that runs have: metrics, parameters and tags, each by name."""
    numbers: dict[str, list[float]] = {}
    texts: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        for name, value in run.metrics.items():
            numbers.setdefault(name, []).append(value)
        for kind, pairs in (("params", run.params), ("tags", run.tags)):
            for name, text in pairs.items():
                texts.setdefault((kind, name), []).append(text)
    found = [_number_column(f"metrics.{name}", values) for name, values in sorted(numbers.items())]
    return found + [_text_column(f"{kind}.{name}", values) for (kind, name), values in sorted(texts.items())]


def _number_column(name: str, values: Sequence[float], *, is_number: bool = True) -> RunColumn:
    finite = [value for value in values if math.isfinite(value)]
    different = len({"nan" if math.isnan(value) else value for value in values})
    least, largest = (min(finite), max(finite)) if finite and is_number else (None, None)
    return RunColumn(name, len(values), different, is_number, least, largest)


def _text_column(name: str, values: Sequence[str]) -> RunColumn:
    numbers = [number for text in values if (number := number_of(text)) is not None]
    finite = [value for value in numbers if math.isfinite(value)]
    is_number = len(numbers) == len(values)
    least, largest = (min(finite), max(finite)) if finite and is_number else (None, None)
    return RunColumn(name, len(values), len(set(values)), is_number, least, largest)


def grouped(runs: Sequence[Run], by: Sequence[ColumnKey], metrics: Sequence[ColumnKey]) -> list[RunGroup]:
    """Return runs by what they have in common, the largest groups first, then by their values."""
    groups: dict[tuple[str | None, ...], list[Run]] = {}
    for run in runs:
        groups.setdefault(tuple(_told(value_of(run, column)) for column in by), []).append(run)
    made = [
        RunGroup(
            values,
            len(members),
            tuple(run.run_id for run in members[:MOST_IDS]),
            tuple(
                spread(key.spoken, [run.metrics[key.key] for run in members if key.key in run.metrics])
                for key in metrics
            ),
        )
        for values, members in groups.items()
    ]
    return sorted(made, key=lambda group: (-group.n_runs, [(value is None, value or "") for value in group.values]))


def _told(value: float | str | None) -> str | None:
    return value[:LONGEST_TEXT] if isinstance(value, str) else None if value is None else f"{value:.10g}"


def spread(name: str, values: Iterable[float]) -> MetricSpread:
    """Return how the finite ones of these values lie; no deviation where it is beyond what a float holds."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return MetricSpread(name, 0)
    least, largest = min(finite), max(finite)
    mean = min(max(sum(value / len(finite) for value in finite), least), largest)
    squares = sum((value - mean) * (value - mean) for value in finite)
    deviation = math.sqrt(squares / (len(finite) - 1)) if len(finite) > 1 and math.isfinite(squares) else None
    return MetricSpread(name, len(finite), mean, least, largest, deviation)


_MOST_RUNS = 50_000  # MLflow's own limit for one search


class PlainMirror:
    """Implements MirrorClient on a RegistryClient."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry

    def window(self, asked: WindowAsked) -> RunWindow:
        columns = [read_column(name) for name in asked.columns]
        everything, found = self._found(asked)
        shown = found[asked.offset : asked.offset + asked.limit]
        rows = tuple(row(run, columns) for run in shown)
        revision = hash((len(everything), max((run.end_time or run.start_time or 0 for run in everything), default=0)))
        return RunWindow(asked.columns, rows, asked.offset, len(found), len(everything), revision, time.time())

    def runs(self, asked: WindowAsked, *, strict: bool = False) -> list[Run]:
        return self._found(asked, strict=strict)[1][asked.offset : asked.offset + asked.limit]

    def _found(self, asked: WindowAsked, *, strict: bool = False) -> tuple[list[Run], list[Run]]:
        conditions = parse_filter(asked.filter) if strict else read_filter(asked.filter)
        sortings = [read_sorting(key) for key in asked.sort]
        everything = self._runs(asked.experiments)
        passing = [run for run in everything if fulfils(run, conditions, self._registry.datasets)]
        ordered = in_order(passing, sortings)
        return everything, nested(ordered) if asked.nested else ordered

    def _runs(self, experiments: Sequence[str]) -> list[Run]:
        names = experiments or [one.name for one in self._registry.experiments()]
        return [run for name in dict.fromkeys(names) for run in self._registry.runs(name, None, _MOST_RUNS)]

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        return [self._registry.run(run_id) for run_id in run_ids]

    def columns(self, experiments: Sequence[str], filter_text: str) -> list[RunColumn]:
        return columns_of(self._found(WindowAsked(tuple(experiments), filter_text))[1])

    def groups(
        self, experiments: Sequence[str], filter_text: str, by: Sequence[str], metrics: Sequence[str]
    ) -> list[RunGroup]:
        columns = [read_column(name) for name in by]
        found = self._found(WindowAsked(tuple(experiments), filter_text))[1]
        return grouped(found, columns, [read_column(f"metrics.{name}") for name in metrics])

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
