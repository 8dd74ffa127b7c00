"""How a card goes from draft over in review to approved, and is archived: what may be done with it when. Pure.

What was approved is never changed under the approval: an edit, or facts that have changed, make a new revision, which
is a draft again. Every step is told with who, when and why.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from shlex import quote

from mlops_desk.governance.cards.content import checked, sealed
from mlops_desk.governance.records.card import (
    CARD_TEXTS,
    CardAct,
    CardFacts,
    CardOfVersion,
    CardStage,
    CardStep,
    CardText,
)
from mlops_desk.kit.base.errors import Hint, Refused
from mlops_desk.kit.base.text import plain

_CLOSED = frozenset({CardStage.APPROVED, CardStage.ARCHIVED})
_MOST_WHY = 1000  # chosen: a paragraph


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, when (Unix seconds), and why."""

    user: str
    uid: int
    at: float
    why: str = ""


def begun(model: str, version: str, registry: str | None, facts: CardFacts, known: Mapping[str, str]) -> CardOfVersion:
    """Return what a card begins with: the desk's facts, and of its texts those that the desk knows."""
    texts = tuple(CardText(name, known.get(name) or None) for name in CARD_TEXTS)
    return sealed(CardOfVersion(model, version, texts=texts, facts=facts, registry=registry))


def edited(card: CardOfVersion, texts: Mapping[str, str], clear: Collection[str], who: Actor) -> CardOfVersion:
    """Return a card with other texts of people. Raises Invalid, Refused where nothing would change."""
    given = checked(texts) | checked(dict.fromkeys(clear, ""))
    made = tuple(_written(one, given[one.name], who) if one.name in given else one for one in card.texts)
    if [_said(one) for one in made] == [_said(one) for one in card.texts]:
        raise Refused("The card says just that already; nothing was changed.")
    return _changed(replace(card, texts=made), CardAct.EDITED, who)


def refreshed(card: CardOfVersion, facts: CardFacts, known: Mapping[str, str], who: Actor) -> CardOfVersion:
    """Return a card with what the desk knows now; texts of people stay as they are."""
    texts = tuple(replace(one, text=known.get(one.name) or None) if one.by_desk else one for one in card.texts)
    made = sealed(replace(card, texts=texts, facts=facts))
    if made.sha256 == card.sha256:
        return replace(card, facts=facts)
    if card.stage is CardStage.IN_REVIEW:  # it stays there: who approves names what they saw
        return _stepped(made, CardAct.REFRESHED, card.stage, who)
    return _changed(replace(card, texts=texts, facts=facts), CardAct.REFRESHED, who)


def submitted(card: CardOfVersion, who: Actor) -> CardOfVersion:
    """Return a draft in review. Raises Refused where it is none, or lacks what has to be said."""
    _check_stage(card, CardStage.DRAFT, "handed in")
    if card.needed:
        first = card.needed[0]
        name = f"{plain(card.model)}/{plain(card.version)}"
        hint = Hint(f"mlops-desk cards edit {quote(name)} --set {first}=…", before="Say it: ")
        raise Refused(f"{_named(card)} does not say yet: {', '.join(card.needed)}.", hint)
    return _stepped(card, CardAct.SUBMITTED, CardStage.IN_REVIEW, who)


def sent_back(card: CardOfVersion, who: Actor) -> CardOfVersion:
    """Return a card in review as a draft. Raises Refused."""
    _check_stage(card, CardStage.IN_REVIEW, "sent back")
    return _stepped(card, CardAct.SENT_BACK, CardStage.DRAFT, who)


def approved(card: CardOfVersion, expected: str | None, who: Actor) -> CardOfVersion:
    """Return a card approved. Raises Refused where it is not in review, or says something else than ``expected``."""
    _check_stage(card, CardStage.IN_REVIEW, "approved")
    check_expected(card, expected)
    return _stepped(card, CardAct.APPROVED, CardStage.APPROVED, who)


