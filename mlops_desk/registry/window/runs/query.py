"""What the table of runs asks for, and such questions that a person keeps by a name. No Qt here."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_desk.registry.window.runs import names
from mlops_desk.registry.window.runs.names import ATTRIBUTES, ColumnName

FIRST_COLUMNS = ("status", "start_time", "duration")
"""What stands beside the name of each run before anybody chooses."""
NEWEST_FIRST = ("start_time", True)
MOST_VIEWS = 50  # chosen: as chips, more could not be found again
LONGEST_NAME = 60  # letters of a view's


@dataclass(frozen=True, slots=True)
class RunQuestion:
    """Which runs, of which registry (None: the desk's own), in which order, with which columns.

    ``sort`` is a column and whether the largest come first. No experiments are all of them.
    """

    uri: str | None = None
    experiments: tuple[str, ...] = ()
    filter: str = ""
    sort: tuple[str, bool] = NEWEST_FIRST
    columns: tuple[str, ...] = FIRST_COLUMNS
    nested: bool = False

    def sort_words(self) -> str:
        column, descending = self.sort
        return f"{column}:{'desc' if descending else 'asc'}"

    def asked_columns(self) -> str:
        """Return the columns that are not told of every run anyway."""
        return ",".join(self.columns)

    def experiment_words(self) -> str:
        return ",".join(map(names.quoted, self.experiments))


@dataclass(frozen=True, slots=True)
class SavedView:
    """A question that is kept: all but the registry and the experiments, which it is asked of anew."""

    name: str
    filter: str = ""
    sort: tuple[str, bool] = NEWEST_FIRST
    columns: tuple[str, ...] = FIRST_COLUMNS
    group_by: str | None = None

    def fits(self, question: RunQuestion, group_by: str | None) -> bool:
        """Tell whether this is what is asked now."""
        return (self.filter, self.sort, self.columns, self.group_by) == (
            question.filter.strip(), question.sort, question.columns, group_by,
        )  # fmt: skip


def with_view(views: Iterable[SavedView], new: SavedView) -> list[SavedView]:
    """Return the views with one more; one of the same name is replaced where it stands."""
    kept = list(views)
    place = next((at for at, one in enumerate(kept) if one.name == new.name), None)
    if place is None:
        return [*kept, new][-MOST_VIEWS:]
    kept[place] = new
    return kept


def renamed(views: Iterable[SavedView], old: str, new: str) -> list[SavedView]:
    """Return the views with one called anew; another one that is called so goes."""
    kept = [one for one in views if one.name != new or one.name == old]
    return [SavedView(new, one.filter, one.sort, one.columns, one.group_by) if one.name == old else one for one in kept]


def written(views: Iterable[SavedView]) -> str:
    """Return views as text for the window's memory."""
    return json.dumps(
        [{"name": one.name, "filter": one.filter, "sort": list(one.sort), "columns": list(one.columns),
          "group_by": one.group_by} for one in views]
    )  # fmt: skip


def read_views(text: str) -> list[SavedView]:
    """Return the views of a text; what is none is left out, for the file is a person's to edit."""
    try:
        rows = json.loads(text or "[]")
    except ValueError:
        return []
    found = [_read_view(row) for row in rows] if isinstance(rows, list) else []
    return [one for one in found if one is not None][:MOST_VIEWS]


def _read_view(row: Any) -> SavedView | None:
    match row:
        case {"name": str(name), "filter": str(filter_text), "sort": [str(column), bool(descending)],
              "columns": [*columns]} if name.strip() and all(isinstance(one, str) for one in columns):  # fmt: skip
            group_by = row.get("group_by")
            by = group_by if isinstance(group_by, str) else None
            return SavedView(name[:LONGEST_NAME], filter_text, (column, descending), tuple(columns), by)
    return None


@dataclass(frozen=True, slots=True)
class KnownColumns:
    """What columns the runs of a registry have, as the agent lists them."""

    columns: tuple[ColumnName, ...] = ()
    n_runs: Mapping[str, int] = field(default_factory=dict)
    n_values: Mapping[str, int] = field(default_factory=dict)
    """How many different ones, where they were counted."""
    n_too_long: int = 0
    """How many more there are, whose names are too long to choose from."""

    def of(self, kind: str) -> list[str]:
        return [column.key for column in self.columns if column.kind == kind]


def attributes() -> list[ColumnName]:
    """Return the columns that every run has, but for its name, which is always shown."""
    return [ColumnName(ATTRIBUTES, key) for key in names.TITLES if key != "run_name"]
