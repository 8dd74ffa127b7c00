"""The worker that lays out what a maker of rows is given: ``python -m mlops_desk.drift.synthetic.input_worker``.

Request: {"data": path of the real file, "scored": [paths of files of rows that models are scored on], "rows": how many
are to be made, "seed": number, "label": column or null, "target": folder, "folder": work folder}. It writes

``target``/given/rows.csv    what may be learned from: UTF-8, a header, nothing for a missing cell
``target``/given/about.json  {"rows", "seed", "label", "columns": [{"name", "kind", "missing", "decimals"}]}
``target``/held.csv          every fifth row, which the maker never sees: privacy is told by these
``target``/columns.json      what each column is, by which the made rows are checked

and answers {"learned": rows, "held": rows, "left_out": rows that are scored on, "of": rows of the file}. No row that a
model is scored on is among them: not one that is the same in all columns that both files have.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.drift.data.file_formats import open_data
from mlops_desk.drift.synthetic.cells import CellTable, keys_of, narrowed, read_cells
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain

MODULE = "mlops_desk.drift.synthetic.input_worker"
GIVEN, HELD, ROWS, ABOUT, COLUMNS = "given", "held.csv", "rows.csv", "about.json", "columns.json"
LEAST_ROWS = 100  # chosen: of fewer rows no joint distribution is learned, and each made row is near a real one
_HELD_EVERY = 5  # chosen: a fifth is enough to tell distances by, and what is learned from is little less


def lay(
    data: Path,
    scored: Sequence[Path],
    rows: int,
    seed: int,
    target: Path,
    label: str | None = None,
    within: str | None = None,
) -> dict[str, int]:
    """Write what the maker is given. Raises NotFound, Invalid."""
    with work_room(within) as (connection, folder):
        try:
            table = read_cells(connection, open_data(connection, data.absolute(), folder))
            others = [read_cells(connection, open_data(connection, one.absolute(), folder)) for one in scored]
        except duckdb.Error as error:
            text = f"{plain(data.name)} can't be read: {plain(str(error).splitlines()[0], 300)}"
            raise Invalid(text, "Is the file complete? Write it again.") from error
    if label is not None and label not in table.rows:
        raise Invalid(f"The data have no column {plain(label, 80)} to make rows by.", "Name another label.")
    n_read, table = table.n_rows, narrowed(table, unscored(table, others))
    learned = [at for at in range(table.n_rows) if (at + seed) % _HELD_EVERY]
    held = [at for at in range(table.n_rows) if not (at + seed) % _HELD_EVERY]
    if len(learned) < LEAST_ROWS:
        text = f"{len(learned):,} rows are left to learn from, and {LEAST_ROWS} are needed."
        raise Invalid(text, "Use more data: rows that models are scored on don't count.")
    given = target / GIVEN
    given.mkdir(parents=True, exist_ok=True)
    write_rows(table.taken(learned), given / ROWS)
    write_rows(table.taken(held), target / HELD)
    (target / COLUMNS).write_text(json.dumps(wire.to_builtins(table.columns)), encoding="utf-8")
    (given / ABOUT).write_text(json.dumps(_about(table, rows, seed, label), indent=1), encoding="utf-8")
    return {"learned": len(learned), "held": len(held), "left_out": n_read - table.n_rows, "of": table.of}


def unscored(table: CellTable, others: Sequence[CellTable]) -> list[int]:
    """Return the places of the rows that are in none of the other tables."""
    known = []
    for other in others:
        shared = [name for name in table.rows if name in other.rows]
        if shared:
            known.append((shared, set(keys_of(other, shared))))
    keys = [(keys_of(table, shared), rows) for shared, rows in known]
    return [at for at in range(table.n_rows) if not any(mine[at] in rows for mine, rows in keys)]


def write_rows(table: CellTable, target: Path) -> None:
    """Write a table as CSV; nothing stands for a missing cell."""
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(table.rows)
        writer.writerows(zip(*table.rows.values(), strict=True))


def _about(table: CellTable, rows: int, seed: int, label: str | None) -> dict[str, Any]:
    columns = [
        {"name": one.name, "kind": one.kind, "missing": one.may_lack, "decimals": one.decimals} for one in table.columns
    ]
    return {"rows": rows, "seed": seed, "label": label, "columns": columns}


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return lay(
        Path(request["data"]),
        [Path(one) for one in request["scored"]],
        request["rows"],
        request["seed"],
        Path(request["target"]),
        request.get("label"),
        request.get("folder"),
    )


if __name__ == "__main__":
    serve_one(answer)
