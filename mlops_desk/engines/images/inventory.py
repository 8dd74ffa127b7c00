"""The images of all engines, with what needs them and who brought them; taking away what nothing needs."""

import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

from mlops_desk.engines.engine import Engine, ImageFacts
from mlops_desk.engines.image_store import StoredImage
from mlops_desk.engines.images.builds import Contexts
from mlops_desk.engines.images.dependents import ImageNeed, desks_of, names_of, spelled, users_of
from mlops_desk.engines.images.origins import Origin, Origins
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.engines.records.image import ImageCard, ImageUser, PruneItem, PrunePreview, UserKind
from mlops_desk.engines.records.task import ImageTask, TaskKind
from mlops_desk.kit.base.bus import Bus
from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.kit.base.loop import Loop
from mlops_desk.kit.base.short_ids import the_one
from mlops_desk.kit.base.text import duration_text, plain
from mlops_desk.kit.base.timer import Bell
from mlops_desk.machine.records.event import JobChanged

# What the desks of other users on this machine need, and telling them what is needed here.
#
# An agent tells when jobs come or go, a moment later, and looks once a minute whether its word is there still: shared
# folders are emptied at a restart of the machine.

_LOOK_SECONDS = 60.0  # chosen: endpoints change without a word to this, and a look costs a few milliseconds
_SHARE = 50  # chosen: with ten thousand jobs a telling takes a second, and at most one in fifty goes into it
_LEAST_SECONDS = 1.0  # chosen: a sweep that is submitted is told of once


class Neighbours(Protocol):
    """The desks of all users of this machine."""

    def needed(self, images: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[tuple[int, str], ...]]:
        """Return (uid, user) of other desks that need images, by their ids; ``images`` has those with their names."""
        ...

    def tell(self, names: Iterable[str]) -> None:
        """Leave word of the ids and names of images that are needed here."""
        ...


class NoNeighbours:
    """Nobody else is on this machine."""

    def needed(self, images: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[tuple[int, str], ...]]:  # noqa: ARG002 - nobody needs any
        return {}

    def tell(self, names: Iterable[str]) -> None:
        """Tell nobody."""


NO_NEIGHBOURS = NoNeighbours()


class NeedTelling:
    """Tells the neighbours what is ``wanted`` here, whenever that may have changed."""

    def __init__(self, bus: Bus, loop: Loop, wanted: Callable[[], Iterable[str]], neighbours: Neighbours) -> None:
        self._loop = loop
        self._wanted = wanted
        self._neighbours = neighbours
        self._news = Bell()
        bus.subscribe(JobChanged, lambda _event: self._news.ring())

    def start(self) -> None:
        self._loop.repeat("images-needs", _LOOK_SECONDS, self._tell, bell=self._news)

    def _tell(self) -> None:
        began = time.monotonic()
        self._neighbours.tell(self._wanted())
        self._loop.ending.wait(max(_LEAST_SECONDS, _SHARE * (time.monotonic() - began)))


# Which images may be cleared away, and why the others stay. Pure, and when in doubt an image stays.
# Gone can only what this desk pulled or built and nothing needs: what people fetched by hand, or another desk on the
# same engine has fetched, is theirs to remove.
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


_log = logging.getLogger(__name__)

_HINT = Hint("mlops-desk images list", before="Those that are there: ")
_WORDS = {TaskKind.PULL: "pulled", TaskKind.BUILD: "built"}


@dataclass(frozen=True, slots=True)
class ImageParts:
    """What images need of the rest of the house.

    ``engines`` are those of the settings by name, ``is_here`` tells whether one runs on this machine, ``needs`` what of
    the desk needs images of one. ``labels`` are what each image that is built carries, ``private`` knows
    logins at registries, ``arguments`` are those of builds. ``neighbours`` are the desks of other users, which are told
    what of all engines is ``wanted`` here.
    """

    engines: Mapping[str, Engine]
    is_here: Callable[[str], bool]
    needs: Callable[[str], list[ImageNeed]]
    contexts: Contexts
    labels: Mapping[str, str] = field(default_factory=dict)
    private: PrivateImages = field(default_factory=PrivateImages)
    arguments: Callable[[], Mapping[str, str]] = dict
    neighbours: Neighbours = NO_NEIGHBOURS
    wanted: Callable[[], Iterable[str]] = tuple


