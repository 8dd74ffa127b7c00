"""Kinds of columns, and whether a value fits one. Pure.

A column holds what fits its kind; what does not, or not exactly (an integer beyond 2**53 among doubles), is kept as it
was sent in a column of JSON beside it. Texts are read as CSV means them, so that a value is the same by either way.
"""

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from mlops_desk.kit.storage.requests import LoggedFeature

DATABASE_TYPES: Mapping[str, str] = {
    "boolean": "BOOLEAN",
    "integer": "INTEGER",
    "long": "BIGINT",
    "float": "DOUBLE",  # what was sent is kept, and JSON's 0.1 is none of float32's numbers
    "double": "DOUBLE",
    "number": "DOUBLE",
    "datetime": "TIMESTAMP",
    "binary": "BLOB",
    "text": "VARCHAR",
    "json": "VARCHAR",
}
TEXT_LIMIT = 4096  # chosen: longer texts are no categories to compare
LARGE_LIMIT = 65_536  # chosen: what is kept to be looked at, not to be measured
COLUMNS_LIMIT = 1000  # chosen: more columns than anybody reads a drift report of
NOTHING: Final = object()
"""Stands for "nothing is left over", where None is a value."""
_WHOLE = re.compile(r"[+-]?\d{1,4300}")  # Python reads no more digits
_REAL = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(nan|inf|infinity)", re.IGNORECASE)
_FINER = re.compile(r"\.\d{6}\d*[1-9]")  # than the microseconds of a TIMESTAMP
_GAPS = frozenset({"", "na", "n/a", "null", "none", "<na>"})  # as pandas reads a CSV file's cells
_LONG = range(-(1 << 63), 1 << 63)
_INTEGER = range(-(1 << 31), 1 << 31)
_NUMBERS = frozenset({"integer", "long", "float", "double", "number"})
_WIDTH = ("integer", "long")

Fitted = tuple[Any, Any]
"""What a column holds of a value, in JSON's own types, and what is to be kept beside it (or NOTHING)."""


def fit(kind: str, value: Any) -> Fitted:
    """Return what a column of a kind holds of a value, and what is left over of it."""
    return (None, NOTHING) if value is None else _FITS[kind](value)


def fitting(kind: str) -> Callable[[Any], Fitted]:
    """Return what ``fit`` does for a kind, for values that are not None."""
    return _FITS[kind]


def guess(rows: Iterable[Mapping[str, Any]]) -> list[LoggedFeature]:
    """Read kinds from values as JSON has them: integers and numbers together are doubles, else unlike ones are text."""
    kinds: dict[str, str | None] = {}
    for row in rows:
        for name, value in row.items():
            known, kind = kinds.get(name), _kind_of(value)
            if known is not None and kind == known:
                continue
            if name in kinds or len(kinds) < COLUMNS_LIMIT:
                kinds[name] = together(known, kind)
    return [LoggedFeature(name, kind or "double") for name, kind in kinds.items()]


def join(features: Sequence[LoggedFeature]) -> list[LoggedFeature]:
    """Join the features of several revisions: one name has one kind."""
    kinds: dict[str, str | None] = {}
    for feature in features:
        kinds[feature.name] = together(kinds.get(feature.name), feature.kind)
    return [LoggedFeature(name, kind or "text") for name, kind in kinds.items()]


def together(first: str | None, second: str | None) -> str | None:
    """Return the kind that holds values of both; None is that of no value at all."""
    if first is None or second is None or first == second:
        return first or second
    if first in _WIDTH and second in _WIDTH:
        return "long"
    return "double" if first in _NUMBERS and second in _NUMBERS else "text"


def cell(text: str) -> Any:
    """Return what a cell of a CSV file says where nobody knows its column's kind; text stays text."""
    if _WHOLE.fullmatch(text):
        return int(text)
    if _REAL.fullmatch(text):
        return float(text)
    word = text.lower()
    return word == "true" if word in {"true", "false"} else text


def _kind_of(value: Any) -> str | None:
    kind = type(value)
    if kind is int:
        return "long" if value in _LONG else "double"
    return _KINDS.get(kind, "text")


def _boolean(value: Any) -> Fitted:
    if isinstance(value, bool):
        return value, NOTHING
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _GAPS:
        return None, NOTHING
    return (word == "true", NOTHING) if word in {"true", "false"} else (None, value)


def _whole(limits: range, value: Any) -> Fitted:
    number = _number_in(value)
    if number is None and isinstance(value, str) and value.strip().lower() in _GAPS:
        return None, NOTHING
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    return (number, NOTHING) if isinstance(number, int) and number in limits else (None, value)


def _real(value: Any) -> Fitted:
    if type(value) is float and math.isfinite(value):  # nearly all of them
        return value, NOTHING
    number = _number_in(value)
    if number is None:
        is_gap = isinstance(value, str) and value.strip().lower() in _GAPS
        return (None, NOTHING) if is_gap else (None, value)
    try:
        nearest = float(number)
    except OverflowError:
        return None, number
    if not math.isfinite(nearest):
        return str(nearest), NOTHING  # the words that DuckDB reads back as numbers
    return nearest, NOTHING if nearest == number else number


def _number_in(value: Any) -> int | float | None:
    if isinstance(value, str):
        text = value.strip()
        if _WHOLE.fullmatch(text):
            return int(text)
        return float(text) if _REAL.fullmatch(text) else None
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _datetime(value: Any) -> Fitted:
    if not isinstance(value, str):
        return None, value  # a number could be seconds, or milliseconds, or nanoseconds
    if value.strip().lower() in _GAPS:
        return None, NOTHING
    try:
        moment = datetime.fromisoformat(value.strip())
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None, value
    return moment.isoformat(), value if _FINER.search(value) else NOTHING


def _binary(value: Any) -> Fitted:
    """Keep bytes as the base64 that MLflow wants them in, longer ones cut."""
    if not isinstance(value, str):
        return None, value
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None, value
    return base64.b64encode(data[:LARGE_LIMIT]).decode(), NOTHING


def _text(value: Any) -> Fitted:
    return clean(value if isinstance(value, str) else json.dumps(value)), NOTHING


def _json(value: Any) -> Fitted:
    return clean(json.dumps(value, ensure_ascii=False), LARGE_LIMIT), NOTHING


def clean(text: str, limit: int = TEXT_LIMIT) -> str:
    """Cap a text and replace what is no Unicode (half a surrogate pair), which Parquet can't hold."""
    return text[:limit].encode("utf-8", "replace").decode()


_KINDS: Mapping[type, str | None] = {
    type(None): None, bool: "boolean", float: "double", list: "json", dict: "json",
}  # fmt: skip
"""Of the types that JSON is read into, which are no others' children."""
_FITS: Mapping[str, Callable[[Any], Fitted]] = {
    "boolean": _boolean,
    "integer": lambda value: _whole(_INTEGER, value),
    "long": lambda value: _whole(_LONG, value),
    "float": _real,
    "double": _real,
    "number": _real,
    "datetime": _datetime,
    "binary": _binary,
    "text": _text,
    "json": _json,
}
