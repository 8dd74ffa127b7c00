"""A source in memory, and the answers to what is asked of it. One thread uses it, in a process of its own.

Between questions ``work`` reads on, a step at a time, and looks for changes.
"""

import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mlops_desk.kit.base.errors import DeskError, NotFound, TimedOut
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.mirror.catalogue import Catalogue
from mlops_desk.registry.mirror.column import Sorting, Which, read_column, read_sorting
from mlops_desk.registry.mirror.filter.grammar import Filter, parse_filter
from mlops_desk.registry.mirror.filter.parser import read_filter
from mlops_desk.registry.mirror.metric_points import Spots
from mlops_desk.registry.mirror.protocol import GroupsFound, RunsFound, WindowAsked
from mlops_desk.registry.mirror.table.column_counts import columns_of
from mlops_desk.registry.mirror.table.groups import grouped
from mlops_desk.registry.mirror.table.row_filter import Datasets, Matching
from mlops_desk.registry.mirror.table.rows import Spots as Columns
from mlops_desk.registry.mirror.table.rows import in_order, nested, shown_rows, whole_runs
from mlops_desk.registry.mirror.table.runs import Mask, Rows, RunTable
from mlops_desk.registry.mirror.table_loader import Clock, Loading
from mlops_desk.registry.name_suggestions import nearest
from mlops_desk.registry.readers.origins import LoggedModel, RunOrigin
from mlops_desk.registry.readers.reader import Reader
from mlops_desk.registry.records.curve import RunCurve
from mlops_desk.registry.records.file_glance import FileGlance
from mlops_desk.registry.records.model import DatasetInput, Experiment, Model, ModelVersion, Run
from mlops_desk.registry.records.run_window import RunColumn, RunWindow
from mlops_desk.registry.records.version_hit import ModelCard, VersionsFound
from mlops_desk.registry.store.errors import UnknownSchema

