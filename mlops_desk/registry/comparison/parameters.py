"""Parameters of runs as columns of numbers, as a forest takes them. Pure.

A parameter whose values all read as numbers is one; else its texts are told apart, and nothing more. What a run does
not have is None in its column: "no dropout" is a choice too.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlops_desk.registry.records.model import Run

MOST_PARAMS = 200  # chosen: of more none can be told apart by the runs of a sweep
_MOST_WORDS = 50  # chosen: more different texts are names (paths, seeds as text), which explain nothing


@dataclass(frozen=True, slots=True)
class ParameterColumn:
    """One parameter over all runs. ``values`` are its numbers, or numbers that stand for its texts (None: none)."""

    name: str
    is_number: bool
    values: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class ParameterTable:
    """The runs that have a finite value of the metric: their parameters and that value."""

    targets: tuple[float, ...] = ()
    params: tuple[ParameterColumn, ...] = field(default_factory=tuple)


def table_of(runs: Sequence[Run], metric: str) -> ParameterTable:
    """Return the parameters of the runs that have a finite value of a metric."""
    measured = [run for run in runs if math.isfinite(run.metrics.get(metric, math.nan))]
    names = sorted({name for run in measured for name in run.params})
    columns = [_column(name, [run.params.get(name) for run in measured]) for name in names]
    return ParameterTable(tuple(run.metrics[metric] for run in measured), tuple(columns[:MOST_PARAMS]))


def _column(name: str, texts: Sequence[str | None]) -> ParameterColumn:
    numbers = [None if text is None else number(text) for text in texts]
    if all(text is None or found is not None for text, found in zip(texts, numbers, strict=True)):
        return ParameterColumn(name, True, tuple(numbers))
    places = {text: float(place) for place, text in enumerate(sorted({text for text in texts if text is not None}))}
    if len(places) > _MOST_WORDS:
        return ParameterColumn(name, False, (None,) * len(texts))
    return ParameterColumn(name, False, tuple(None if text is None else places[text] for text in texts))


def number(text: str) -> float | None:
    """Return a finite number that a text says; a truth value is one too."""
    words = {"true": 1.0, "false": 0.0}
    try:
        found = words.get(text.strip().lower())
        found = float(text) if found is None else found
    except ValueError:
        return None
    return found if math.isfinite(found) else None
