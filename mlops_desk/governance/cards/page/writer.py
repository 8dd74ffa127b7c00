"""A card in any of its forms. PDF is made by a child process: laying text out needs a library that no agent loads."""

from collections.abc import Callable
from html import escape

from mlops_desk.governance.cards.page import markdown
from mlops_desk.governance.cards.page.outline import CardTable, CardWords, head, parts, title
from mlops_desk.governance.records.card import CardOfVersion
from mlops_desk.kit.base.errors import DeskError, Hint, Unavailable
from mlops_desk.kit.base.text import plain

# A card as one HTML file that needs nothing else: light or dark as the reader's screen is, and readable on paper.
# Everything that came from outside is plain text, cut and escaped; the page forbids itself scripts and addresses
# besides.
_LINE = 4096  # as long as a text of a card may be
_CELL = 1000  # chosen: a list of packages
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --line: #d7dae0; --text: #1c2128; --dim: #5b6472; --card: #f5f6f8; }
@media (prefers-color-scheme: dark) { :root { --page: #16191e; --line: #363d47; --text: #e4e7eb; --dim: #9aa4b2;
  --card: #1f242b; } }
body { margin: 0; background: var(--page); color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 12px; overflow-wrap: anywhere; }
h2 { font-size: 18px; margin: 30px 0 8px; }
p { margin: 2px 0; overflow-wrap: anywhere; }
.dim { color: var(--dim); font-size: 13px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th { text-align: left; font-weight: 600; color: var(--dim); font-size: 13px; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere;
  min-width: 84px; }
table.head { background: var(--card); border-radius: 8px; }
table.head th { width: 150px; padding-left: 14px; }
@media print { body { font-size: 11px; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""

ON_PAPER = """
body { color: #1c2128; }
h1 { font-size: 19pt; margin-bottom: 10px; }
h2 { font-size: 12pt; margin-top: 26px; margin-bottom: 6px; }
p { margin-top: 2px; margin-bottom: 2px; }
p.dim { color: #5b6472; font-size: 8pt; }
table { margin-top: 8px; }
th { text-align: left; color: #5b6472; font-size: 8pt; padding-right: 26px; padding-bottom: 4px; }
td { font-size: 9pt; padding-right: 26px; padding-bottom: 4px; }
"""
"""What a library that lays text out on paper understands of style."""


def document(card: CardOfVersion, style: str = _STYLE) -> str:
    """Return the document."""
    facts = "".join(f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in head(card))
    body = "".join(_part(part) for part in parts(card))
    name = _text(title(card))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><title>{name}</title>'
        f"<style>{style}</style></head><body><main><h1>{name}</h1>"
        f'<table class="head">{facts}</table>{body}</main></body></html>\n'
    )


def _part(part: CardWords | CardTable) -> str:
    inner = _words(part) if isinstance(part, CardWords) else _table(part)
    return f"<section><h2>{_text(part.title)}</h2>{inner}</section>"


def _words(part: CardWords) -> str:
    kind = ' class="dim"' if part.is_missing else ""
    lines = "".join(f"<p{kind}>{_text(line) or '&nbsp;'}</p>" for line in part.lines)
    return f'{lines}<p class="dim">{_text(part.by)}</p>' if part.by else lines


def _table(part: CardTable) -> str:
    note = f'<p class="dim">{_text(part.note)}</p>' if part.note else ""
    if not part.rows:
        return f'{note}<p class="dim">None.</p>'
    heads = "".join(f"<th>{_text(one)}</th>" for one in part.heads)
    rows = "".join(f"<tr>{''.join(f'<td>{_text(cell, _CELL)}</td>' for cell in row)}</tr>" for row in part.rows)
    return f"{note}<table><tr>{heads}</tr>{rows}</table>"


def _text(text: str, limit: int = _LINE) -> str:
    return escape(plain(text, limit))


Paper = Callable[[str, str], bytes]
"""Makes a PDF of a title and an HTML document. Raises DeskErrors."""


def write(card: CardOfVersion, form: str, paper: Paper) -> bytes:
    """Return a card as markdown, html or pdf. Raises Unavailable where no PDF can be made here."""
    if form == "markdown":
        return markdown.document(card).encode()
    if form == "html":
        return document(card).encode()
    try:
        return paper(f"{card.model}, version {card.version}", document(card, ON_PAPER))
    except DeskError as error:
        hint = Hint("mlops-desk cards export MODEL/VERSION OUT.html", after=" writes a page that any browser prints.")
        raise Unavailable(f"No PDF can be made on this machine: {error.message}", hint) from error
