"""The verbs about cards: kept here first, so that nothing is lost while a registry is away, then written to it."""

import json
import logging
import threading
from builtins import list as list_of
from collections.abc import Callable, Mapping
from dataclasses import replace
from shlex import quote
from typing import Protocol

from mlops_desk.governance.cards import stages, tags
from mlops_desk.governance.cards.stages import Actor
from mlops_desk.governance.records.card import (
    CardAct,
    CardBrief,
    CardExport,
    CardFacts,
    CardOfVersion,
    KeptRegistryCard,
)
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.records import StoredRecords
from mlops_desk.registry.records.model import ModelVersion, parted


# What cards ask of registries and of the rest of the house. Everything may raise DeskError, and keeps a deadline.
class CardRegistries(Protocol):
    """Registries as cards need them; ``uri`` is as a person gave it, None where nobody named one."""

    def where(self, uri: str | None) -> tuple[str | None, str]:
        """Return the tracking URI that is meant (None: the desk's own), and one word for it."""
        ...

    def find(self, model: str, number: str, uri: str | None) -> ModelVersion:
        """Return a version as it is now, by its number or @ALIAS. Raises NotFound."""
        ...

    def tag(self, model: str, version: str, tags: Mapping[str, str | None], uri: str | None) -> None:
        """Write tags of a version in their order; None takes one away."""
        ...


class CardSources(Protocol):
    """What the rest of the house knows of a version."""

    def facts(self, version: ModelVersion, uri: str | None) -> tuple[CardFacts, Mapping[str, str]]:
        """Return the facts, and the texts that the desk can fill in; what can't be told is named as a gap."""
        ...


# Cards as they come to their registry: at once where it answers, and later by themselves where it is away.
# Another desk's card is never written over by the way: who wants that says so (``over``).
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


Write = Callable[[CardOfVersion, str], bytes]


