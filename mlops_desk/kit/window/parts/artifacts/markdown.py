"""Markdown as blocks and pieces to show: headings, lists, quotes, code, tables, emphasis and links. No Qt here.

A reader of our own, for what it makes is letters and looks only: there is no markup to be interpreted, no picture to be
fetched, no nesting to lay out. What it does not know stays as it was written. It looks at each character a few times.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mlops_desk.kit.base.text import plain

# Tables of Markdown as GitHub has them: cells between pipes, and below the head how columns stand. No Qt here.
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


LINES_SHOWN = 2000  # chosen: more of a description nobody reads; "As source" has all that came
_TEXT_LIMIT = 200_000  # chosen: characters, forty pages; read and laid out in less than a blink
_PARAGRAPH = 4000  # chosen: characters, a page; one line more is taken along
_LINE_LIMIT = 2000  # chosen: characters; longer lines are data
_HEADING = re.compile(r"(#{1,6})\s+(.*?)\s*#*")
_BULLET = re.compile(r"(\s{0,20})(?:[-*+]|(\d{1,9})[.)])\s+(?:\[([ xX])\]\s+)?(.*)")
_RULE = re.compile(r"\s{0,3}([-*_])(?:\s{0,3}\1){2,40}\s*")
_FENCE = re.compile(r"\s{0,3}(`{3,12}|~{3,12}).*")
# None of them can begin within what it looks through, so that the whole takes as long as the line is.
_INLINE = re.compile(
    r"\x60(?P<code>[^\x60]{1,500})\x60"
    r"|~~(?P<struck>[^~]{1,500})~~"
    r"|\*\*(?P<bold>[^*]{1,500})\*\*|__(?P<bold_too>[^_]{1,500})__"
    r"|\*(?P<slanted>[^*\s][^*]{0,500})\*|(?<!\w)_(?P<slanted_too>[^_\s][^_]{0,500})_(?!\w)"
    r"|(?P<picture>!?)\[(?P<words>[^\[\]]{0,300})\]\((?P<to>[^()\s]{1,1000})(?:\s[^()]{0,200})?\)"
    r"|<?(?P<bare>https?://[^\s<>()\[\]\x60*]{1,1000})>?"
)
_CODE = "    "
_INDENT = 2  # spaces of a list within a list


@dataclass(frozen=True, slots=True)
class MarkedPiece:
    """Some letters of one look: plain, bold, slanted, struck, code or link (``to`` is where it leads)."""

    text: str
    look: str = "plain"
    to: str | None = None


@dataclass(frozen=True, slots=True)
class ProseBlock:
    """``kind``: heading, text, bullet, quote, code, rule or table. ``level`` of a heading (1-6), or how deep a list is.

    A table has no pieces but ``rows`` of cells, the first is its head, and how each column stands: left, right, middle.
    """

    kind: str
    pieces: tuple[MarkedPiece, ...] = ()
    level: int = 0
    rows: tuple[tuple[tuple[MarkedPiece, ...], ...], ...] = ()
    stands: tuple[str, ...] = ()


def blocks(text: str) -> list[ProseBlock]:
    """Return what is shown of a text."""
    lines = [line[:_LINE_LIMIT].expandtabs(4) for line in text[:_TEXT_LIMIT].split("\n", LINES_SHOWN)[:LINES_SHOWN]]
    return list(_blocks(lines))


def _blocks(lines: list[str]) -> Iterator[ProseBlock]:
    waiting: list[str] = []
    fence = ""
    n_left, place = CELLS_SHOWN, 0
    while place < len(lines):
        line = lines[place]
        place += 1
        found = _FENCE.fullmatch(line)
        if fence:
            if found is not None and found[1].startswith(fence):
                fence = ""
            else:
                yield ProseBlock("code", (MarkedPiece(plain(line, _LINE_LIMIT), "code"),))
            continue
        block = None if found is not None else _table(lines, place - 1, n_left) or _line(line)
        if block is None and found is None and line.strip():
            waiting.append(line.strip())
            continue
        if waiting:
            yield from _paragraph(waiting)
            waiting = []
        if found is not None:
            fence = found[1]
        elif block is not None:
            yield block
            if block.rows:
                n_left -= len(block.rows) * len(block.stands)
                place += len(block.rows)  # the line below the head is no row
    if waiting:
        yield from _paragraph(waiting)


def _paragraph(lines: list[str]) -> Iterator[ProseBlock]:
    """Yield lines as one paragraph, or as several where it would be too long to be laid out at once."""
    first = length = 0
    for place, line in enumerate(lines):
        if length > _PARAGRAPH:
            yield ProseBlock("text", _pieces(" ".join(lines[first:place])))
            first, length = place, 0
        length += len(line)
    yield ProseBlock("text", _pieces(" ".join(lines[first:])))


def _table(lines: list[str], place: int, n_cells: int) -> ProseBlock | None:
    """Return the table that begins at a line, of so many cells at most; what goes on below is shown as written."""
    if place + 1 >= len(lines) or not lines[place].strip():
        return None
    stands = alignments(lines[place], lines[place + 1])
    if stands is None or n_cells < len(stands):
        return None
    rows = [lines[place]]
    for line in lines[place + 2 : place + 1 + n_cells // len(stands)]:
        if not line.strip() or _FENCE.fullmatch(line) or _HEADING.fullmatch(line) or line.startswith(">"):
            break
        rows.append(line)
    told = tuple(tuple(_pieces(cell) for cell in row(line, len(stands))) for line in rows)
    return ProseBlock("table", rows=told, stands=tuple(stands))


def _line(line: str) -> ProseBlock | None:
    """Return what stands in a line of its own; None for one of a paragraph, or an empty one."""
    heading = _HEADING.fullmatch(line)
    if heading is not None:
        return ProseBlock("heading", _pieces(heading[2]), len(heading[1]))
    if _RULE.fullmatch(line):
        return ProseBlock("rule")
    return _set_apart(line) if line.strip() else None


def _set_apart(line: str) -> ProseBlock | None:
    """Return an entry of a list, a quote or code, by how the line begins."""
    bullet = _BULLET.fullmatch(line)
    if bullet is not None:
        number = f"{bullet[2]}. " if bullet[2] else ""
        task = {None: "", " ": "☐ "}.get(bullet[3], "☑ ")
        mark = MarkedPiece(f"{number}{task}" or "• ")
        return ProseBlock("bullet", (mark, *_pieces(bullet[4])), len(bullet[1]) // _INDENT)
    if line.startswith(">"):
        return ProseBlock("quote", _pieces(line.lstrip("> ")))
    if line.startswith(_CODE) or line.lstrip().startswith("|"):
        return ProseBlock("code", (MarkedPiece(plain(line, _LINE_LIMIT), "code"),))
    return None


def _pieces(text: str) -> tuple[MarkedPiece, ...]:
    made: list[MarkedPiece] = []
    at = 0
    for found in _INLINE.finditer(text):
        if found.start() > at:
            made.append(MarkedPiece(_kept(text[at : found.start()])))
        made.append(_piece(found))
        at = found.end()
    if at < len(text) or not made:
        made.append(MarkedPiece(_kept(text[at:])))
    return tuple(made)


def _piece(found: re.Match[str]) -> MarkedPiece:
    for look in ("code", "bold", "struck", "slanted"):
        text = found[look] or (found[f"{look}_too"] if look in {"bold", "slanted"} else None)
        if text:
            return MarkedPiece(_kept(text), look)
    if found["bare"] is not None:
        return MarkedPiece(_kept(found["bare"]), "link", found["bare"])
    words = _kept(found["words"] or "") or _kept(found["to"])
    if found["picture"]:
        return MarkedPiece(f"[picture: {words}]", "slanted")
    return MarkedPiece(words, "link", found["to"])


def _kept(text: str) -> str:
    return plain(text, _LINE_LIMIT * LINES_SHOWN)