# Which rows a question is about, and in which order; the last few answers are kept, for whoever scrolls.
_KEPT = 8  # chosen: a page and a few programs beside it


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rows, in which order."""

    experiment_ids: tuple[str, ...]
    conditions: Filter
    sortings: tuple[Sorting, ...] = ()
    is_nested: bool = False


@dataclass(frozen=True, slots=True)
class Selected:
    """Rows in order, of ``n_matching`` that pass: the first of them where no more were needed."""

    rows: Rows
    n_matching: int

    @property
    def is_whole(self) -> bool:
        return len(self.rows) == self.n_matching


class Selection:
    """Answers for one table after the other; ``datasets`` are asked of the source."""

    def __init__(self, datasets: Datasets) -> None:
        self._datasets = datasets
        self._kept: OrderedDict[tuple[int, int, Wanted], Selected] = OrderedDict()

    def among(self, table: RunTable, experiment_ids: Sequence[str]) -> Mask:
        """Return the runs of these experiments that are not deleted."""
        column = table.attributes["experiment_id"]
        codes = [code for one in experiment_ids if (code := column.code(one)) >= 0]
        mask = np.zeros(len(table), np.bool_)
        mask[column.rows[np.isin(column.codes, codes)]] = True
        found: Mask = mask & table.active
        return found

    def passing(self, table: RunTable, among: Mask, conditions: Filter) -> Mask:
        return Matching(table, self._datasets).passing(among, conditions)

    def rows(
        self,
        table: RunTable,
        wanted: Wanted,
        spots: Columns,
        most: int | None = None,
        *,
        is_final: bool = True,
    ) -> Selected:
        """Return the rows that pass, in order: all of them, or where ``most`` are needed at least so many.

        ``is_final``: what is sorted by is wholly known, so that it is kept.
        """
        key = (id(table), table.revision, wanted)
        known = self._kept.get(key)
        if known is not None and (known.is_whole or (most is not None and most <= len(known.rows))):
            self._kept.move_to_end(key)
            return known
        natural = table.natural()
        passing = self.passing(table, self.among(table, wanted.experiment_ids), wanted.conditions)
        rows = natural[passing[natural]]
        found = in_order(table, rows, wanted.sortings, spots, None if wanted.is_nested else most)
        selected = Selected(nested(table, found) if wanted.is_nested else found, len(rows))
        if is_final:
            self._kept[key] = selected
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return selected


def ids_of(experiments: Sequence[Experiment], names: Sequence[str]) -> list[str]:
    """Return the ids of experiments by their names; no names are all of them. Raises NotFound."""
    if not names:
        return [one.experiment_id for one in experiments]
    known = {one.name: one.experiment_id for one in experiments}
    for name in names:
        if name not in known:
            raise NotFound(f"There is no experiment {plain(name)!r}.", nearest(name, list(known), "experiments"))
    return [known[name] for name in names]


_FRESH_SECONDS = 0.25  # the contract: points of running jobs are seen within so long
_DATASETS_SECONDS = 10.0  # chosen: a dataset that is logged later is found by a filter so late at most
_EXPERIMENTS_SECONDS = 5.0  # chosen: a new experiment that was asked for by nobody shows up so late at most


class Mirror:
    """Answers from what a reader has given so far."""

    def __init__(self, reader: Reader, look_seconds: float = _FRESH_SECONDS, clock: Clock = time.monotonic) -> None:
        self._reader = reader
        self._look_seconds = look_seconds
        self._clock = clock
        self._loading = Loading(reader, clock, first_revision=int(time.time()) & 0x7FFF_FFFF)
        self._spots = Spots(reader)
        self._selection = Selection(self._datasets)
        self._catalogue = Catalogue(reader)
        self._experiments: list[Experiment] = []
        self._experiments_at = float("-inf")
        self._data: dict[str, Sequence[DatasetInput]] = {}
        self._data_at = float("-inf")
        self._was_readable = True

    # -- between questions -------------------------------------------------------------------

    @property
    def has_work(self) -> bool:
        """Tell whether ``work`` has more to do at once."""
        return self._loading.has_work or self._spots.is_behind

    @property
    def revision(self) -> int:
        """What changes with all that is told of runs and models."""
        return self._loading.table.revision

    def work(self) -> None:
        """Do one step of what is to be read, or look for changes."""
        if self._loading.has_work:
            self._loading.step()
        elif self._spots.is_behind:
            try:
                self._spots.step(self._loading.table)
                self._loading.table.revision += not self._spots.is_behind
            except DeskError as error:
                self._spots.give_up()
                self._loading.problem = error
        else:
            self._loading.look(self._look_seconds)
        self._note_changes()

    def look_again(self) -> None:
        """Look for changes at once: somebody has just made one."""
        self._loading.look(0.0)
        self._loading.models_changed = True
        self._experiments_at = float("-inf")
        self._note_changes()

    def _note_changes(self) -> None:
        loading = self._loading
        if loading.models_changed:
            loading.models_changed = False
            loading.table.revision += 1
            self._catalogue.changed()
        if loading.touched:
            self._catalogue.runs_touched(loading.touched)
            for run_id in loading.touched & self._data.keys():
                del self._data[run_id]
            loading.touched.clear()
        if self._was_readable is not (loading.problem is None):  # whoever looks on is told, though nothing has changed
            self._was_readable = not self._was_readable
            loading.table.revision += 1

    def close(self) -> None:
        self._reader.close()

    # -- runs --------------------------------------------------------------------------------

    def window(self, asked: WindowAsked) -> RunWindow:
        self._be_fresh()
        columns = [read_column(name) for name in asked.columns]
        loading, table = self._loading, self._loading.table
        selected, is_known = self._rows(asked, read_filter(asked.filter))
        shown = selected.rows[asked.offset : asked.offset + asked.limit]
        self._spots.ask(table, columns, shown)
        among = self._selection.among(table, self._ids(asked.experiments))
        return RunWindow(
            columns=asked.columns,
            rows=shown_rows(table, shown, columns, self._spots.column),
            offset=asked.offset,
            n_matching=selected.n_matching,
            n_runs=int(among.sum()),
            revision=table.revision,
            read_at=loading.read_at,
            is_loading=loading.is_loading or not is_known,
            problem=None if loading.problem is None else loading.problem.message,
        )

    def runs(self, asked: WindowAsked, strict: bool) -> RunsFound:
        """Return whole runs; none while not all were read."""
        self._be_fresh(0.0)
        conditions = parse_filter(asked.filter) if strict else read_filter(asked.filter)
        if self._loading.problem is not None:
            raise self._loading.problem  # what was read before may be long gone: a program is told
        selected, is_known = self._rows(asked, conditions)
        if self._loading.is_loading or not is_known:
            return RunsFound((), is_loading=True)
        shown = selected.rows[asked.offset : asked.offset + asked.limit]
        return RunsFound(tuple(whole_runs(self._loading.table, shown)))

    def _rows(self, asked: WindowAsked, conditions: Filter) -> tuple[Selected, bool]:
        """Return the rows that pass, in order, and whether all that they are sorted by is known."""
        table = self._loading.table
        sortings = tuple(read_sorting(key) for key in asked.sort)
        wanted = Wanted(tuple(self._ids(asked.experiments)), conditions, sortings, asked.nested)
        keys = [one.column for one in sortings if one.column.which is not Which.LAST]
        is_known = True
        if keys:
            among = self._selection.among(table, wanted.experiment_ids)
            passing = self._selection.passing(table, among, conditions)
            is_known = self._spots.want(table, keys, np.flatnonzero(passing).astype(np.int32))
        # A screenful more than is shown, for whoever goes on.
        most = asked.offset + 2 * asked.limit
        return self._selection.rows(table, wanted, self._spots.column, most, is_final=is_known), is_known

    def runs_of(self, run_ids: Sequence[str]) -> list[Run]:
        """Return whole runs in the order asked, deleted ones too. Raises NotFound."""
        self._be_fresh()
        table = self._loading.table
        known = [row for run_id in run_ids if (row := table.row_of(run_id)) is not None]
        found = {run.run_id: run for run in whole_runs(table, np.asarray(known, np.int32))}
        return [found[run_id] if run_id in found else self._reader.run(run_id) for run_id in run_ids]

    def columns(self, experiments: Sequence[str], filter_text: str) -> list[RunColumn]:
        self._be_fresh()
        table = self._loading.table
        among = self._selection.among(table, self._ids(experiments))
        return columns_of(table, self._selection.passing(table, among, read_filter(filter_text)))

    def groups(
        self, experiments: Sequence[str], filter_text: str, by: Sequence[str], metrics: Sequence[str]
    ) -> GroupsFound:
        """Return groups; none while not all runs were read, or not all values that they are told of."""
        self._be_fresh()
        table, keys = self._loading.table, [read_column(name) for name in by]
        told = [read_column(f"metrics.{name}") for name in metrics]
        wanted = Wanted(tuple(self._ids(experiments)), read_filter(filter_text))
        rows = self._selection.rows(table, wanted, self._spots.column).rows
        is_known = self._spots.want(table, [*keys, *told], rows)
        if self._loading.is_loading or not is_known:
            if self._loading.problem is not None:
                raise self._loading.problem
            return GroupsFound((), is_loading=True)
        return GroupsFound(tuple(grouped(table, rows, keys, told, self._spots.column)))

    # -- what is asked of the source itself --------------------------------------------------

    def run(self, run_id: str) -> Run:
        return self._reader.run(run_id)

    def datasets(self, run_ids: Sequence[str]) -> dict[str, list[DatasetInput]]:
        return {run_id: list(found) for run_id, found in self._reader.datasets(run_ids).items()}

    def curves(self, run_ids: Sequence[str], metric: str, points: int, since: str | None) -> list[RunCurve]:
        return self._reader.curves(run_ids, metric, points, since)

    def origins(self, run_ids: Sequence[str]) -> list[RunOrigin]:
        return self._reader.origins(run_ids)

    def logged_models(self, model_ids: Sequence[str]) -> list[LoggedModel]:
        return self._reader.logged_models(model_ids)

    def experiments(self) -> list[Experiment]:
        self._loading.look(_FRESH_SECONDS)  # a store that was replaced is opened anew by it
        self._experiments, self._experiments_at = self._reader.experiments(), self._clock()
        return self._experiments

    # -- models ------------------------------------------------------------------------------

    def models(self) -> list[Model]:
        self._be_there()
        return self._catalogue.models()

    def model(self, name: str) -> Model:
        self._be_there()
        return self._catalogue.model(name)

    def versions(self, name: str) -> list[ModelVersion]:
        self._be_there()
        return self._catalogue.versions(name)

    def versions_of_run(self, run_id: str) -> list[ModelVersion]:
        self._be_there()
        return self._catalogue.versions_of_run(run_id)

    def search(self, query: str, limit: int) -> VersionsFound:
        self._be_fresh()
        found = self._catalogue.search(query, limit, self._loading.table)
        problem = self._loading.problem
        return replace(found, is_loading=self._loading.is_loading, read_at=self._loading.read_at,
                       problem=None if problem is None else problem.message)  # fmt: skip

    def without_files(self, query: str, most: int) -> list[ModelVersion]:
        self._be_fresh()
        return self._catalogue.without_files(query, most, self._loading.table)

    def take_files(self, glances: Sequence[FileGlance]) -> None:
        if self._catalogue.take_files(glances):
            self._loading.table.revision += 1

    def cards(self) -> list[ModelCard]:
        self._catch_up()
        return self._catalogue.cards(self._loading.table)

    # -- inside ------------------------------------------------------------------------------

    def _be_there(self) -> None:
        """Catch up; raises where the source is gone: models of a store that was moved away are nobody's answer."""
        self._catch_up()
        if isinstance(self._loading.problem, NotFound):
            raise self._loading.problem

    def _be_fresh(self, oldest_seconds: float = _FRESH_SECONDS) -> None:
        """Catch up; raises where there are no runs to go on with."""
        self._catch_up(oldest_seconds)
        if self._loading.problem is not None and not len(self._loading.table):
            raise self._loading.problem

    def _catch_up(self, oldest_seconds: float = _FRESH_SECONDS) -> None:
        """Read the first runs if none were read, and take in what changed since a moment ago."""
        loading = self._loading
        loading.asked()
        if not len(loading.table) and loading.has_work:
            loading.step()
        loading.look(oldest_seconds)
        self._note_changes()
        problem = loading.problem
        # Migrated while it was looked at: others know it. And who gives no answer would give none to another question.
        if isinstance(problem, UnknownSchema) or (isinstance(problem, TimedOut) and not len(loading.table)):
            raise problem

    def _ids(self, names: Sequence[str]) -> list[str]:
        """Return experiments' ids by their names. Raises NotFound."""
        known, problem = {one.name for one in self._experiments}, self._loading.problem
        if problem is not None and known:  # whoever waits for a lock once more is given up
            if not known.issuperset(names):
                raise problem
        elif not known.issuperset(names) or self._clock() - self._experiments_at > _EXPERIMENTS_SECONDS:
            try:
                self.experiments()
            except DeskError as error:
                if not known.issuperset(names) or not known:
                    raise
                self._loading.problem = error  # what was read goes on to be shown
        return ids_of(self._experiments, names)

    def _datasets(self, run_ids: Sequence[str]) -> Mapping[str, Sequence[DatasetInput]]:
        if self._clock() - self._data_at > _DATASETS_SECONDS:
            self._data, self._data_at = {}, self._clock()
        missing = [run_id for run_id in run_ids if run_id not in self._data]
        if missing:
            told = self._reader.datasets(missing)
            self._data |= {run_id: told.get(run_id, ()) for run_id in missing}
        return self._data
