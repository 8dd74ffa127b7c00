"""Whether what a maker wrote is a table of the kind that was asked for. Its container is hostile, and so is its output.

The folder is opened without following a link, the file has to be a plain one and small enough, and each cell has to be
what its column is: a number within the reach of the real ones, a category that is among them, a date, a text that is no
longer. One cell that is not refuses all of it, for nobody knows then what the maker has done.
"""

import csv
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from mlops_desk.base.disk.files import NotPlainError, open_plain
from mlops_desk.base.errors import Invalid
from mlops_desk.base.text import plain
from mlops_desk.drift.synthetic.cells import CellTable, MadeColumn, MadeKind, number_of, time_of

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
        return _read(place, name)
    finally:
        os.close(place)


def _check_entries(place: int) -> None:
    with os.scandir(place) as found:
        for number, entry in enumerate(found, 1):
            if number > MOST_ENTRIES:
                raise Invalid(f"The maker wrote more than {MOST_ENTRIES} files.", _HINT)
            if entry.is_symlink():
                raise Invalid(f"The maker left a link, {plain(entry.name, 80)}, which is not followed.", _HINT)


def _read(place: int, name: str) -> str:
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
