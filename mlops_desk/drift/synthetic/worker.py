"""The worker that takes what a maker wrote: ``python -m mlops_desk.drift.synthetic.worker``, one request on stdin.

Request: {"laid": the folder that ``laying`` wrote, "out": the maker's output folder, "data": the real file, "with":
true for real and made rows, "rows": how many were asked for, "seed": number, "target": folder, "title": text, "folder":
work folder}. Once the rows are checked it writes into ``target``

data/NAME      the file for the training, called as the real one
made.csv       the made rows
report.json    the report, and report.html, the same as a page

and answers {"report": a SyntheticReport, "file": its path, "sha256", "rows_sha256", "source_sha256"}.

The file that a training gets: the real rows with the made ones behind them, or the made ones alone.

It is written as the real file is: Parquet with the same types, or CSV with the same delimiter and the real lines as
they were, byte for byte. Other kinds of files are refused, for a training would not read them alike.

Whether what a maker wrote is a table of the kind that was asked for. Its container is hostile, and so is its output.

The folder is opened without following a link, the file has to be a plain one and small enough, and each cell has to be
what its column is: a number within the reach of the real ones, a category that is among them, a date, a text that is no
longer. One cell that is not refuses all of it, for nobody knows then what the maker has done.
"""

import csv
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.automation.records.pipelines.synthetic import SyntheticReport
from mlops_desk.drift.data import csv_text
from mlops_desk.drift.data.file_formats import kind_of
from mlops_desk.drift.synthetic import fidelity
from mlops_desk.drift.synthetic.cells import CellTable, MadeColumn, MadeKind, number_of, time_of
from mlops_desk.drift.synthetic.input_worker import COLUMNS, GIVEN, HELD, ROWS, write_rows
from mlops_desk.drift.synthetic.page import page
from mlops_desk.drift.synthetic.privacy import row_privacy
from mlops_desk.drift.workspace import work_room
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.disk.files import NotPlainError, open_plain, write_atomically
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.data_files import identifier, pattern, quoted

MOST_ENTRIES = 100  # chosen: rows, a report, some pictures; a million names are a way to keep us busy
MOST_BYTES = 1 << 30  # chosen: 5,000,000 cells of 200 bytes
MOST_MADE = 1_000_000  # chosen: five times as many rows as are learned from
REACH = 0.5
"""Of the real numbers' span, how far beyond them one may lie. Chosen: an age of 130 may be made, one of 900 is none."""
NAME_LENGTH = 24  # chosen: a maker may number its texts, also where the real ones are shorter than that
_HINT = "Look at the job's log, and mend the maker."


def read_made(folder: Path, name: str, columns: Sequence[MadeColumn], wanted: int) -> CellTable:
    """Return the made rows. Raises Invalid, which says what is wrong and where."""
    text = _text(folder, name)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        _check_header(header, columns)
        rows = list(_rows(reader, len(header), wanted))
    except csv.Error as error:
        raise Invalid(f"The made rows are no CSV: {plain(str(error), 200)} (line {reader.line_num}).", _HINT) from error
    if not rows:
        raise Invalid("The maker made no rows.", _HINT)
    by_name = {one: [row[at] or None for row in rows] for at, one in enumerate(header)}
    for column in columns:
        _check_cells(column, by_name[column.name])
    return CellTable(tuple(columns), {one.name: by_name[one.name] for one in columns}, len(rows))


def _rows(reader: Iterator[list[str]], width: int, wanted: int) -> Iterator[list[str]]:
    for number, row in enumerate((one for one in reader if one), 1):
        if len(row) != width:
            raise Invalid(f"Row {number} of the made rows has {len(row)} cells and not {width}.", _HINT)
        if number > min(wanted, MOST_MADE):
            raise Invalid(f"There are more made rows than the {min(wanted, MOST_MADE):,} that were asked for.", _HINT)
        yield row


def _text(folder: Path, name: str) -> str:
    try:
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise Invalid(f"The maker left no folder of made rows: {error.strerror}.", _HINT) from error
    try:
        _check_entries(place)
        return _validation_read(place, name)
    finally:
        os.close(place)


def _check_entries(place: int) -> None:
    with os.scandir(place) as found:
        for number, entry in enumerate(found, 1):
            if number > MOST_ENTRIES:
                raise Invalid(f"The maker wrote more than {MOST_ENTRIES} files.", _HINT)
            if entry.is_symlink():
                raise Invalid(f"The maker left a link, {plain(entry.name, 80)}, which is not followed.", _HINT)


