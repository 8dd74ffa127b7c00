"""What this process has leased, kept in mind beside the files, so that files that somebody damaged are written anew."""

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from threading import Lock

from mlops_desk.gpus.leases.files import Doubt, Lease
from mlops_desk.gpus.leases.folders import UserFile
from mlops_desk.gpus.leases.host import ThisHost
from mlops_desk.gpus.leases.share_slots import missing_stand_ins
from mlops_desk.gpus.leases.validity import LABEL_LIMIT
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

TOLD_SECONDS = 60.0
"""How long it is shown that a lease had to be written anew: everybody who looks now and then must see it."""


@dataclass(slots=True)
class KeptLeases:
    """Leases by the name of their file. ``instance`` is the agent's. Safe to use from several threads."""

    instance: str
    host: ThisHost
    _held: dict[str, Lease] = field(default_factory=dict)
    _told: dict[str, tuple[str, float]] = field(default_factory=dict)
    _places: int = 0
    _lock: Lock = field(default_factory=Lock)

    def names(self) -> frozenset[str]:
        """Return the names of the files that hold something of ours."""
        with self._lock:
            return frozenset(self._held)

    def get(self, name: str) -> Lease | None:
        """Return what we wrote to a file and have not given back."""
        with self._lock:
            return self._held.get(name)

    def leases(self) -> tuple[Lease, ...]:
        """Return what we hold."""
        with self._lock:
            return tuple(self._held.values())

    def keep(self, leases: Iterable[Lease], places: int) -> None:
        """Take into mind what was written, to so many folders."""
        with self._lock:
            self._held |= {lease.file_name: lease for lease in leases}
            self._places = places

    def update(self, lease: Lease) -> None:
        """Take into mind that a lease has changed, or is given back."""
        with self._lock:
            self._held.pop(lease.file_name, None)
            if lease.released_at is None:
                self._held[lease.file_name] = lease

    def of_attempt(self, attempt: str, found: Iterable[UserFile]) -> list[Lease]:
        """Return what an attempt of ours holds by our files, and before all by what we know to have written."""
        ours = (self.instance, attempt)
        contents = (each.content for each in found)
        leases = [each for each in contents if isinstance(each, Lease) and (each.instance, each.attempt) == ours]
        with self._lock:
            leases += [lease for lease in self._held.values() if lease.attempt == attempt]
        return [*{lease.file_name: lease for lease in leases}.values()]

    def fallen(self, found: Iterable[UserFile]) -> dict[str, tuple[Lease, str | None]]:
        """Return what our files should say, by name, where they say something else, and what was wrong.

        A lease that only a file knows was being taken when the disk refused; it is given back without a word.
        """
        with self._lock:
            held = dict(self._held)
            places = self._places
        own = list(found)
        by_name: dict[str, list[UserFile]] = {}
        for each in own:
            by_name.setdefault(each.path.name, []).append(each)
        fallen: dict[str, tuple[Lease, str | None]] = {}
        for name, lease in held.items():
            known = by_name.pop(name, [])
            wrong = next((each for each in known if each.content != lease), None)
            if wrong is not None or len(known) < places:
                fallen[name] = lease, _what_befell(wrong)
        for name, others in by_name.items():
            for stray in (each.content for each in others):
                if isinstance(stray, Lease) and self._is_mine(stray) and stray.released_at is None:
                    fallen[name] = replace(stray, released_at=self.host.now()), None
        missing = missing_stand_ins(held.values(), own, places)
        return fallen | {name: (lease, None) for name, lease in missing.items()}

    def _is_mine(self, lease: Lease) -> bool:
        return lease.instance == self.instance and lease.owner == self.host.this_process()

    def tell(self, lease: Lease, text: str) -> None:
        """Keep in mind for a while, to be shown, what befell the file of a lease."""
        _log.warning("The lease of %s %s", lease.gpu, text)
        with self._lock:
            self._told[lease.gpu] = text, self.host.now()

    def told_of(self, gpu: str) -> str | None:
        """Return what lately befell our file about a GPU."""
        with self._lock:
            text, at = self._told.get(gpu, ("", -math.inf))
        return f"Our lease file {text}" if self.host.now() - at < TOLD_SECONDS else None


def _what_befell(wrong: UserFile | None) -> str:
    if wrong is None or wrong.content is None:
        return "was removed or emptied, and has been written anew."
    if isinstance(wrong.content, Doubt):
        return f"{wrong.path} {wrong.content.text}, and has been written anew."
    return f"{wrong.path} named another holder, {plain(wrong.content.label, LABEL_LIMIT)}, and has been written anew."