class Stock:
    """``changed`` is told when images have come to an engine or left it. Safe to use from several threads."""

    def __init__(self, origins: Origins, parts: ImageParts, changed: Callable[[str], None]) -> None:
        self.origins = origins
        self._parts = parts
        self._changed = changed
        self._lock = threading.Lock()
        self._before: dict[str, frozenset[str]] = {}

    def engine(self, name: str) -> Engine:
        """Return an engine. Raises NotFound."""
        found = self._parts.engines.get(name)
        if found is None:
            known = ", ".join(self._parts.engines)
            raise NotFound(f"There is no engine called {plain(name)}.", f"There are: {known}.")
        return found

    # -- the door of what is under way ---------------------------------------------------------------

    def begins(self, task: ImageTask) -> None:
        """Remember what is there before a task begins: that is not what it brought."""
        there = frozenset(image.id for image in self.engine(task.engine).images())
        with self._lock:
            self._before[task.id] = there

    def arrived(self, task: ImageTask, facts: ImageFacts) -> None:
        """Remember who brought an image, if it is new."""
        with self._lock:
            before = self._before.pop(task.id, frozenset())
        if facts.id not in before:
            origin = Origin(_WORDS[task.kind], task.submitted_by, task.user, time.time())
            self.origins.note(task.engine, facts.id, origin)
        self._changed(task.engine)

    def tell_origin(self, name: str, references: Collection[str], kind: TaskKind) -> None:
        """Remember of images that are there that this desk has brought them, for its own user."""
        caller = current_caller()
        for reference in references:
            origin = Origin(_WORDS[kind], caller.uid, caller.user, time.time())
            self.origins.note(name, self.engine(name).image(reference).id, origin)

    # -- looking -------------------------------------------------------------------------------------

    def cards(self, name: str) -> list[ImageCard]:
        """Return the images of an engine, the newest first. Raises DeskError."""
        engine = self.engine(name)
        stored = engine.images()
        users = users_of(stored, engine.containers({}), self._parts.needs(name))
        self.origins.note_use(name, users)
        needed = self._parts.neighbours.needed({one.id: names_of(one) for one in stored})
        desks = desks_of(needed, os.geteuid())
        found = [self._card(name, one, (*users.get(one.id, ()), *desks.get(one.id, ()))) for one in stored]
        return sorted(found, key=lambda card: (-(card.created_at or 0.0), card.id))

    def _card(self, name: str, one: StoredImage, users: tuple[ImageUser, ...]) -> ImageCard:
        origin = self.origins.of(name, one.id)
        counted = one.size_bytes is not None and one.shared_bytes is not None
        return ImageCard(
            one.id,
            one.tags,
            one.digests,
            one.size_bytes,
            max(0, (one.size_bytes or 0) - (one.shared_bytes or 0)) if counted else None,
            one.shared_bytes,
            one.created_at,
            one.platform,
            one.labels,
            users,
            origin.origin if origin else "",
            origin.at if origin else None,
            origin.uid if origin else None,
            origin.user if origin else None,
            name,
        )

    def find(self, name: str, given: str) -> ImageCard:
        """Return an image by its name, its id or the beginning of that. Raises NotFound, Invalid."""
        word, cards = spelled(given), self.cards(name)
        named = next((card for card in cards if word in map(spelled, (*card.tags, *card.digests))), None)
        if named is None:
            start = given.removeprefix("sha256:")
            begins = [card for card in cards if start and card.id.removeprefix("sha256:").startswith(start)]
            named = the_one(given, begins, noun="image", hint=_HINT, key=lambda card: card.id.removeprefix("sha256:"))
        facts = self.engine(name).image(named.id)
        return replace(named, platform="/".join(word for word in (facts.os, facts.architecture) if word))

    def note_use(self) -> None:
        """Note of each engine what is needed there now."""
        for name in self._parts.engines:
            try:
                self.cards(name)
            except DeskError as error:
                _log.info("What images are needed on %s is not known now: %s", name, error.message)

    # -- clearing away -------------------------------------------------------------------------------

    def remove(self, name: str, given: str) -> ImageCard:
        """Remove an image that nothing needs, and return it as it was. Raises Refused, NotFound, Invalid."""
        card = self.find(name, given)
        if card.used_by:
            text = f"The image {plain(card.name)} is needed by {used_text(card.used_by)}."
            if all(user.kind is UserKind.DESK for user in card.used_by):
                anyway = Hint(f"docker rmi {shlex.quote(card.name)}", before="Ask them, or take it all the same: ")
                raise Refused(text, anyway)
            raise Refused(text, "End or remove what needs it first.")
        self._drop(card)
        self._changed(name)
        return card

    def preview(self, name: str, unused_seconds: float) -> PrunePreview:
        """Tell what nothing has needed for so long. Raises Invalid, DeskError."""
        if unused_seconds < 0:
            raise Invalid("The time for which images are unused can't be negative.")
        cards = self.cards(name)
        origins = {card.id: self.origins.of(name, card.id) for card in cards}
        used = {image_id: one.used_at for image_id, one in origins.items() if one is not None and one.used_at}
        return plan(cards, used, unused_seconds, time.time(), name)

    def prune(self, name: str, unused_seconds: float, only: Collection[str] | None) -> PrunePreview:
        """Remove what nothing needs, of that only the ids in ``only``, and tell what went. Raises DeskError."""
        planned = self.preview(name, unused_seconds)
        gone: list[PruneItem] = []
        refused: list[PruneItem] = []
        for item in planned.going:
            if only is not None and item.id not in only:
                continue
            try:
                self._drop_unneeded(name, item, unused_seconds)
                gone.append(item)
            except DeskError as error:
                refused.append(replace(item, why="refused", text=error.message))
        self._changed(name)
        freed = freed_bytes(gone)
        staying = (*refused, *planned.staying)
        return replace(planned, going=tuple(gone), staying=staying, freed_bytes=freed, applied=True)

    def _drop_unneeded(self, name: str, item: PruneItem, unused_seconds: float) -> None:
        """Remove an image if it is still one that may go: a job may have been submitted meanwhile. Raises DeskError."""
        now = self.preview(name, unused_seconds)
        if item.id not in {one.id for one in now.going}:
            raise Refused(f"The image {plain(item.name)} is needed by now.")
        self._drop(next(card for card in self.cards(name) if card.id == item.id))

    def _drop(self, card: ImageCard) -> None:
        """Take an image's names, and with the last one itself; never by force. Raises DeskError."""
        engine = self.engine(card.engine)
        for tag in card.tags or (card.id,):
            engine.remove_image(tag, force=False)
        self.origins.forget(card.engine, card.id)
