"""A card as tags of its version, by which every desk and every MLflow client finds it. Pure.

MLflow takes 5,000 characters in a tag: the card is cut into parts, which a head names by their hash. The parts are
written first, so that a head never names what is not there; what a head does not name is no part of a card. What is
read there is anybody's: it is held to its hash, to a size and to its types, and counts as data only.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from shlex import quote
from typing import Any

from mlops_desk.governance.cards.content import cut, sealed
from mlops_desk.governance.records.card import CARD_TEXTS, CardOfVersion, CardText
from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Hint, Invalid
from mlops_desk.kit.base.text import plain

HEAD = "mlops-desk.card"
FORM = "mlops-desk-card/1"
_PART = re.compile(rf"{re.escape(HEAD)}\.([0-9a-f]{{12}})\.(\d{{1,2}})")
_PART_CHARACTERS = 4800  # MLflow takes 5,000 in a tag of a version
_MOST_PARTS = 32  # chosen: 150,000 characters; the largest card that people can write here has some 60,000
_MOST_STEPS = 50  # chosen: as many as a page shows; the desk that made it keeps all
_MOST_LISTED = 200  # chosen: of figures, data sets and packages more is read in the run itself
_SHA = 12  # chosen: of a hash, enough to tell one state of a card from the one before


@dataclass(frozen=True, slots=True)
class FoundCard:
    """A card as it lies in a registry: whose (the desk's instance), and in which state."""

    card: CardOfVersion
    desk: str
    state: str


def written(card: CardOfVersion, desk: str) -> dict[str, str]:
    """Return the tags of a card, the parts first and its head last. Raises Invalid where it is too large for them."""
    told = replace(card, steps=card.steps[-_MOST_STEPS:], published=None, trouble=None, registry=None)
    text = json.dumps(wire.to_builtins(told), ensure_ascii=False, separators=(",", ":"))
    parts = [text[at : at + _PART_CHARACTERS] for at in range(0, len(text), _PART_CHARACTERS)]
    if len(parts) > _MOST_PARTS:
        raise Invalid(f"The card has {len(text):,} characters, and {_MOST_PARTS * _PART_CHARACTERS:,} fit beside it.")
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    head = {
        "form": FORM, "desk": desk, "state": card.state_sha256, "stage": card.stage, "revision": card.revision,
        "parts": len(parts), "sha256": sha256,
    }  # fmt: skip
    return {f"{HEAD}.{sha256[:_SHA]}.{number}": part for number, part in enumerate(parts)} | {HEAD: json.dumps(head)}


def stale(tags: Mapping[str, str], kept: Mapping[str, str]) -> list[str]:
    """Return the parts that no head names any more, once ``kept`` is written."""
    return sorted(name for name in tags if _PART.fullmatch(name) and name not in kept)


def read(tags: Mapping[str, str], model: str, version: str) -> FoundCard | None:
    """Return the card that lies in a version's tags; None where there is none. Raises Invalid where it is damaged."""
    if HEAD not in tags:
        return None
    head = _document(tags[HEAD])
    number, sha256, desk, state = (head.get(name) for name in ("parts", "sha256", "desk", "state"))
    if head.get("form") != FORM:
        raise Invalid(f"The card of {plain(model)}/{plain(version)} is of a form that this program does not know.")
    if not (isinstance(number, int) and 0 < number <= _MOST_PARTS and isinstance(sha256, str)):
        raise _damaged(model, version)
    parts = [tags.get(f"{HEAD}.{sha256[:_SHA]}.{part}") for part in range(number)]
    whole = [part for part in parts if part is not None]
    text = "".join(whole)
    if len(whole) < number or hashlib.sha256(text.encode()).hexdigest() != sha256:
        raise _damaged(model, version)
    if not (isinstance(desk, str) and isinstance(state, str)):
        raise _damaged(model, version)
    return FoundCard(_tamed(_card(text, model, version), model, version), plain(desk, 80), plain(state, 200))


def _card(text: str, model: str, version: str) -> CardOfVersion:
    try:
        return wire.from_builtins(_document(text), CardOfVersion)
    except Invalid as error:
        raise _damaged(model, version) from error


def _document(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Invalid("A tag that should hold a card is no JSON.") from error
    return found if isinstance(found, dict) else {}


def _damaged(model: str, version: str) -> Invalid:
    text = f"The card that lies with {plain(model)}/{plain(version)} in its registry is not whole."
    name = f"{plain(model)}/{plain(version)}"
    return Invalid(
        text, Hint(f"mlops-desk cards publish {quote(name)}", after=" writes it again, on the desk that made it.")
    )


def _tamed(card: CardOfVersion, model: str, version: str) -> CardOfVersion:
    """Return somebody else's card as it may be shown: capped, plain, and of the version that it lies with."""
    said = {one.name: one for one in card.texts}
    texts = tuple(_text(said.get(name, CardText(name))) for name in CARD_TEXTS)
    facts = wire.from_builtins(_capped(wire.to_builtins(card.facts)), type(card.facts))
    steps = tuple(
        replace(one, by=plain(one.by, 80), why=plain(one.why, 1000), sha256=plain(one.sha256, 64), uid=None)
        for one in card.steps[-_MOST_STEPS:]
    )
    return sealed(
        replace(
            card, model=model, version=version, texts=texts, facts=facts, steps=steps, is_foreign=True, registry=None,
            published=None, trouble=None, revision=max(1, card.revision),
        )
    )  # fmt: skip


def _text(one: CardText) -> CardText:
    by = None if one.by is None else plain(one.by, 80)
    return replace(one, text=None if one.text is None else cut(one.text) or None, by=by)


def _capped(told: Any) -> Any:
    """Return what was told with short lists and plain texts."""
    if isinstance(told, dict):
        return {key: _capped(value) for key, value in told.items()}
    if isinstance(told, list):
        return [_capped(value) for value in told[:_MOST_LISTED]]
    return plain(told, 300) if isinstance(told, str) else told
