"""Lays runs or versions side by side: a row for each thing that any of them has, and whether it differs. Pure."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from mlops_desk.records.registry.comparison import ComparedGroup, ComparedValue
from mlops_desk.registry.comparing.direction import LOWER, direction
from mlops_desk.registry.comparing.equality import Value, same_number, same_parameter, same_text
from mlops_desk.registry.comparing.facts import ComparedFacts

_LONGEST_VALUE = 2000  # chosen: a cell that is cut still differs by its end, and a page of text is read elsewhere
_SYSTEM = "system/"  # begins the names of what MLflow measures of the machine


def compare(compared: Sequence[ComparedFacts]) -> list[ComparedValue]:
    """Return all rows, by their groups; those of the machine's own metrics stand last in theirs."""
    groups: tuple[tuple[ComparedGroup, list[Mapping[str, Value]], Callable[[Value, Value], bool]], ...] = (
        (ComparedGroup.METRICS, [one.metrics for one in compared], same_number),
        (ComparedGroup.PARAMS, [one.params for one in compared], same_parameter),
        (ComparedGroup.TAGS, [one.tags for one in compared], same_text),
        (ComparedGroup.DATA, [one.data for one in compared], same_text),
        (ComparedGroup.ENVIRONMENT, [one.environment for one in compared], same_text),
        (ComparedGroup.SIGNATURE, [one.signature for one in compared], same_text),
        (ComparedGroup.CODE, [one.code for one in compared], same_text),
    )
    return [row for group, columns, same in groups for row in _rows(group, columns, same)]


def _rows(
    group: ComparedGroup, columns: Sequence[Mapping[str, Value]], same: Callable[[Value, Value], bool]
) -> Iterator[ComparedValue]:
    keys = {key for column in columns for key in column}
    for key in sorted(keys, key=lambda name: (name.startswith(_SYSTEM), name)):
        values = tuple(column.get(key) for column in columns)
        differs = any(not same(values[0], value) for value in values[1:])
        best = _best(key, values) if differs and group is ComparedGroup.METRICS else None
        yield ComparedValue(group, key, tuple(map(_cut, values)), differs, best)


def _best(metric: str, values: Sequence[Value]) -> int | None:
    """Return the place of the best finite value, the first of equals; None where fewer than two can be compared."""
    better = direction(metric)
    finite = [(value, place) for place, value in enumerate(values) if isinstance(value, float) and math.isfinite(value)]
    if better is None or len(finite) < 2 or len({value for value, _ in finite}) < 2:
        return None
    sign = 1.0 if better == LOWER else -1.0
    return min(finite, key=lambda pair: (sign * pair[0], pair[1]))[1]


def _cut(value: Value) -> Value:
    return f"{value[:_LONGEST_VALUE]}…" if isinstance(value, str) and len(value) > _LONGEST_VALUE else value
