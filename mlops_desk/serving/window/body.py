"""A request's body as a form: the columns of its first row, as typed; and how it is sent from elsewhere. Pure."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MOST_FIELDS = 60  # chosen: a form of more is not filled in by hand; the JSON is there
_RECORDS, _SPLIT = "dataframe_records", "dataframe_split"
_YES, _NO = {"true", "yes", "1"}, {"false", "no", "0"}


@dataclass(frozen=True, slots=True)
class BodyField:
    """One column of a row: its name and the value that it has in the example."""

    name: str
    value: bool | float | str


def fields_of(example: Any) -> list[BodyField]:
    """Return the columns of an example's first row; none where it is no table, or has more than numbers and texts."""
    row = _row(example)
    if row is None or not 0 < len(row) <= MOST_FIELDS:
        return []
    if any(not isinstance(value, (bool, int, float, str)) for value in row.values()):
        return []
    return [BodyField(name, value) for name, value in row.items()]


def _row(example: Any) -> dict[str, Any] | None:
    if not isinstance(example, dict):
        return None
    records, split = example.get(_RECORDS), example.get(_SPLIT)
    if isinstance(records, list) and records and isinstance(records[0], dict):
        return dict(records[0])
    if isinstance(split, dict):
        columns, data = split.get("columns"), split.get("data")
        if isinstance(columns, list) and isinstance(data, list) and data and isinstance(data[0], list):
            names = [str(column) for column in columns]
            return dict(zip(names, data[0], strict=True)) if len(names) == len(data[0]) else None
    return None


def filled(fields: list[BodyField], typed: Mapping[str, str]) -> dict[str, Any]:
    """Return a body with one row of what was typed, each value of the example's kind. Raises Invalid."""
    return {_RECORDS: [{field.name: _value(field, typed[field.name]) for field in fields}]}


def _value(field: BodyField, text: str) -> bool | float | str:
    if isinstance(field.value, str):
        return text
    said = text.strip()
    if isinstance(field.value, bool):
        if said.lower() in _YES | _NO:
            return said.lower() in _YES
        raise Invalid(f"{plain(field.name, 60)} is yes or no, and {plain(text, 40)!r} is neither.")
    try:
        return int(said) if isinstance(field.value, int) and said.lstrip("+-").isdecimal() else float(said)
    except ValueError:
        raise Invalid(f"{plain(field.name, 60)} is a number, and {plain(text, 40)!r} is none.") from None


def written(value: bool | float | str) -> str:
    """Return a value as it is typed."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def pretty(text: str) -> str:
    """Return JSON with its lines indented, anything else as it is."""
    try:
        return json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return text


def as_curl(url: str, body: str, *, with_token: bool) -> str:
    """Return the line for a shell that sends it; the token is in the environment, as ``TOKEN``."""
    token = ' -H "Authorization: Bearer $TOKEN"' if with_token else ""
    return f"curl {shlex.quote(url)}{token} -H 'Content-Type: application/json' -d {shlex.quote(body)}"


def as_python(url: str, body: str, *, with_token: bool) -> str:
    """Return a program of the standard library that sends it."""
    token = '    "Authorization": f"Bearer {os.environ[\'TOKEN\']}",\n' if with_token else ""
    return (
        f"{'import os' + chr(10) if with_token else ''}import urllib.request\n\n"
        f"body = {body!r}\n"
        "headers = {\n"
        '    "Content-Type": "application/json",\n'
        f"{token}"
        "}\n"
        f"request = urllib.request.Request({url!r}, body.encode(), headers)\n"
        "with urllib.request.urlopen(request, timeout=60) as answer:\n"
        "    print(answer.read().decode())\n"
    )
