"""The worker lays out labelled rows: ``python -m mlops_desk.drift.model_comparison.rows_worker``, a request on stdin.

Request: {"data": path, "features": [names], "label": column or null, "groups": [columns], "most": rows, "target":
path, "folder": path, "unlabelled": whether rows may do without a label}. It writes ``most`` rows at most as JSON lines,
{"features": {name: value}, "label": value, "groups": {column: value}}, the features being all columns but the label. It
answers {"rows": how many it wrote, "of": how many there are, "label": the column}.
Of more rows every k-th is taken, so that the same file gives the same rows.
"""

# ruff: noqa: S608 - the relation's names and paths are quoted by who opened it

import datetime as dt
import decimal
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.data.open_table import OpenedTable
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MODULE = "mlops_desk.drift.model_comparison.rows_worker"
_SHOWN = 5  # chosen: so many names fit a line


def lay_rows(
    data: Path,
    features: Sequence[str],
    label: str | None,
    groups: Sequence[str],
    most: int,
    target: Path,
    within: str | None = None,
    *,
    unlabelled: bool = False,
) -> dict[str, Any]:
    """Write the rows down. Raises NotFound, Invalid."""
    with work_room(within) as (connection, folder):
        table = open_data(connection, data.absolute(), folder)
        truth = None if unlabelled and label is None else label_of(table, features, label)
        missing = [name for name in (*features, *groups) if name not in table.columns]
        if missing:
            shown = ", ".join(plain(name, 40) for name in missing[:_SHOWN])
            raise Invalid(f"{plain(data.name)} lacks columns that are needed: {shown}.", "Name a file that has them.")
        try:
            n = _written(connection, table, (truth, groups), most, target)
        except duckdb.Error as error:
            text = f"{plain(data.name)} can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, "Is the file complete? Write it again.") from error
        return {"rows": n, "of": table.n_rows, "label": truth}


def label_of(table: OpenedTable, features: Sequence[str], label: str | None) -> str:
    """Return the column of the truth: the one that is named, or the only one that the model doesn't take."""
    if label is not None:
        if label not in table.columns:
            raise Invalid(f"The data have no column {plain(label)}, where the labels should be.", "Name another one.")
        return label
    left = [name for name in table.columns if name not in set(features)]
    if features and len(left) == 1:
        return left[0]
    told = f"the model doesn't take {', '.join(plain(name, 40) for name in left[:_SHOWN]) or 'none'} of their columns"
    hint = "Name the column in the rule: --label COLUMN."
    raise Invalid(f"Which column of the data holds the labels is not known: {told}.", hint)


def _written(
    connection: Any,
    table: OpenedTable,
    wanted: tuple[str | None, Sequence[str]],
    most: int,
    target: Path,
) -> int:
    label, groups = wanted
    taken = [name for name in table.columns if name != label]  # two models may take different ones
    names = [*taken, *(() if label is None else (label,)), *groups]
    listed = ", ".join(table.columns[name][0] for name in names)
    step = max(1, -(-table.n_rows // most))
    numbered = f"(SELECT {listed}, row_number() OVER () - 1 AS numbered FROM {table.relation})"
    chosen = connection.execute(f"SELECT * FROM {numbered} WHERE numbered % {step} = 0 LIMIT {int(most)}")
    n = 0
    with target.open("w", encoding="utf-8") as file:
        while rows := chosen.fetchmany(1000):  # chosen: a megabyte or so at once
            for row in rows:
                values = [as_json(one) for one in row[:-1]]
                given = dict(zip(taken, values, strict=False))
                told = dict(zip(groups, values[len(values) - len(groups) :], strict=True))
                truth = None if label is None else values[len(taken)]
                line = {"features": given, "label": truth, "groups": told}
                file.write(json.dumps(line, allow_nan=False) + "\n")
                n += 1
    return n


def as_json(value: Any) -> Any:
    """Return a cell as JSON has it: what is no number is missing, moments are ISO 8601, the rest is its text."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, (float, decimal.Decimal)):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, (dt.datetime, dt.date)):
        return value.isoformat()
    if isinstance(value, (list, dict)):
        return json.loads(json.dumps(value, default=str))
    return str(value)


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return lay_rows(
        Path(request["data"]),
        request["features"],
        request.get("label"),
        request.get("groups", []),
        request["most"],
        Path(request["target"]),
        request.get("folder"),
        unlabelled=request.get("unlabelled", False),
    )


if __name__ == "__main__":
    serve_one(answer)
