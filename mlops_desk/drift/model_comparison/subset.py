"""The worker takes a part of the rows: ``python -m mlops_desk.drift.model_comparison.subset``, a request on stdin.

Request: {"data": path, "rows": how many (null: none are written), "seed": number, "target": path, "folder": path}. It
writes a file of the same kind, CSV or Parquet, with so many of the rows in their old order, and answers {"of": rows of
the whole}. The rows of fewer are among those of more, with the same seed.
"""

# ruff: noqa: S608 - names and paths are quoted

import csv
from pathlib import Path
from typing import Any

import numpy as np

from mlops_desk.drift.data import csv_text
from mlops_desk.drift.data.file_formats import kind_of
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import pattern, quoted

MODULE = "mlops_desk.drift.model_comparison.subset"


def take_rows(data: Path, rows: int | None, seed: int, target: Path, within: str | None) -> int:
    """Write some of the rows; return how many there are in all. Raises Invalid."""
    kind = kind_of(data)
    if kind not in {"Parquet", "CSV"}:
        text = f"{plain(data.name, 80)} is a file of {kind}, and parts are taken of Parquet and CSV alone."
        raise Invalid(text, "Write the training data as Parquet.")
    with work_room(within) as (connection, work):
        if kind == "Parquet":
            return _parquet(connection, data, rows, seed, target)
        if csv_text.as_utf8(data, work) != data:
            raise Invalid(f"{plain(data.name, 80)} is not UTF-8.", "Write it as UTF-8.")
        return _csv(data, rows, seed, target)


def chosen(of: int, rows: int, seed: int) -> list[int]:
    """Return the places of some rows: those of fewer are among those of more."""
    return sorted(map(int, np.random.default_rng(seed).permutation(of)[:rows]))


def _csv(data: Path, rows: int | None, seed: int, target: Path) -> int:
    _, delimiter = csv_text.header(data, data)
    with data.open(encoding="utf-8", newline="") as file:
        header, *found = [row for row in csv.reader(file, delimiter=delimiter) if row]
    if rows is not None:
        with target.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter=delimiter, lineterminator="\n")
            writer.writerow(header)
            writer.writerows(found[at] for at in chosen(len(found), rows, seed))
    return len(found)


def _parquet(connection: Any, data: Path, rows: int | None, seed: int, target: Path) -> int:
    of = int(connection.execute(f"SELECT count(*) FROM read_parquet({pattern(data)})").fetchall()[0][0])
    if rows is not None:
        connection.execute("CREATE TABLE chosen (place BIGINT)")
        connection.executemany("INSERT INTO chosen VALUES (?)", [[at] for at in chosen(of, rows, seed)])
        read = f"read_parquet({pattern(data)}, file_row_number = true)"
        query = f"SELECT * EXCLUDE file_row_number FROM {read} WHERE file_row_number IN (FROM chosen)"
        connection.execute(f"COPY ({query}) TO {quoted(str(target))} (FORMAT parquet)")
    return of


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    path, folder = Path(request["data"]), request.get("folder")
    return {"of": take_rows(path, request["rows"], request["seed"], Path(request["target"]), folder)}


if __name__ == "__main__":
    serve_one(answer)
