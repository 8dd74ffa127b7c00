"""What a card says, as it is held against another one, and texts as they may be kept. Pure."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace

from mlops_desk.governance.records.card import CARD_TEXTS, NEEDED_TEXTS, CardFacts, CardOfVersion, CardText
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain

MOST_TEXT = 4000  # chosen: two printed pages; with seven of them a card still fits beside its version
_MOST_LINES = 200  # chosen: as many short lines as fit into those characters and are read


def lines_of(text: str) -> list[str]:
    """Return a text's lines, each without what no reader sees."""
    return [plain(line, MOST_TEXT).rstrip() for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]


def cut(text: str) -> str:
    """Return a text of somebody else's at most as long as ours."""
    return "\n".join(lines_of(text[:MOST_TEXT])[:_MOST_LINES]).strip()[:MOST_TEXT]


def checked(texts: Mapping[str, str]) -> dict[str, str]:
    """Return what a person wrote as it is kept. Raises Invalid for another name, and for what is too long."""
    for name, text in texts.items():
        if name not in CARD_TEXTS:
            raise Invalid(f"A card has no text {plain(name, 80)!r}.", f"It has {', '.join(CARD_TEXTS)}.")
        if len(text) > MOST_TEXT or text.count("\n") >= _MOST_LINES:
            raise Invalid(
                f"The text {name} has {len(text):,} characters; a card takes {MOST_TEXT:,}, and {_MOST_LINES} lines.",
                "Say what matters, and where the rest is written.",
            )
    return {name: cut(text) for name, text in texts.items()}


def sha256_of(texts: tuple[CardText, ...], facts: CardFacts) -> str:
    """Return the hash of what a card says: not of when it was asked for, nor by whom it was written."""
    told = {
        "texts": [[one.name, one.text, one.by_desk] for one in texts],
        "facts": wire.to_builtins(replace(facts, at=None)),
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def needed(texts: tuple[CardText, ...]) -> tuple[str, ...]:
    """Return the texts without which a card is not handed in."""
    said = {one.name for one in texts if one.text}
    return tuple(name for name in NEEDED_TEXTS if name not in said)


def sealed(card: CardOfVersion) -> CardOfVersion:
    """Return a card with the hash of what it says and what it lacks, whatever it claimed."""
    return replace(card, sha256=sha256_of(card.texts, card.facts), needed=needed(card.texts))
