"""What stands in the table of groups: what its runs share, how many there are, how each metric lies. No Qt here."""

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from mlops_desk.base.text import NAME_LIMIT
from mlops_desk.records.registry.run_window import MetricSpread, RunGroup
from mlops_desk.ui.charts.overlay.bands import NO_GROUP, SPREAD
from mlops_desk.ui.runs import names
from mlops_desk.ui.runs.cutting import LONGEST
from mlops_desk.ui.runs.names import ColumnName
from mlops_desk.ui.tables.order import Cell, Column
from mlops_desk.ui.words import numbers

_DIGITS, _SPREAD_DIGITS = 4, 2  # significant ones: as a metric is compared; as far as a spread is known


@dataclass(frozen=True, slots=True)
class Grouping:
    """``by`` which column runs are grouped, and which metrics are told of."""

    by: ColumnName
    metrics: tuple[ColumnName, ...] = ()


@dataclass(frozen=True, slots=True)
class RunGroupRow:
    """A group with how many of its runs are ticked."""

    group: RunGroup
    n_ticked: int = 0


def key_of(group: RunGroup) -> str:
    """Return what tells a group from others, however long the values are that its runs share."""
    whole = json.dumps(group.values)
    return whole if len(whole) <= LONGEST else hashlib.sha256(whole.encode()).hexdigest()


def by_key(groups: Iterable[RunGroup]) -> dict[str, RunGroup]:
    return {key_of(group): group for group in groups}


def title_of(grouping: Grouping, group: RunGroup) -> str:
    """Return what a group is called on a plot."""
    value = group.values[0]
    return f"{grouping.by.title} = {NO_GROUP if value is None else value[: NAME_LIMIT + 1] or '(empty)'}"


def columns_of(grouping: Grouping, spread: str) -> tuple[Column[RunGroupRow], ...]:
    """Return the columns of the table; ``spread`` is how a metric's spread is told, SPREAD or DEVIATION."""
    metrics = [
        Column(
            f"{spread} {column}",
            Cell(title).text,
            partial(_metric, number, spread),
            right=True,
            order=partial(_mean, number),
        )
        for number, (column, title) in enumerate(zip(grouping.metrics, names.titles(grouping.metrics), strict=True))
    ]
    return (
        Column(f"by {grouping.by}", Cell(grouping.by.title).text, _shared, whole=True, stretch=True, order=_ordered),
        Column("runs", "Runs", lambda row: Cell(f"{row.group.n_runs:,}", row.group.n_runs), right=True),
        Column("ticked", "Ticked", _ticked, right=True),
        *metrics,
    )


def _shared(row: RunGroupRow) -> Cell:
    value = row.group.values[0]
    if value is None:
        return Cell(NO_GROUP, None, "muted", "These runs have none")
    return Cell(value or "(empty)", None, None if value else "muted", value[:LONGEST])


def _ordered(row: RunGroupRow) -> tuple[int, float, str]:
    """Sort numbers as numbers, then texts, then what has none."""
    value = row.group.values[0]
    if value is None:
        return 2, 0.0, ""
    try:
        number = float(value[:LONGEST])
    except ValueError:
        return 1, 0.0, value[:LONGEST].lower()
    return (1, 0.0, value) if math.isnan(number) else (0, number, value)


def _ticked(row: RunGroupRow) -> Cell:
    return Cell(f"{row.n_ticked:,}" if row.n_ticked else "", row.n_ticked, "accent")


def _mean(number: int, row: RunGroupRow) -> float:
    mean = row.group.metrics[number].mean
    return -math.inf if mean is None else mean


def _metric(number: int, spread: str, row: RunGroupRow) -> Cell:
    group = row.group
    told = group.metrics[number]
    if told.mean is None:
        return Cell(numbers.NOTHING, None, "muted", "None of these runs has a finite value of it")
    of = "" if told.n_runs == group.n_runs else f"  (n {told.n_runs:,})"
    return Cell(f"{_spread(told, spread)}{of}", None, None, _about(told, group))


def _spread(told: MetricSpread, spread: str) -> str:
    mean = f"{told.mean:.{_DIGITS}g}"
    if told.n_runs == 1:
        return mean
    if spread == SPREAD:
        return f"{mean}  {told.least:.{_DIGITS}g} – {told.largest:.{_DIGITS}g}"
    return f"{mean} ± {told.deviation:.{_SPREAD_DIGITS}g}" if told.deviation is not None else f"{mean} ± ?"


def _about(told: MetricSpread, group: RunGroup) -> str:
    deviation = "" if told.deviation is None else f"\nstandard deviation {told.deviation:.6g}"
    return (
        f"{told.n_runs:,} of {numbers.count(group.n_runs, 'run')}\n"
        f"mean {told.mean:.6g}, least {told.least:.6g}, largest {told.largest:.6g}{deviation}"
    )


def chosen_runs(groups: Sequence[RunGroup], most: int) -> list[tuple[RunGroup, tuple[str, ...]]]:
    """Return as many runs of each group, the first ones, as there is room for in all."""
    room = most
    found: list[tuple[int, RunGroup, tuple[str, ...]]] = []
    for place, group in sorted(enumerate(groups), key=lambda one: one[1].n_runs):
        share = room // (len(groups) - len(found))
        ids = group.run_ids[:share]
        room -= len(ids)
        found.append((place, group, ids))
    return [(group, ids) for _place, group, ids in sorted(found, key=lambda one: one[0])]


def table(grouping: Grouping, groups: Sequence[RunGroup]) -> list[list[str]]:
    """Return the groups as rows of text with all digits, as they are saved."""
    parts = ("n", "mean", "min", "max", "sd")
    head = [str(grouping.by), "n_runs", *(f"{column} {part}" for column in grouping.metrics for part in parts)]
    return [head, *(_row(group) for group in groups)]


def _row(group: RunGroup) -> list[str]:
    told = [
        "" if value is None else repr(value)
        for one in group.metrics
        for value in (one.n_runs, one.mean, one.least, one.largest, one.deviation)
    ]
    return [group.values[0] or "", str(group.n_runs), *told]
