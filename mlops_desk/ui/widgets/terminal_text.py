"""A line that was written for a terminal, as pieces to show: colours kept, everything else that steers one dropped.

A progress bar that is drawn again and again is shown as it was drawn last. Nothing that comes from a program reaches
the screen but letters and one of our own colours. No Qt here.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mlops_desk.base.text import LINE_LIMIT, plain

# CSI, an escape with a text (OSC and its like, up to BEL, ST or the end), or any other; unfinished ones are dropped too
_ESCAPE = re.compile(r"\x1b\[([0-9;:?<=>]*)[ -/]*([@-~])?|\x1b[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[ -/]*[0-~]?")
_RUN = re.compile(
    r"https?://[^\s\x1b]{1,200}/#/experiments/\d{1,20}/runs/([0-9a-f]{32})\b|mlops-desk://runs?/([0-9a-f]{32})\b"
)
_COLOURS = {0: "muted", 1: "alert", 2: "ok", 3: "warning", 4: "info", 5: "paused", 6: "accent", 7: "text"}
"""The eight colours of a terminal, as those of ours that are read on our ground."""
_NORMAL, _BOLD, _NOT_BOLD, _DEFAULT, _EXTENDED = 0, 1, 22, 39, frozenset({38, 48, 58})
_RAW_LIMIT = 4 * LINE_LIMIT  # characters, with what steers the terminal between them


@dataclass(frozen=True, slots=True)
class Piece:
    """Some letters: their colour's token (None: as text is), and the run that they lead to."""

    text: str
    token: str | None = None
    bold: bool = False
    run: str | None = None


def is_redrawn(line: str) -> bool:
    """Tell whether a line takes the place of the one before it."""
    return line.startswith("\r") and not line.startswith("\r\n")


def pieces(line: str) -> list[Piece]:
    """Return what is shown of a line."""
    shown = _last_drawn(line.rstrip("\r\n")[-_RAW_LIMIT:])
    if "\x1b" not in shown and "://" not in shown:
        return [Piece(plain(shown, LINE_LIMIT))]
    return [part for piece in _coloured(shown) for part in _linked(piece) if part.text]


def _last_drawn(line: str) -> str:
    """Return a line as it stands after its carriage returns: what was drawn last."""
    if "\r" not in line:
        return line
    return next((part for part in reversed(line.split("\r")) if _ESCAPE.sub("", part).strip()), "")


def _coloured(line: str) -> Iterator[Piece]:
    look = Piece("")
    at, left = 0, LINE_LIMIT
    for found in _ESCAPE.finditer(line):
        text = line[at : found.start()]
        if text and left > 0:
            yield replace(look, text=plain(text, left))
            left -= len(text)
        at = found.end()
        if found[2] == "m":
            look = _dressed(look, found[1])
    if at < len(line) and left > 0:
        yield replace(look, text=plain(line[at:], left))


def _dressed(look: Piece, numbers: str) -> Piece:
    """Return how letters look after a command that colours them."""
    codes = [int(code) if code.isdecimal() and len(code) < 4 else _NORMAL for code in re.split("[;:]", numbers)]
    if _EXTENDED & set(codes):
        return look  # one of thousands of colours, which may not be read on our ground
    for code in codes:
        if code == _NORMAL:
            look = Piece("")
        elif code == _BOLD:
            look = replace(look, bold=True)
        elif code == _NOT_BOLD:
            look = replace(look, bold=False)
        elif code == _DEFAULT:
            look = replace(look, token=None)
        elif code // 10 in {3, 9} and code % 10 in _COLOURS:
            look = replace(look, token=_COLOURS[code % 10])
    return look


def _linked(piece: Piece) -> Iterator[Piece]:
    at = 0
    for found in _RUN.finditer(piece.text):
        yield replace(piece, text=piece.text[at : found.start()])
        yield replace(piece, text=found[0], token="accent", run=found[1] or found[2])  # noqa: S106 - a colour's token
        at = found.end()
    yield replace(piece, text=piece.text[at:])
