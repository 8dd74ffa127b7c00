"""The engines that the settings name: each with a name, a kind and an address, opened by its name.

The first is this machine's own, called ``local``, whose address is the setting ``engine.host``. The others stand in
``engine.others``, as NAME=ADDRESS or NAME=KIND:ADDRESS with blanks between them.
"""

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mlops_desk.engines.docker.address import choose_address, choose_podman
from mlops_desk.engines.docker.engine import DockerEngine
from mlops_desk.engines.engine import Engine
from mlops_desk.jobs.records.job import LOCAL_RUNTIME
from mlops_desk.kit.base.errors import DeskError, Invalid, NotFound, Unavailable
from mlops_desk.kit.base.text import plain

_log = logging.getLogger(__name__)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}", re.ASCII)
_ADDRESS = re.compile(r"(unix:///|tcp://|https?://)\S{1,200}", re.ASCII)
_HERE = re.compile(r"unix://|(tcp|https?)://(127\.[0-9.]+|localhost|\[::1\])([:/]|$)", re.ASCII)
_FORM = "Write NAME=ADDRESS, several with blanks between: lab=unix:///run/lab/docker.sock far=tcp://10.0.0.5:2375"
_MOST = 16  # chosen: each has a thread that looks at it, and one person looks after them all


class ClosableEngine(Engine, Protocol):
    """An engine with connections that somebody has to close."""

    def close(self) -> None: ...


KINDS: Mapping[str, Callable[[Callable[[], str]], ClosableEngine]] = {
    "docker": DockerEngine,
    "podman": partial(DockerEngine, choose=choose_podman),
}
"""What opens an engine of each kind; it is handed what returns the address from the settings.

A kind says where to look when no address is given. Which one answers there is asked each time: Podman also listens in
Docker's place.
"""


@dataclass(frozen=True, slots=True)
class EngineEntry:
    """An engine of the settings; an empty address means the usual places of its kind."""

    name: str
    kind: str
    address: str


def parse_engines(text: str) -> tuple[EngineEntry, ...]:
    """Read ``engine.others``. Raises Invalid, with what is wrong and how it is written."""
    entries = tuple(_entry(word) for word in text.split())
    names = [LOCAL_RUNTIME, *(entry.name for entry in entries)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        known = f"{LOCAL_RUNTIME} is this machine's own engine: engine.host has its address."
        raise Invalid(f"Two engines are called {twice}.", known if twice == LOCAL_RUNTIME else _FORM)
    if len(entries) > _MOST:
        raise Invalid(f"{len(entries)} engines are too many.", f"At most {_MOST} can be named.")
    return entries


def _entry(word: str) -> EngineEntry:
    name, equals, place = word.partition("=")
    kind, colon, address = place.partition(":")
    if not colon or address.startswith("//"):  # the colon was the address's own
        kind, address = "docker", place
    if not equals or not _NAME.fullmatch(name):
        raise Invalid(f"{plain(word, 100)} names no engine.", f"Names are small letters, digits and dashes. {_FORM}")
    if kind not in KINDS:
        raise Invalid(f"{plain(kind, 40)} is no kind of engine.", f"Kinds: {', '.join(KINDS)}. {_FORM}")
    if not _ADDRESS.fullmatch(address):
        raise Invalid(f"{plain(address, 100)} is no address of a container engine.", _FORM)
    return EngineEntry(name, kind, address)


def is_here(address: str) -> bool:
    """Tell whether an engine runs on this machine, as far as its address says; "" means one of the usual places."""
    return not address or _HERE.match(address) is not None


def _where(entry: EngineEntry) -> str:
    return (choose_podman if entry.kind == "podman" else choose_address)(entry.address)


class EngineTable:
    """``host`` and ``others`` return the two settings, of which a changed address holds from the next call on.

    Which engines there are is read once: a new name, or one that is gone, counts from the next start.
    """

    def __init__(self, host: Callable[[], str], others: Callable[[], str]) -> None:
        self._host = host
        self._others = others
        self._trouble: str | None = None
        self._open: dict[str, ClosableEngine] = {}
        self._names = tuple(entry.name for entry in self._entries())

    @property
    def names(self) -> tuple[str, ...]:
        """The engines' names; the first is this machine's own."""
        return self._names

    @property
    def trouble(self) -> str | None:
        """Say why none but the first is known, if the setting is not of the right form."""
        return self._trouble

    def open(self, name: str) -> Engine:
        """Return the engine of a name, always the same one; it is not asked anything. Raises NotFound."""
        if name not in self._names:
            raise NotFound(f"No engine is called {plain(name)}.", f"There are: {', '.join(self._names)}.")
        if name not in self._open:
            kind = next(entry.kind for entry in self._entries() if entry.name == name)
            self._open[name] = KINDS[kind](lambda: self.address(name))
        return self._open[name]

    def address(self, name: str) -> str:
        """Return the address of an engine as the settings have it now; "" for the usual places.

        Raises Unavailable for one that they name no more: of what runs there nothing is known.
        """
        entry = next((entry for entry in self._entries() if entry.name == name), None)
        if entry is None:
            raise Unavailable(f"The settings name no engine {plain(name)} any more.", _FORM)
        return entry.address

    def addresses(self) -> list[str]:
        """Return where the engines listen. Raises Invalid for an ``engine.host`` that is no address."""
        return [_where(entry) for entry in self._entries()]

    def where(self, name: str) -> str:
        """Return where an engine of the settings listens. Raises Invalid, Unavailable."""
        self.address(name)
        return next(_where(entry) for entry in self._entries() if entry.name == name)

    def close(self) -> None:
        """Close all connections."""
        for engine in self._open.values():
            engine.close()

    def _entries(self) -> tuple[EngineEntry, ...]:
        own = EngineEntry(LOCAL_RUNTIME, "docker", self._host())
        try:
            others = parse_engines(self._others())
        except DeskError as error:
            if self._trouble != error.message:
                _log.warning("Of the engines in the settings only %s is known: %s", LOCAL_RUNTIME, error.message)
            self._trouble = error.message
            return (own,)
        self._trouble = None
        return (own, *others)
