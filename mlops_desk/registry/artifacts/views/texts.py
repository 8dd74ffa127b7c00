"""Text, code, JSON, Markdown and HTML as plain text: the beginning of it, in whatever encoding, without controls."""

import json
import unicodedata
from typing import IO

SHOWN_BYTES = 256 << 10  # chosen: 5,000 lines; whoever reads more opens an editor
_LONGEST_LINE = 10_000  # chosen: a screen's text engine grows slow with longer ones
_KEPT = frozenset("\n\t")
_PRETTY_BYTES = 1 << 20  # chosen: a plot's JSON is written in one line


def read_text(stream: IO[bytes], limit_bytes: int = SHOWN_BYTES) -> tuple[str, bool]:
    """Return the beginning of a text, and whether it goes on."""
    data = stream.read(limit_bytes + 1)
    is_cut = len(data) > limit_bytes
    return shown(decoded(data[:limit_bytes])), is_cut


def decoded(data: bytes) -> str:
    """Decode by the mark that a text begins with, else as UTF-8; what is none of it becomes a mark of its own."""
    for mark, encoding in ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig")):
        if data.startswith(mark):
            return data.decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def shown(text: str) -> str:
    """Return a text of several lines with all that is invisible in it, or turns it around, made visible."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(_line(line) for line in lines)


def _line(line: str) -> str:
    cut = line[:_LONGEST_LINE]
    kept = cut if cut.isprintable() else "".join(map(_visible, cut))
    return f"{kept}…" if len(line) > _LONGEST_LINE else kept


def _visible(character: str) -> str:
    if character in _KEPT or unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}:
        return character
    return character.encode("unicode_escape").decode("ascii")


def read_json(stream: IO[bytes]) -> tuple[str, bool]:
    """Return the beginning of a JSON document; one that stands in a single line is laid out first."""
    data = stream.read(_PRETTY_BYTES + 1)
    text = decoded(data[:SHOWN_BYTES])
    if len(data) <= _PRETTY_BYTES and text.strip().count("\n") == 0:
        try:
            laid_out = json.dumps(json.loads(decoded(data)), indent=2, ensure_ascii=False)
        except (ValueError, RecursionError):
            laid_out = decoded(data)  # it is none; shown as it is
        return shown(laid_out[:SHOWN_BYTES]), len(laid_out) > SHOWN_BYTES
    return shown(text), len(data) > SHOWN_BYTES
