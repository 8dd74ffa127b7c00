"""A table as text that does no harm elsewhere: a spreadsheet must not read a cell as a formula. No Qt here."""

import csv
import io
import re
from collections.abc import Iterable, Sequence

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_NUMBER = re.compile(r"[+-]?\d[\d,.\u202f]*(e[+-]?\d+)?[\u202f ]?[%\w°/]*")


def as_text(table: Iterable[Sequence[str]]) -> str:
    """Return rows with tabs between the cells."""
    return "\n".join("\t".join(cell.replace("\t", " ") for cell in row) for row in table)


def as_csv(table: Iterable[Sequence[str]]) -> str:
    """Return RFC 4180 text; a cell that looks like a formula gets a leading quote."""
    text = io.StringIO()
    csv.writer(text).writerows([[inert(cell) for cell in row] for row in table])
    return text.getvalue()


def inert(cell: str) -> str:
    """Return ``cell`` so that no spreadsheet runs it; numbers stay as they are."""
    if cell.startswith(_FORMULA) and not _NUMBER.fullmatch(cell):
        return "'" + cell
    return cell
