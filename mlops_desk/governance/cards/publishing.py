"""Cards as they come to their registry: at once where it answers, and later by themselves where it is away.

Another desk's card is never written over by the way: who wants that says so (``over``).
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace

from mlops_desk.base.errors import DeskError, TimedOut, Unavailable
from mlops_desk.base.text import plain
from mlops_desk.governance.cards import tags
from mlops_desk.governance.cards.ports import CardRegistries
from mlops_desk.records.governance.card import CardOfVersion, KeptRegistryCard

_log = logging.getLogger(__name__)
_AWAY = "The registry does not answer; it gets the card once it does."


class CardPublishing:
    """``desk`` names this desk among those that use one registry; ``keep`` stores what became of a card."""

    def __init__(self, registries: CardRegistries, desk: str, keep: Callable[[KeptRegistryCard], None]) -> None:
        self._registries = registries
        self._desk = desk
        self._keep = keep

    def publish(self, kept: KeptRegistryCard) -> KeptRegistryCard:
        """Write a card to its registry, and return how it stands then. What fails is told in its ``trouble``."""
        card = kept.card
        try:
            done = self._written(kept)
        except (Unavailable, TimedOut) as error:
            _log.info("The card of %s/%s waits: %s", plain(card.model), plain(card.version), error.message)
            done = replace(kept, card=replace(card, trouble=f"{_AWAY} {error.message}"), is_owed=True)
        except DeskError as error:
            done = replace(kept, card=replace(card, trouble=error.message), is_owed=False)
        if done != kept:
            self._keep(done)
        return done

    def _written(self, kept: KeptRegistryCard) -> KeptRegistryCard:
        card = kept.card
        found = self._registries.find(card.model, card.version, card.registry)
        there = _there(found.tags, card)
        if there is not None and there.desk != self._desk and there.state != kept.seen and not kept.over:
            text = (
                "Another desk has left a card of its own with this version, which is not written over. "
                "cards publish --over puts this one in its place."
            )
            return replace(kept, card=replace(card, trouble=text), is_owed=False)
        wanted = tags.written(card, self._desk)
        missing: dict[str, str | None] = {key: value for key, value in wanted.items() if found.tags.get(key) != value}
        missing |= dict.fromkeys(tags.stale(found.tags, wanted))
        if missing:
            self._registries.tag(card.model, card.version, missing, card.registry)
        return replace(kept, card=replace(card, published=card.state_sha256, trouble=None), is_owed=False, over=False)


def _there(found: Mapping[str, str], card: CardOfVersion) -> tags.FoundCard | None:
    """Return the card that lies in a registry; None for none, and for a damaged one, which is nobody's any more."""
    try:
        return tags.read(found, card.model, card.version)
    except DeskError as error:
        _log.info("%s", error.message)
        return None