def _validation_read(place: int, name: str) -> str:
    try:
        opened = open_plain(name, folder=place)
    except NotPlainError as error:
        raise Invalid(f"What the maker wrote as {name} is no plain file.", _HINT) from error
    except OSError as error:
        raise Invalid(f"The maker did not write {name}: {error.strerror}.", _HINT) from error
    with opened as file:
        data = file.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise Invalid(f"The made rows have more than {MOST_BYTES >> 20} MiB.", "Make fewer of them.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Invalid(f"The made rows are not UTF-8: byte {error.start}.", _HINT) from error


def _check_header(header: Sequence[str], columns: Sequence[MadeColumn]) -> None:
    wanted = [one.name for one in columns]
    lacking = [name for name in wanted if name not in header]
    more = [name for name in header if name not in wanted]
    if lacking or more or len(header) != len(wanted):
        odd = f"lack {plain(lacking[0], 80)}" if lacking else f"have {plain((more or header)[0], 80)} once too often"
        raise Invalid(f"The made rows have other columns than the real ones: they {odd}.", _HINT)


def _check_cells(column: MadeColumn, cells: Sequence[str | None]) -> None:
    known = frozenset(column.values)
    for at, cell in enumerate(cells, 1):
        why = _wrong(column, known, cell)
        if why is not None:
            where = f"row {at}, column {plain(column.name, 80)}"
            shown = "nothing" if cell is None else repr(plain(cell, 40))
            raise Invalid(f"The made rows are not such as the real ones: {where} holds {shown}, {why}.", _HINT)


def _wrong(column: MadeColumn, known: frozenset[str], cell: str | None) -> str | None:
    if cell is None:
        return None if column.may_lack else "and no real row lacks it"
    if column.kind is MadeKind.CATEGORY:
        return None if cell in known else "which no real row has"
    if column.kind is MadeKind.TEXT:
        return None if len(cell) <= max(column.longest, NAME_LENGTH) else "which is longer than any real one"
    return _wrong_number(column, time_of(cell) if column.kind is MadeKind.TIME else number_of(cell))


def _wrong_number(column: MadeColumn, value: float | None) -> str | None:
    if value is None:
        return f"which is no {column.kind}"
    if column.kind is MadeKind.INTEGER and not value.is_integer():
        return "which is no whole number"
    if column.low is None or column.high is None:
        return "and no real row has a value there"
    span = (column.high - column.low) * REACH
    return None if column.low - span <= value <= column.high + span else "which lies far beyond the real ones"


# ruff: noqa: S608 - names and paths are quoted


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
    if csv_text.as_utf8(real, work) != real:
        raise Invalid(f"{plain(real.name, 80)} is not UTF-8, so made rows can't be added.", "Write it as UTF-8.")
    names, delimiter = csv_text.header(real, real)
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


MODULE = "mlops_desk.drift.synthetic.worker"
MADE, REPORT, PAGE, DATA = "made.csv", "report.json", "report.html", "data"
_CHUNK = 1 << 20  # chosen: as large as a disk likes to read


def report_of(learned: CellTable, held: CellTable, made: CellTable, seed: int) -> SyntheticReport:
    """Reckon fidelity and privacy of made rows."""
    columns = fidelity.column_fidelity(learned, made)
    pairs, n_pairs = fidelity.pair_fidelity(learned, made)
    shapes = _mean([one.score for one in columns])
    trends = _mean([one.score for one in pairs])
    notes = [f"Of {n_pairs:,} pairs of columns {len(pairs):,} were compared."] if len(pairs) < n_pairs else []
    left = [one.name for one in learned.columns if one.name not in {column.column for column in columns}]
    notes += [f"Texts are not compared: {', '.join(left)}."] if left else []
    return SyntheticReport(
        learned.n_rows, held.n_rows, made.n_rows, columns, pairs, shapes, trends, _mean([shapes, trends]),
        row_privacy(learned, held, made, seed), n_pairs, tuple(notes),
    )  # fmt: skip


def _mean(scores: list[float | None]) -> float | None:
    known = [one for one in scores if one is not None]
    return sum(known) / len(known) if known else None


def take(request: dict[str, Any]) -> dict[str, Any]:
    """Check, judge and mix. Raises Invalid."""
    laid, target, real = Path(request["laid"]), Path(request["target"]), Path(request["data"])
    columns = wire.from_builtins(json.loads((laid / COLUMNS).read_text("utf-8")), tuple[MadeColumn, ...])
    made = read_made(Path(request["out"]), ROWS, columns, request["rows"])
    learned, held = _read(laid / GIVEN / ROWS, columns), _read(laid / HELD, columns)
    report = report_of(learned, held, made, request["seed"])
    (target / DATA).mkdir(parents=True, exist_ok=True)
    write_rows(made, target / MADE)
    file = target / DATA / real.name
    with work_room(request.get("folder")) as (connection, work):
        write_mixed(connection, real, made, file, with_real=request["with"], work=work)
    told = wire.to_builtins(report)
    write_atomically(target / REPORT, json.dumps(told, indent=1, allow_nan=False).encode())
    write_atomically(target / PAGE, page(report, request["title"]).encode())
    return {
        "report": told, "file": str(file), "sha256": _hash(file), "rows_sha256": _hash(target / MADE),
        "source_sha256": _hash(real),
    }  # fmt: skip


def _read(path: Path, columns: tuple[MadeColumn, ...]) -> CellTable:
    """Read what ``laying`` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = list(csv.reader(file))
    cells = {name: [row[at] or None for row in rows] for at, name in enumerate(header)}
    return CellTable(columns, cells, len(rows))


def _hash(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types."""
    return take(request)


if __name__ == "__main__":
    serve_one(answer)
