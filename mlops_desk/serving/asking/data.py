"""What a person has in a file as a request that a model takes: JSON as it is, CSV by the model's signature. Pure."""

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.storage.request_log.kinds import cell
from mlops_desk.storage.requests import LoggedFeature

_TRUE = frozenset({"true", "1", "yes"})
_FALSE = frozenset({"false", "0", "no"})
_CSV_HINT = "Write CSV with the names of the columns in its first line, or the JSON that the model takes."
_SHOWN = 5  # chosen: so many names fit a line


def body_of(text: str, features: Sequence[LoggedFeature]) -> bytes:
    """Return the JSON to send. Raises Invalid for what is neither an object nor a table."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return json.dumps({"dataframe_split": split_of(text, features)}, allow_nan=False).encode()
    if not isinstance(document, dict):
        hint = 'It is an object such as {"dataframe_records": [{…}]} or {"inputs": […]}.'
        raise Invalid("The data is JSON, and not of a form that a model takes.", hint)
    return text.encode()


def split_of(text: str, features: Sequence[LoggedFeature]) -> dict[str, Any]:
    """Return the columns and rows of a CSV, each value as the model's signature has it. Raises Invalid."""
    try:
        rows = [row for row in csv.reader(io.StringIO(text), strict=True) if row]
    except csv.Error as error:
        raise Invalid(f"The data is neither JSON nor CSV: {error}.", _CSV_HINT) from error
    if len(rows) < 2:
        raise Invalid("The data has no rows.", _CSV_HINT)
    names, *values = rows
    _check(names, values, features)
    kinds = {feature.name: feature.kind for feature in features}
    wanted = [index for index, name in enumerate(names) if not features or name in kinds]
    data = [[_value(row[index], kinds.get(names[index]), number, names[index]) for index in wanted]
            for number, row in enumerate(values, 2)]  # fmt: skip
    return {"columns": [names[index] for index in wanted], "data": data}


def _check(names: Sequence[str], rows: Sequence[Sequence[str]], features: Sequence[LoggedFeature]) -> None:
    if len(set(names)) != len(names):
        raise Invalid("The data has two columns of one name.", _CSV_HINT)
    for number, row in enumerate(rows, 2):
        if len(row) != len(names):
            raise Invalid(f"Row {number} of the data has {len(row)} values, and its header {len(names)} names.")
    missing = [feature.name for feature in features if feature.name not in names]
    if missing:
        shown = ", ".join(plain(name, 40) for name in missing[:_SHOWN])
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise Invalid(f"The data lacks columns that the model takes: {shown}{more}.", _CSV_HINT)


def typed(value: Any, kind: str | None, number: int, name: str) -> Any:
    """Return a value as the model's signature has it: what a file of text holds is read, others stay. Raises Invalid.

    ``number`` and ``name`` say in which row and column it stands.
    """
    return _value(value, kind, number, name) if isinstance(value, str) else value


def _value(text: str, kind: str | None, number: int, name: str) -> Any:
    """Return one cell; an empty one is a missing value. Raises Invalid."""
    if text == "":
        return None
    if kind is None:
        return cell(text)
    try:
        return _KINDS.get(kind, str)(text)
    except (ValueError, RecursionError) as error:
        where = f"Row {number} of the data, column {plain(name, 40)}"
        raise Invalid(f"{where}: {plain(text, 40)!r} is not of the kind {kind}.") from error


def _boolean(text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ValueError(text)
    return word in _TRUE


def _number(text: str) -> float:
    value = float(text)
    if value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - JSON has no NaN
        raise ValueError(text)
    return value


_KINDS: Mapping[str, Callable[[str], Any]] = {
    "boolean": _boolean, "integer": int, "long": int, "float": _number, "double": _number, "number": _number,
    "json": json.loads,
}  # fmt: skip
