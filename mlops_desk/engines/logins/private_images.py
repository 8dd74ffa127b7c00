"""Images that were pulled with somebody's login: whoever else wants one first shows the registry a right of their own.

An engine has one stock of images for all, and asks nobody about what is there already. So that a pull with one
person's login opens a private image to nobody else, the registry is asked for its digest before the first job of
another person, with their own login or with none. As in Kubernetes, a right that was shown once stays.

Whoever may speak to the engine itself (the docker group, another agent) is not held up by this, nor is who builds on an
image: the documentation says so. The notes lie in one file of the data folder; there is no secret in them.
"""

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mlops_desk.engines.engine import ImageFacts
from mlops_desk.engines.login import RegistryLogin
from mlops_desk.kit.base.disk.files import write_atomically

_log = logging.getLogger(__name__)
HearPulled = Callable[[str, ImageFacts, int, RegistryLogin | None], None]
"""Hear of an image that was pulled: by which name, for whom, with which login."""
FindLogin = Callable[[str, int], RegistryLogin | None]


def nobodys_login(_reference: str, _uid: int) -> None:
    """Know of no login: for doubles, and where nobody keeps any."""


class PrivateImages:
    """``file`` has the notes; None keeps them nowhere. Safe to use from several threads."""

    def __init__(self, file: Path | None = None, find_login: FindLogin = nobodys_login) -> None:
        self._file = file
        self._find_login = find_login
        self._lock = threading.Lock()
        self._people: dict[str, set[int]] = {}
        self._coming: set[str] = set()
        if file is not None:
            self._read(file)

    def login(self, reference: str, uid: int) -> RegistryLogin | None:
        """Return with which login a person pulls an image. Raises Refused, Unavailable.

        That it comes with one is noted first: an agent that dies in between leaves no private image open.
        """
        login = self._find_login(reference, uid)
        with self._lock:
            if login is not None and reference not in self._coming:
                self._coming.add(reference)
                self._keep()
        return login

    def find(self, reference: str, uid: int) -> RegistryLogin | None:
        """Return a person's login for what comes by no pull of ours. Raises Refused, Unavailable."""
        return self._find_login(reference, uid)

    def pulled(self, reference: str, facts: ImageFacts, uid: int, login: RegistryLogin | None) -> None:
        """Note that a registry has shown a person's right; without a login it shows that all have it."""
        with self._lock:
            before = (len(self._coming), self._people.get(facts.id, set()).copy())
            self._coming -= {reference, *facts.tags, *facts.repo_digests}
            if login is None:
                self._people.pop(facts.id, None)
            else:
                self._people.setdefault(facts.id, set()).add(uid)
            if before != (len(self._coming), self._people.get(facts.id, set())):
                self._keep()

    def may(self, facts: ImageFacts, uid: int) -> bool:
        """Tell whether a person's jobs may have a local image without asking its registry."""
        with self._lock:
            people = self._people.get(facts.id)
            if people is not None:
                return uid in people
            return self._coming.isdisjoint((*facts.tags, *facts.repo_digests))

    def asked_by(self, reference: str, facts: ImageFacts | None) -> str:
        """Return by which name a right is shown: a private image that is here by its digest, so that it stays."""
        if facts is None or not facts.repo_digests:
            return reference
        repository = reference.partition("@")[0]
        own = [digest for digest in facts.repo_digests if repository.startswith(digest.partition("@")[0])]
        return (own or list(facts.repo_digests))[0]

    def _keep(self) -> None:
        if self._file is None:
            return
        people = {name: sorted(uids) for name, uids in self._people.items()}
        written = {"people": people, "coming": sorted(self._coming)}
        write_atomically(self._file, json.dumps(written, indent=1, sort_keys=True).encode())

    def _read(self, file: Path) -> None:
        try:
            found: Any = json.loads(file.read_bytes())
            self._people = {str(name): {int(uid) for uid in uids} for name, uids in found["people"].items()}
            self._coming = {str(name) for name in found["coming"]}
        except FileNotFoundError:
            return
        except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as error:
            _log.warning("Whose images are whose is not known any more, %s is damaged: %s", file, error)
