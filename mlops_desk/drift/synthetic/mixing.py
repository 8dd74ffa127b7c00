"""The file that a training gets: the real rows with the made ones behind them, or the made ones alone.

It is written as the real file is: Parquet with the same types, or CSV with the same delimiter and the real lines as
they were, byte for byte. Other kinds of files are refused, for a training would not read them alike.
"""

# ruff: noqa: S608 - names and paths are quoted

import csv
import shutil
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.data import delimited_text
from mlops_desk.drift.data.opening import kind_of
from mlops_desk.drift.synthetic.cells import CellTable
from mlops_desk.storage.data_files import identifier, pattern, quoted


def write_mixed(connection: Any, real: Path, made: CellTable, target: Path, *, with_real: bool, work: Path) -> None:
    """Write the file. Raises Invalid, OSError."""
    kind = kind_of(real)
    if kind == "Parquet":
        _parquet(connection, real, made, target, with_real=with_real, work=work)
    elif kind == "CSV":
        _csv(real, made, target, with_real=with_real, work=work)
    else:
        text = f"{plain(real.name, 80)} is a file of {kind}, and made rows are added to Parquet and CSV alone."
        raise Invalid(text, "Write the training data as Parquet.")


def _csv(real: Path, made: CellTable, target: Path, *, with_real: bool, work: Path) -> None:
    if delimited_text.as_utf8(real, work) != real:
        raise Invalid(f"{plain(real.name, 80)} is not UTF-8, so made rows can't be added.", "Write it as UTF-8.")
    names, delimiter = delimited_text.header(real, real)
    with real.open("rb") as file:
        first = file.readline()
    ending = "\r\n" if first.endswith(b"\r\n") else "\n"
    if with_real:
        shutil.copyfile(real, target)
    else:
        target.write_bytes(first)
    if not _ends_line(target):
        with target.open("ab") as file:
            file.write(ending.encode("ascii"))
    with target.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=ending)
        writer.writerows(zip(*(made.rows[name] for name in names), strict=True))


def _ends_line(path: Path) -> bool:
    with path.open("rb") as file:
        if not file.seek(0, 2):
            return True
        file.seek(-1, 2)
        return file.read(1) == b"\n"


def _parquet(connection: Any, real: Path, made: CellTable, target: Path, *, with_real: bool, work: Path) -> None:
    """Write real and made rows with the real types; a made cell that has not its column's is refused."""
    described = connection.execute(f"DESCRIBE SELECT * FROM read_parquet({pattern(real)})").fetchall()
    types = {str(name): str(kind) for name, kind, *_ in described}
    rows = work / "made.csv"
    with rows.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, quoting=csv.QUOTE_MINIMAL)
        writer.writerows(zip(*(made.rows[name] for name in types), strict=True))
    columns = ", ".join(f"{quoted(name)}: 'VARCHAR'" for name in types)
    read = f"read_csv({pattern(rows)}, auto_detect=false, header=false, columns={{{columns}}}, quote='\"', nullstr='')"
    cast = ", ".join(f"CAST({identifier(name)} AS {kind}) AS {identifier(name)}" for name, kind in types.items())
    parts = [f"SELECT * FROM read_parquet({pattern(real)})"] if with_real else []
    parts.append(f"SELECT {cast} FROM {read}")
    try:
        connection.execute(f"COPY ({' UNION ALL '.join(parts)}) TO {quoted(str(target))} (FORMAT parquet)")
    except duckdb.Error as error:
        text = f"The made rows don't fit the types of {plain(real.name, 80)}: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Mend the maker: each cell has its column's type.") from error
