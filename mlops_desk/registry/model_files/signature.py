"""A model's signature: what goes in and comes out, and its parameters, with types as MLflow writes them.

MLflow keeps each part as JSON in a text: columns of a table, or tensors.
"""

import json
from collections.abc import Mapping
from typing import Any

from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model_files import SignatureColumn

_MOST_COLUMNS = 20_000  # chosen: as wide as tables get
_DEEPEST = 8  # chosen: lists of objects of lists; what is deeper is told as …
_LONGEST_TYPE = 300  # chosen: four lines of a terminal


def columns_of(signature: Mapping[str, Any], part: str) -> tuple[SignatureColumn, ...] | None:
    """Return ``inputs``, ``outputs`` or ``params`` of a signature; None where it has none, or none that can be read."""
    written = signature.get(part)
    try:
        columns = json.loads(written) if isinstance(written, str) else written
    except (ValueError, RecursionError):
        return None
    if not isinstance(columns, list):
        return None
    read = _param if part == "params" else _column
    return tuple(read(column) for column in columns[:_MOST_COLUMNS] if isinstance(column, dict))


def _column(told: dict[str, Any]) -> SignatureColumn:
    name = plain(told["name"]) if isinstance(told.get("name"), str) else None
    tensor = told.get("tensor-spec")
    if told.get("type") == "tensor" and isinstance(tensor, dict):
        return SignatureColumn(name, plain(str(tensor.get("dtype")), 40), shape=_shape(tensor.get("shape")))
    required = told.get("required", not told.get("optional", False))  # MLflow wrote "optional" before 2.10
    return SignatureColumn(name, plain(_type(told), _LONGEST_TYPE), is_required=required is not False)


def _param(told: dict[str, Any]) -> SignatureColumn:
    """Return a parameter, which always has a default and so is never required."""
    name = plain(told["name"]) if isinstance(told.get("name"), str) else None
    return SignatureColumn(name, plain(_type(told), _LONGEST_TYPE), is_required=False, shape=_shape(told.get("shape")))


def _shape(told: Any) -> tuple[int, ...] | None:
    if not isinstance(told, list) or not all(isinstance(one, int) for one in told):
        return None
    return tuple(told[:32])  # numpy's own limit is 64 dimensions


def _type(told: Mapping[str, Any], depth: int = 0) -> str:
    """Return a type as MLflow prints it."""
    kind = told.get("type")
    if depth > _DEEPEST:
        return "…"
    if kind == "array":
        return f"Array({_inner(told.get('items'), depth)})"
    if kind == "map":
        return f"Map(str -> {_inner(told.get('values'), depth)})"
    if kind == "object" and isinstance(properties := told.get("properties"), dict):
        named = (f"{name}: {_inner(one, depth)} ({_needed(one)})" for name, one in properties.items())
        return "{" + ", ".join(named) + "}"
    if kind == "sparkml_vector":
        return "SparkML vector"
    return "Any" if kind == "any" else str(kind)


def _inner(told: Any, depth: int) -> str:
    return _type(told, depth + 1) if isinstance(told, dict) else str(told)


def _needed(told: Any) -> str:
    return "optional" if isinstance(told, dict) and told.get("required") is False else "required"
