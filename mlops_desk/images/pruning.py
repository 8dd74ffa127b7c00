"""Which images may be cleared away, and why the others stay. Pure, and when in doubt an image stays.

Gone can only what this desk pulled or built and nothing needs: what people fetched by hand, or another desk on the same
engine has fetched, is theirs to remove.
"""

from collections.abc import Iterable

from mlops_desk.base.text import duration_text
from mlops_desk.records.images.card import ImageCard, ImageUser, PruneItem, PrunePreview, UserKind

_SHOWN_USERS = 3  # chosen: as many as stand in one line


def plan(
    cards: Iterable[ImageCard], last_used: dict[str, float], unused_seconds: float, now: float, engine: str
) -> PrunePreview:
    """Return what would go and what would stay; ``last_used`` has when images were last needed, by their ids."""
    going: list[PruneItem] = []
    staying: list[PruneItem] = []
    for card in cards:
        keeps = _kept(card, last_used.get(card.id), unused_seconds, now)
        if keeps is not None:
            staying.append(_item(card, *keeps))
        elif card.tags:
            going.append(_item(card, "unused", "Nothing needs it."))
        else:
            going.append(_item(card, "nameless", "It has no name any more, and nothing needs it."))
    return PrunePreview(tuple(going), tuple(staying), freed_bytes(going), unused_seconds, engine=engine)


def freed_bytes(going: Iterable[PruneItem]) -> int | None:
    """Return what becomes free at least; None as soon as it is not known of one of them."""
    total = 0
    for item in going:
        if item.own_bytes is None:
            return None
        total += item.own_bytes
    return total


def used_text(users: Iterable[ImageUser]) -> str:
    """Say what needs an image."""
    named = [_named(user) for user in users]
    more = len(named) - _SHOWN_USERS
    return f"{', '.join(named[:_SHOWN_USERS])}{f' and {more} more' if more > 0 else ''}"


def _kept(card: ImageCard, used_at: float | None, unused_seconds: float, now: float) -> tuple[str, str] | None:
    """Return why an image stays, as a word and in a sentence; None for one that may go."""
    if card.used_by:
        return "used", f"Needed by {used_text(card.used_by)}."
    if not card.origin:
        return "foreign", "This desk did not bring it: somebody else on this machine may want it."
    since = max(card.brought_at or 0.0, used_at or 0.0)
    if unused_seconds > 0 and now - since < unused_seconds:
        return "recent", f"It was needed, or came, less than {duration_text(unused_seconds)} ago."
    return None


def _item(card: ImageCard, why: str, text: str) -> PruneItem:
    return PruneItem(card.id, card.name, why, text, card.size_bytes, card.own_bytes, card.used_by)


def _named(user: ImageUser) -> str:
    if user.kind is UserKind.DESK:
        return f"{user.name} ({user.user})" if user.user else user.name
    whose = f" of {user.user}" if user.user else ""
    state = f" ({user.state})" if user.state else ""
    return f"{user.kind} {user.name}{whose}{state}"
