"""A card in any of its forms. PDF is made by a child process: laying text out needs a library that no agent loads."""

from collections.abc import Callable

from mlops_desk.base.errors import DeskError, Hint, Unavailable
from mlops_desk.governance.cards.page import html, markdown
from mlops_desk.records.governance.card import CardOfVersion

Paper = Callable[[str, str], bytes]
"""Makes a PDF of a title and an HTML document. Raises DeskErrors."""


def write(card: CardOfVersion, form: str, paper: Paper) -> bytes:
    """Return a card as markdown, html or pdf. Raises Unavailable where no PDF can be made here."""
    if form == "markdown":
        return markdown.document(card).encode()
    if form == "html":
        return html.document(card).encode()
    try:
        return paper(f"{card.model}, version {card.version}", html.document(card, html.ON_PAPER))
    except DeskError as error:
        hint = Hint("mlops-desk cards export MODEL/VERSION OUT.html", after=" writes a page that any browser prints.")
        raise Unavailable(f"No PDF can be made on this machine: {error.message}", hint) from error