class CardsService:
    """Implements ``verbs.Cards``.

    ``announce`` is told of each change; ``write`` makes a file of a card in a
    form. ``desk`` names this desk among those that use one registry.
    """

    def __init__(
        self,
        registries: CardRegistries,
        sources: CardSources,
        kept: StoredRecords[KeptRegistryCard],
        desk: str,
        now: Callable[[], float],
        announce: Callable[[CardOfVersion], None],
        write: Write,
    ) -> None:
        self._registries = registries
        self._sources = sources
        self._kept = kept
        self._now = now
        self._announce = announce
        self._write = write
        self._publishing = CardPublishing(registries, desk, self._keep_what_became)
        self._turns: dict[str, threading.RLock] = {}
        self._guard = threading.Lock()

    # -- verbs -----------------------------------------------------------------------------------

    def list(self, model: str | None = None) -> list_of[CardBrief]:
        """List what was written here, newest first."""
        return [_brief(one.card) for one in self._kept.list(parent=model)]

    def show(self, version: str, uri: str | None = None) -> CardOfVersion:
        """Show a card: ours, else another desk's, else what it would begin with. Raises NotFound, Unavailable."""
        key, model, number, where = self._named(version, uri)
        kept = self._kept.get(key)
        if kept is not None:
            return kept.card
        return self._unwritten(model, number, where)

    def refresh(self, version: str, uri: str | None = None) -> CardOfVersion:
        """Ask the house again. Raises NotFound, Unavailable."""
        _, model, number, where = self._named(version, uri)
        facts, known = self._sources.facts(self._registries.find(model, number, where), where)
        return self._change(version, uri, lambda card: stages.refreshed(card, facts, known, self._actor("")))

    def edit(
        self,
        version: str,
        texts: Mapping[str, str] | None = None,
        clear: str = "",
        uri: str | None = None,
        why: str = "",
        expected: str | None = None,
    ) -> CardOfVersion:
        """Write texts. Raises Invalid, Refused, NotFound."""
        cleared = [name.strip() for name in clear.split(",") if name.strip()]
        if not (texts or cleared):
            raise Invalid("Nothing is to be written.", "Say it: --set limits=…, or --clear NAME.")

        def change(card: CardOfVersion) -> CardOfVersion:
            stages.check_expected(card, expected)
            return stages.edited(card, texts or {}, cleared, self._actor(why))

        return self._change(version, uri, change)

    def submit(self, version: str, uri: str | None = None, why: str = "") -> CardOfVersion:
        """Hand in. Raises Refused."""
        return self._step(version, uri, CardAct.SUBMITTED, why)

    def send_back(self, version: str, uri: str | None = None, why: str = "") -> CardOfVersion:
        """Send back. Raises Refused."""
        return self._step(version, uri, CardAct.SENT_BACK, why)

    def approve(
        self, version: str, uri: str | None = None, why: str = "", expected: str | None = None
    ) -> CardOfVersion:
        """Agree. Raises Refused."""
        return self._change(version, uri, lambda card: stages.approved(card, expected, self._actor(why)))

    def archive(self, version: str, uri: str | None = None, why: str = "") -> CardOfVersion:
        """Put away. Raises Refused."""
        return self._step(version, uri, CardAct.ARCHIVED, why)

    def publish(self, version: str, uri: str | None = None, *, over: bool = False) -> CardOfVersion:
        """Write to the registry now. Raises Refused where nobody has written a card."""
        key, model, number, _ = self._named(version, uri)
        with self._turn(key):
            kept = self._kept.get(key)
            if kept is None:
                name = f"{plain(model)}/{plain(number)}"
                hint = Hint(f"mlops-desk cards edit {quote(name)} --set limits=…")
                raise Refused(f"Nobody has written a card of {name} here.", hint)
            owed = replace(kept, is_owed=True, over=over or kept.over)
            self._kept.put(owed)
            return self._told(self._publishing.publish(owed))

    def export(self, version: str, form: str = "markdown", uri: str | None = None) -> CardExport:
        """Return a card as a file. Raises Invalid for another form, Unavailable where it can't be made."""
        if form not in ENDINGS:
            raise Invalid(f"{plain(form, 40)!r} is no form of a card.", f"Forms: {', '.join(ENDINGS)}.")
        card = self.show(version, uri)
        name = f"{plain(card.model)}-{plain(card.version)}-card.{ENDINGS[form]}"
        return CardExport(name, form, self._write(card, form), card.model, card.version, card.revision, card.stage)

    # -- for the house ---------------------------------------------------------------------------

    def publish_owed(self) -> None:
        """Write what registries lack, of those that answer again."""
        for kept in self._kept.list(states=("owed",), newest_first=False):
            with self._turn(kept.key):
                now = self._kept.get(kept.key)
                if now is not None and now.is_owed:
                    self._told(self._publishing.publish(now))

    def kept_of(self, model: str, version: str, uri: str | None) -> CardOfVersion | None:
        """Return the card that was written here of a version; None where none was."""
        _, registry = self._registries.where(uri)
        kept = self._kept.get(card_key(registry, model, version))
        return None if kept is None else kept.card

    # -- parts -----------------------------------------------------------------------------------

    def _named(self, version: str, uri: str | None) -> tuple[str, str, str, str | None]:
        """Return the key, the model, the number and the registry of what a person names. Raises Invalid, NotFound."""
        model, number = parted(version)
        where, registry = self._registries.where(uri)
        if not model or number is None:
            hint = Hint(f"mlops-desk cards show {quote(plain(model or 'MODEL', 80))}/1", before="Name the version: ")
            raise Invalid(f"{plain(version, 80)!r} names no version of a model.", hint)
        if number.startswith("@"):
            number = self._registries.find(model, number, where).version
        return card_key(registry, model, number), model, number, where

    def _unwritten(self, model: str, number: str, where: str | None) -> CardOfVersion:
        """Return another desk's card, else what one would begin with."""
        version = self._registries.find(model, number, where)
        trouble = None
        try:
            found = tags.read(version.tags, model, number)
        except DeskError as error:
            found, trouble = None, error.message
        if found is not None:
            return replace(found.card, registry=where, published=found.card.state_sha256)
        return replace(self._begun(version, where), trouble=trouble)

    def _begun(self, version: ModelVersion, where: str | None) -> CardOfVersion:
        facts, known = self._sources.facts(version, where)
        return stages.begun(version.name, version.version, where, facts, known)

    def _first(self, key: str, model: str, number: str, where: str | None) -> KeptRegistryCard:
        """Return what a card that nobody has written here begins with: another desk's texts where there are some."""
        version = self._registries.find(model, number, where)
        card = self._begun(version, where)
        try:
            found = tags.read(version.tags, model, number)
        except DeskError:
            found = None  # a damaged one is told by show
        if found is None:
            return KeptRegistryCard(key, card)
        taken = replace(
            card, texts=found.card.texts, revision=found.card.revision + 1, steps=found.card.steps, is_foreign=True
        )  # a draft, whatever it says of itself: nobody has agreed to it here
        return KeptRegistryCard(key, taken, seen=found.state)

    def _step(self, version: str, uri: str | None, act: CardAct, why: str) -> CardOfVersion:
        return self._change(version, uri, lambda card: stages.CHANGES[act](card, self._actor(why)))

    def _change(self, version: str, uri: str | None, change: Callable[[CardOfVersion], CardOfVersion]) -> CardOfVersion:
        """Change a card as it is now, keep it, and write it to its registry."""
        key, model, number, where = self._named(version, uri)
        with self._turn(key):
            kept = self._kept.get(key) or self._first(key, model, number, where)
            changed = change(kept.card)
            if changed == kept.card:
                return changed
            made = replace(kept, card=replace(changed, is_foreign=False), is_owed=True)
            self._kept.put(made)
            return self._told(self._publishing.publish(made))

    def _turn(self, key: str) -> threading.RLock:
        """Let one change of a card be made at a time; a registry that is slow holds up no other card."""
        with self._guard:
            return self._turns.setdefault(key, threading.RLock())

    def _keep_what_became(self, kept: KeptRegistryCard) -> None:
        self._kept.put(kept)

    def _told(self, kept: KeptRegistryCard) -> CardOfVersion:
        self._announce(kept.card)
        return kept.card

    def _actor(self, why: str) -> Actor:
        caller = current_caller()
        return Actor(caller.user, caller.uid, self._now(), why)


ENDINGS = {"markdown": "md", "html": "html", "pdf": "pdf"}
"""The forms of a card, each with how such a file ends."""


def card_key(registry: str, model: str, version: str) -> str:
    """Name a card among all that a desk keeps."""
    return json.dumps([registry, model, version])


def _brief(card: CardOfVersion) -> CardBrief:
    by = card.steps[-1].by if card.steps else None
    return CardBrief(
        card.model, card.version, card.stage, card.revision, card.registry, card.needed, card.is_published,
        card.trouble, card.updated_at, by,
    )  # fmt: skip