def archived(card: CardOfVersion, who: Actor) -> CardOfVersion:
    """Return a card put away. Raises Refused where it is already, or nobody has written one."""
    if card.revision == 0:
        raise _unwritten(card, "put away")
    if card.stage is CardStage.ARCHIVED:
        raise Refused(f"{_named(card)} is archived already.")
    return _stepped(card, CardAct.ARCHIVED, CardStage.ARCHIVED, who)


def check_expected(card: CardOfVersion, expected: str | None) -> None:
    """Refuse where a card says something else than what was seen. Raises Refused."""
    if expected is not None and not (len(expected) >= _LEAST_SHA and card.sha256.startswith(expected.lower())):
        text = f"{_named(card)} says something else by now than what you saw. It was not changed."
        raise Refused(text, Hint(f"mlops-desk cards show {quote(plain(card.model))}/{quote(plain(card.version))}"))


_LEAST_SHA = 8  # chosen: as much of a hash as people copy, and no two revisions of a card share
CHANGES: Mapping[CardAct, Callable[..., CardOfVersion]] = {
    CardAct.SUBMITTED: submitted, CardAct.SENT_BACK: sent_back, CardAct.ARCHIVED: archived,
}  # fmt: skip
"""Steps that need nothing but somebody who takes them."""


def _written(one: CardText, text: str, who: Actor) -> CardText:
    if not text:  # the desk fills it in again, as it did: what it knows is asked for with the next refresh
        return CardText(one.name, one.text if one.by_desk else None)
    return CardText(one.name, text, by_desk=False, by=plain(who.user), at=who.at)


def _said(one: CardText) -> tuple[str | None, bool]:
    return one.text, one.by_desk


def _changed(card: CardOfVersion, act: CardAct, who: Actor) -> CardOfVersion:
    """Return a card that says something else as a draft; what was closed, or not written yet, gets a new revision."""
    new = card.revision == 0 or card.stage in _CLOSED
    made = sealed(replace(card, revision=card.revision + 1 if new else card.revision, is_foreign=False))
    return _stepped(made, CardAct.MADE if card.revision == 0 else act, CardStage.DRAFT, who)


def _stepped(card: CardOfVersion, act: CardAct, stage: CardStage, who: Actor) -> CardOfVersion:
    why = plain(who.why, _MOST_WHY)
    step = CardStep(act, who.at, plain(who.user), stage, max(1, card.revision), why, card.sha256, who.uid)
    return replace(
        card, stage=stage, revision=max(1, card.revision), steps=(*card.steps, step), updated_at=who.at, trouble=None
    )


def _check_stage(card: CardOfVersion, wanted: CardStage, what: str) -> None:
    if card.revision == 0 and wanted is not CardStage.DRAFT:
        raise _unwritten(card, what)
    if card.stage is not wanted:
        text = f"{_named(card)} is {words(card.stage)}, and only one that is {words(wanted)} is {what}."
        raise Refused(text, _NEXT.get(card.stage))


def _unwritten(card: CardOfVersion, what: str) -> Refused:
    name = quote(f"{plain(card.model)}/{plain(card.version)}")
    text = f"Nobody has written a card of {plain(card.model)}/{plain(card.version)} yet, so nothing is {what}."
    return Refused(text, Hint(f"mlops-desk cards edit {name} --set intended_use=…", before="Begin one: "))


_NEXT = {
    CardStage.DRAFT: "Hand it in first: cards submit.",
    CardStage.IN_REVIEW: "Approve it, or send it back: cards approve, cards send-back.",
    CardStage.APPROVED: "An edit makes a new revision, which is a draft.",
    CardStage.ARCHIVED: "An edit makes a new revision, which is a draft.",
}


def words(stage: CardStage) -> str:
    """Return a stage as it reads: in review."""
    return "a draft" if stage is CardStage.DRAFT else stage.replace("_", " ")


def _named(card: CardOfVersion) -> str:
    return f"The card of {plain(card.model)}/{plain(card.version)}"
