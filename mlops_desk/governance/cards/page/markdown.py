"""A card as Markdown. What people and strangers wrote is text: nothing of it is mark-up, and none becomes a link."""

import re

from mlops_desk.governance.cards.page.outline import CardTable, CardWords, head, parts, title
from mlops_desk.governance.records.card import CardOfVersion
from mlops_desk.kit.base.text import plain

_CELL = 400  # chosen: what a table in Markdown still shows
_LINE = 4096  # as long as a text of a card may be
_MARKS = re.compile(r"([\\`*_{}\[\]<>()#|!~&])")
_BEGINS = re.compile(r"^(\s*)([-+=])")  # a list, or a line below a heading
_NUMBERED = re.compile(r"^(\s*\d+)([.)])(?=\s|$)")
_ADDRESS = re.compile(r"(?i)\b(https?|ftp|mailto|www)([.:])")


def document(card: CardOfVersion) -> str:
    """Return the document."""
    lines = [f"# {said(title(card))}", ""]
    lines += [f"- **{name}:** {said(value)}" for name, value in head(card)]
    for part in parts(card):
        lines += ["", f"## {part.title}", ""]
        lines += _words(part) if isinstance(part, CardWords) else _table(part)
    return "\n".join(lines) + "\n"


def said(text: str, limit: int = _LINE) -> str:
    """Return a text of which nothing is mark-up."""
    escaped = _MARKS.sub(r"\\\1", plain(text, limit).strip())
    begun = _NUMBERED.sub(r"\1\\\2", _BEGINS.sub(r"\1\\\2", escaped))
    return _ADDRESS.sub("\\1\u200b\\2", begun)


def _words(part: CardWords) -> list[str]:
    lines = [f"*{said(line)}*" if part.is_missing else said(line) for line in part.lines]
    shown = [f"{line}  " if line else "" for line in lines]  # two blanks end a line, as it was written
    return [*shown, *([] if not part.by else ["", f"<sub>{said(part.by)}</sub>"])]


def _table(part: CardTable) -> list[str]:
    if not part.rows:
        return [*([f"{part.note}", ""] if part.note else []), "None."]
    rows = [f"| {' | '.join(said(cell, _CELL) for cell in row)} |" for row in part.rows]
    heads = f"| {' | '.join(part.heads)} |"
    rule = f"|{'|'.join('---' for _ in part.heads)}|"
    return [*([part.note, ""] if part.note else []), heads, rule, *rows]
