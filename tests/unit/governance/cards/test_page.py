"""A card as a file: all of it is there, nothing of what people wrote is mark-up, and what nobody said is not made up."""

import re

import pytest

from mlops_desk.governance.cards import stages
from mlops_desk.governance.cards.page import markdown, writer
from mlops_desk.governance.cards.page.writer import write
from mlops_desk.governance.cards.stages import Actor
from mlops_desk.governance.records.card import CardData, CardFacts, CardFigure, CardGap
from mlops_desk.kit.base.errors import TimedOut, Unavailable

EVIL = "<script>alert(1)</script> [x](http://evil) ![i](http://evil/i) # h | `c` \u202e"
WHOLE = {"intended_use": EVIL, "limits": "- one\n1. two\n\nlast", "licence": "MIT", "owner": "Anna"}


def card(figure: CardFigure = CardFigure("auc", 0.9, 0.88, 0.92, 400, "the test set")):  # noqa: B008 - it is frozen
    facts = CardFacts(
        1.8e9, "r1", data=(CardData(EVIL, "sha256:ab", "training"),), figures=(figure,),
        gaps=(CardGap("its files", "The store does not answer."),),
    )  # fmt: skip
    who = Actor("anna", 7, 1.8e9, EVIL)
    made = stages.edited(stages.begun("churn", "3", None, facts, {}), WHOLE, (), who)
    return stages.approved(stages.submitted(made, who), None, who)


def test_a_page_holds_nothing_that_runs_and_asks_nobody() -> None:
    page = writer.document(card())
    assert "<script" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"<(a|img|link|iframe|object)\b|(src|href)=|url\(", page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "\u202e" not in page


def test_markdown_of_people_is_text() -> None:
    text = markdown.document(card())
    said = [line for line in text.splitlines() if "alert" in line]
    assert said
    assert all("\\<script\\>" in line and "\\[x\\]" in line and "http\u200b:" in line for line in said)
    assert ("\\- one  " in text, "1\\. two  " in text) == (True, True)
    row = next(line for line in text.splitlines() if "sha256:ab" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 5, "four cells, whatever stands in them"


@pytest.mark.parametrize("form", [markdown.document, writer.document], ids=["markdown", "html"])
def test_each_form_tells_all_of_it(form) -> None:
    text = form(card())
    for told in ("churn, version 3", "approved, revision 1", "by anna, 2027-01-15 08:00 UTC", "0.88 to 0.92", "400",
                 "The store does not answer.", "Nobody has said anything yet.", "handed it in", card().sha256):  # fmt: skip
        assert told in text


def test_a_figure_that_is_not_defined_is_none_and_one_without_an_interval_has_none() -> None:
    text = markdown.document(card(CardFigure("auc", None)))
    assert "| auc | not defined |  |  | logged by its own run |" in text
    assert "| auc | 0.9 |  |" in markdown.document(card(CardFigure("auc", 0.9)))


def test_where_no_pdf_can_be_made_it_says_so_and_how_else() -> None:
    def broken(_title: str, _page: str) -> bytes:
        raise TimedOut("It took too long.")

    with pytest.raises(Unavailable, match="No PDF can be made on this machine: It took too long"):
        write(card(), "pdf", broken)
    assert write(card(), "pdf", lambda title, page: f"{title} {len(page) > 1000}".encode()) == b"churn, version 3 True"
