"""Values for tensors: those of the model's own example where they fit, else ones in the smallest shape. Pure."""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

FLOATS, WHOLES, TEXTS, SWITCHES = "floats", "wholes", "texts", "switches"
_FILL: dict[str, Any] = {FLOATS: 1.0, WHOLES: 1, TEXTS: "text", SWITCHES: True}
_MOST_VALUES = 1_000_000  # chosen: an image of 600 × 600 in three colours
_DEEPEST = 16  # chosen: tensors have four or five axes


@dataclass(frozen=True, slots=True)
class Values:
    """A tensor's shape, and its values one after the other."""

    shape: tuple[int, ...]
    data: tuple[Any, ...]


def columns_of(example: bytes | None, names: Sequence[str]) -> dict[str, Any]:
    """Return nested lists by name out of a request in MLflow's form; all of it is that of a lone name."""
    document = _table(example)
    found = next((document[key] for key in ("inputs", "instances", "dataframe_records") if key in document), None)
    split = document.get("dataframe_split")
    if isinstance(split, dict) and isinstance(split.get("columns"), list) and isinstance(split.get("data"), list):
        return _of_split(split["columns"], split["data"], names)
    if isinstance(found, dict):
        return found
    if isinstance(found, list) and found and all(isinstance(row, dict) for row in found):
        return {str(name): [row.get(name) for row in found] for name in found[0]}
    return {names[0]: found} if len(names) == 1 and found is not None else {}


def _of_split(columns: Sequence[Any], data: Sequence[Any], names: Sequence[str]) -> dict[str, Any]:
    rows = [row for row in data if isinstance(row, list)]
    if len(names) == 1 and names[0] not in columns:
        return {names[0]: rows}
    return {str(name): [row[at] for row in rows if at < len(row)] for at, name in enumerate(columns)}


def _table(example: bytes | None) -> dict[str, Any]:
    try:
        document = json.loads(example) if example is not None else None
    except (ValueError, RecursionError):
        return {}  # what can't be read is no example
    return document if isinstance(document, dict) else {}


def values_of(found: Any, kind: str, dims: Sequence[int]) -> Values:
    """Return ``found`` as a tensor of ``dims`` (-1: any size), or ones where it is none.

    Raises ValueError where those would be too many.
    """
    fitted = _fitted(found, kind, dims)
    if fitted is not None:
        return fitted
    shape = tuple(1 if size < 0 else size for size in dims)
    if (count := math.prod(shape)) > _MOST_VALUES:
        raise ValueError(f"a tensor of {count:,} values")
    return Values(shape, (_FILL[kind],) * count)


def _fitted(found: Any, kind: str, dims: Sequence[int]) -> Values | None:
    shape = _shape(found)
    if shape is None:
        return None
    if len(shape) + 1 == len(dims) and dims[-1] in {1, -1}:  # a column of a table
        shape = (*shape, 1)
    if len(shape) != len(dims) or any(size not in {-1, have} for size, have in zip(dims, shape, strict=True)):
        return None
    data = tuple(_as(kind, value) for value in _flat(found))
    return None if None in data or not 0 < len(data) <= _MOST_VALUES else Values(shape, data)


def _shape(found: Any) -> tuple[int, ...] | None:
    """Return the shape of nested lists; None where they are ragged, or no lists."""
    shape: list[int] = []
    level = [found]
    while isinstance(level[0], list):
        lengths = {len(one) if isinstance(one, list) else -1 for one in level}
        if len(lengths) != 1 or 0 in lengths or -1 in lengths or len(shape) == _DEEPEST:
            return None
        shape.append(lengths.pop())
        level = [value for one in level for value in one]
    return tuple(shape) if shape and not any(isinstance(one, (list, dict)) for one in level) else None


def _flat(found: Any) -> Iterable[Any]:
    return (value for one in found for value in _flat(one)) if isinstance(found, list) else (found,)


def _as(kind: str, value: Any) -> Any:
    """Return a value as its kind has it; None where it is of another one."""
    if kind == SWITCHES:
        return value if isinstance(value, bool) else None
    if kind == TEXTS:
        return value if isinstance(value, str) else None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    if kind == WHOLES:
        return int(value) if float(value).is_integer() else None
    return float(value) if math.isfinite(value) else None
