"""Tables of Markdown as GitHub has them: cells between pipes, and below the head how columns stand. No Qt here."""

import re

COLUMNS_SHOWN = 20  # chosen: more stand beside each other in no window
CELLS_SHOWN = 300  # chosen: of a text; a table is laid out whole, in 40 ms with so many (measured)
_PIPE = re.compile(r"(?<!\\)\|")
_STANDS = re.compile(r"(:?)-{1,500}(:?)")


def cells(line: str) -> list[str]:
    """Return what stands between the pipes of a line; those at its ends are none of a cell's."""
    inner = line.strip()
    inner = inner.removeprefix("|")
    found = _PIPE.split(inner)
    if len(found) > 1 and not found[-1].strip():
        found.pop()
    return [cell.strip().replace("\\|", "|") for cell in found]


def alignments(first: str, second: str) -> list[str] | None:
    """Return how the columns of a table stand (left, right or middle); None where two lines begin no table."""
    if "|" not in second:
        return None
    marks = [_STANDS.fullmatch(cell) for cell in cells(second)]
    if len(marks) != len(cells(first)) or len(marks) > COLUMNS_SHOWN:
        return None
    stands = {("", ""): "left", (":", ""): "left", ("", ":"): "right", (":", ":"): "middle"}
    return None if None in marks else [stands[mark[1], mark[2]] for mark in marks if mark is not None]


def row(line: str, width: int) -> list[str]:
    """Return the cells of a row of a table of ``width`` columns: what is missing is empty, what is over goes."""
    found = cells(line)[:width]
    return found + [""] * (width - len(found))
