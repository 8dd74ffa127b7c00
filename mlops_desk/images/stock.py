"""The images of all engines, with what needs them and who brought them; taking away what nothing needs."""

import logging
import os
import shlex
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.base.short_ids import the_one
from mlops_desk.base.text import plain
from mlops_desk.engines.engine import Engine, ImageFacts
from mlops_desk.engines.images import StoredImage
from mlops_desk.engines.logins.private_images import PrivateImages
from mlops_desk.images import pruning
from mlops_desk.images.building import Contexts
from mlops_desk.images.neighbours import NO_NEIGHBOURS, Neighbours
from mlops_desk.images.origins import Origin, Origins
from mlops_desk.images.users import ImageNeed, desks_of, names_of, spelled, users_of
from mlops_desk.records.images.card import ImageCard, ImageUser, PruneItem, PrunePreview, UserKind
from mlops_desk.records.images.task import ImageTask, TaskKind

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
            text = f"The image {plain(card.name)} is needed by {pruning.used_text(card.used_by)}."
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
        return pruning.plan(cards, used, unused_seconds, time.time(), name)

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
        freed = pruning.freed_bytes(gone)
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
