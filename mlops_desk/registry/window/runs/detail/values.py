"""Everything that a run has logged, as one table to search: metrics, parameters and tags. A metric chosen is drawn."""

import math
from dataclasses import dataclass

from mlops_desk.kit.base.text import plain
from mlops_desk.kit.window.tables.order import Cell, Column
from mlops_desk.kit.window.words import numbers
from mlops_desk.registry.records.model import Run
from mlops_desk.registry.window.runs import cells

METRIC, PARAMETER, TAG = "metric", "param", "tag"
_OURS = "mlflow."
"""Begins the names of tags that MLflow keeps for itself."""
_SYSTEM = "system/"
"""Begins the names of what MLflow measures of the machine."""


@dataclass(frozen=True, slots=True)
class LoggedValue:
    """One metric, parameter or tag of a run."""

    kind: str
    name: str
    value: float | str

    @property
    def key(self) -> str:
        return f"{self.kind} {self.name}"


def logged(run: Run) -> dict[str, LoggedValue]:
    """Return what a run has, metrics first; those of the machine, and what MLflow keeps for itself, come last."""
    every = [
        *(
            LoggedValue(METRIC, name, value)
            for name, value in sorted(run.metrics.items(), key=lambda one: _rank(one[0]))
        ),
        *(LoggedValue(PARAMETER, name, value) for name, value in sorted(run.params.items())),
        *(LoggedValue(TAG, name, value) for name, value in sorted(run.tags.items(), key=lambda one: _rank(one[0]))),
    ]
    return {one.key: one for one in every}


def _rank(name: str) -> tuple[bool, str]:
    return name.startswith((_OURS, _SYSTEM)), name


def _value_cell(one: LoggedValue) -> Cell:
    if isinstance(one.value, str):
        return Cell(one.value or "(empty)", one.value, None if one.value else "muted", one.value)
    if math.isnan(one.value):
        return Cell(f"{numbers.WARNING} NaN", "", "warning", "Not a number was logged")
    if math.isinf(one.value):
        return Cell("∞" if one.value > 0 else "−∞", "", "warning")
    return Cell(cells.number(one.value), cells.number(one.value), None, repr(one.value))


COLUMNS: tuple[Column[LoggedValue], ...] = (
    Column("name", "Name", lambda one: Cell(plain(one.name), one.name.lower(), tip=one.name)),
    Column("value", "Value", _value_cell, right=True, stretch=True),
    Column("kind", "Kind", lambda one: Cell(one.kind, one.kind, "muted")),
)


def first_metric(names: list[str]) -> str | None:
    """Return the metric that is drawn before one is chosen: a loss, else the first that is not the machine's."""
    return min(names, key=metric_rank, default=None)


def metric_rank(name: str) -> tuple[bool, bool, int, str]:
    """Return what puts the metrics first that people look at first."""
    return name.startswith(_SYSTEM), "loss" not in name.lower(), len(name), name
