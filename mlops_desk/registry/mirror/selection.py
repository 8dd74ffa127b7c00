"""Which rows a question is about, and in which order; the last few answers are kept, for whoever scrolls."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_desk.base.errors import NotFound
from mlops_desk.base.text import plain
from mlops_desk.records.model import Experiment
from mlops_desk.registry.mirror.column import Sorting
from mlops_desk.registry.mirror.filter.tree import Filter
from mlops_desk.registry.mirror.table.columns import Mask, Rows
from mlops_desk.registry.mirror.table.matching import Datasets, Matching
from mlops_desk.registry.mirror.table.ordering import Spots as Columns
from mlops_desk.registry.mirror.table.ordering import in_order, nested
from mlops_desk.registry.mirror.table.runs import RunTable
from mlops_desk.registry.nearest import nearest

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
