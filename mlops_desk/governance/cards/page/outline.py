"""What stands on a card, in which order: the same for every form. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mlops_desk.governance.cards.content import lines_of
from mlops_desk.governance.records.card import CARD_TEXTS, CardAct, CardFigure, CardOfVersion, CardText

_TITLES = {
    "intended_use": "Intended use", "out_of_scope": "Out of scope", "limits": "Limits", "risks": "Risks",
    "licence": "Licence", "owner": "Owner", "notes": "Notes",
}  # fmt: skip
_ACTS = {
    CardAct.MADE: "began it", CardAct.EDITED: "edited it", CardAct.REFRESHED: "had the facts asked for again",
    CardAct.SUBMITTED: "handed it in", CardAct.SENT_BACK: "sent it back", CardAct.APPROVED: "approved it",
    CardAct.ARCHIVED: "put it away",
}  # fmt: skip
_MISSING = "Nobody has said anything yet."
_SHOWN_SHA = 12  # chosen: enough to tell two revisions apart by eye


@dataclass(frozen=True, slots=True)
class CardTable:
    """Rows below a heading; ``note`` stands above them."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class CardWords:
    """Lines of text below a heading, and by whom they are. ``is_missing``: nobody has said anything."""

    title: str
    lines: tuple[str, ...]
    by: str = ""
    is_missing: bool = False


def title(card: CardOfVersion) -> str:
    return f"{card.model}, version {card.version}"


def head(card: CardOfVersion) -> list[tuple[str, str]]:
    """Return what stands above all: in which stage the card is, of what, and who agreed."""
    agreed = next((one for one in reversed(card.steps) if one.act is CardAct.APPROVED), None)
    stage = card.stage.replace("_", " ")
    told = [("State", f"{stage}, revision {card.revision}" if card.revision else "nobody has written it yet")]
    if card.is_foreign:
        told.append(("From", "another desk: nothing here has been agreed to on this one"))
    if agreed is not None and card.stage == agreed.stage:
        told.append(("Approved", f"by {agreed.by}, {when(agreed.at)}"))
    facts = card.facts
    for name, value in (("Run", facts.run_id), ("Job", facts.job_id), ("Trained by", facts.owner)):
        if value:
            told.append((name, value))
    told.append(("Registered", when(facts.created_at)))
    told.append(("Facts of", when(facts.at)))
    told.append(("Says (SHA-256)", card.sha256))
    return told


def parts(card: CardOfVersion) -> Iterator[CardWords | CardTable]:
    """Yield what stands below: words of people first, then what the desk knows, then what was done with the card."""
    said = {one.name: one for one in card.texts}
    for name in CARD_TEXTS:
        yield _words(said.get(name, CardText(name)))
    yield from _facts(card)
    rows = [
        (when(one.at), one.by, _ACTS[one.act], str(one.revision), one.why, one.sha256[:_SHOWN_SHA])
        for one in reversed(card.steps)
    ]
    yield CardTable("History", ("When", "Who", "What", "Revision", "Why", "SHA-256"), tuple(rows))


def when(at: float | None) -> str:
    """Return a time as it stands on paper, in UTC; nobody knows where it is read."""
    if at is None:
        return "not known"
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):  # a foreign card may say anything
        return "not known"


def _words(one: CardText) -> CardWords:
    if not one.text:
        return CardWords(_TITLES[one.name], (_MISSING,), is_missing=True)
    by = "filled in by the desk" if one.by_desk else f"{one.by or 'somebody'}, {when(one.at)}"
    return CardWords(_TITLES[one.name], tuple(lines_of(one.text)), by)


def _facts(card: CardOfVersion) -> Iterator[CardTable]:
    facts = card.facts
    note = "Filled in by the desk from lineage."
    yield CardTable(
        "Data", ("Name", "Digest", "As", "From"),
        tuple((one.name, one.digest, one.role or "", one.source or "") for one in facts.data), note,
    )  # fmt: skip
    yield CardTable(
        "Figures", ("Figure", "Value", "95 % interval", "Rows", "On"),
        tuple((one.name, _number(one.value), _interval(one), _rows(one), _on(one)) for one in facts.figures), note,
    )  # fmt: skip
    yield CardTable(
        "Drift", ("Monitor", "Endpoint", "Newest window", "Of"),
        tuple((one.name, one.endpoint or "", one.verdict or "none yet", when(one.at)) for one in facts.monitors), note,
    )  # fmt: skip
    environment = facts.environment
    told = (
        ("Image", environment.image), ("Digest", environment.image_digest), ("Commit", environment.commit),
        ("Flavours", ", ".join(environment.flavors)), ("Packages", ", ".join(environment.requirements)),
    )  # fmt: skip
    yield CardTable("Environment", ("", ""), tuple((name, value) for name, value in told if value), note)
    if facts.gaps:
        rows = tuple((one.what, one.why) for one in facts.gaps)
        yield CardTable("Not known", ("What", "Why"), rows, "Asked for, and not told.")


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.6g}"


def _interval(one: CardFigure) -> str:
    return "" if one.low is None or one.high is None else f"{one.low:.4g} to {one.high:.4g}"


def _rows(one: CardFigure) -> str:
    return "" if one.rows is None else f"{one.rows:,}"


def _on(one: CardFigure) -> str:
    return "logged by its own run" if one.data is None else one.data
