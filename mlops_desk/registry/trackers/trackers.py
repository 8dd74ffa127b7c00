"""The list of registries: each has a name, which every ``--uri`` takes, and none is dropped because it does not answer.

Their URIs are stored without passwords. What logs in is a secret of the person who added the registry, read when it is
asked and never before.
"""

import contextlib
import re
import time
from builtins import list as list_of
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from mlops_desk.base.caller import current_caller
from mlops_desk.base.errors import DeskError, Hint, Invalid, NotFound, Refused
from mlops_desk.base.text import plain
from mlops_desk.records.registry.tracker import KeptTracker, Tracker, TrackerKind
from mlops_desk.records.setting import SecretName
from mlops_desk.registry.address import Address, parse_address
from mlops_desk.registry.default_registry import BACK, OWN, SETTING, Default
from mlops_desk.registry.identity import identity_of
from mlops_desk.registry.reading.source import RegistrySource
from mlops_desk.registry.trackers.folders import recognise
from mlops_desk.registry.trackers.logins import headers_of, with_password, without_password
from mlops_desk.registry.trackers.looks import Looks

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,59}", re.ASCII)
"""No colon and no slash, so that no name is a URI or a path."""
_MOST = 200  # chosen: more than anybody looks at; a program that adds them without end is stopped
_OF_MLFLOW = {
    "http": TrackerKind.HTTP, "sqlite": TrackerKind.SQLITE, "database": TrackerKind.DATABASE,
    "folder": TrackerKind.FOLDER,
}  # fmt: skip
_LOCAL = frozenset(TrackerKind) - {TrackerKind.OWN, TrackerKind.HTTP, TrackerKind.DATABASE}


class KeptList(Protocol):
    """Where the list is stored; as ``StoredRecords``."""

    def put(self, record: KeptTracker) -> None: ...

    def get(self, key: str) -> KeptTracker | None: ...

    def list(self, *, newest_first: bool = True) -> list_of[KeptTracker]: ...

    def remove(self, key: str) -> None: ...


class Keyring(Protocol):
    """Where logins are kept; as ``SecretStore``."""

    def name(self, uid: int, name: str) -> SecretName: ...

    def set(self, uid: int, name: str, value: str) -> SecretName: ...

    def value(self, uid: int, name: str) -> bytes: ...

    def remove(self, uid: int, name: str) -> SecretName: ...


@dataclass(frozen=True, slots=True)
class OwnStore:
    """The desk's own registry: its SQLite file, and where its server answers while it runs."""

    path: Path
    address: Callable[[], str | None]


class Trackers:
    """The list, and what its names mean. Safe to use from several threads."""

    def __init__(
        self, kept: KeptList, keyring: Keyring, own: OwnStore, default: Default, looks: Looks | None = None
    ) -> None:
        self._looks = looks or Looks()
        self._kept = kept
        self._keyring = keyring
        self._own = own
        self._default = default
        self.reached: Callable[[RegistrySource], RegistrySource] = lambda source: source
        self.tell_changed: Callable[[], None] = lambda: None
        """Adds by which proxy and certificates a server elsewhere is reached."""

    # -- the list ----------------------------------------------------------------------------

    def list(self) -> list_of[Tracker]:
        """Return what is kept, in the order in which it was added, the desk's own first, and why one can't be read."""
        kept = [self._told_own(), *(self._told(one) for one in self._kept.list(newest_first=False))]
        return self._looks.told({one.name: one for one in kept}, self._looked_at)

    def show(self, name: str) -> Tracker:
        """Return one of the list. Raises NotFound."""
        found = self._told_own() if name == OWN else self._told(self._get(name))
        return self._looks.told({name: found}, self._looked_at, named=True)[0]

    def _looked_at(self, name: str) -> RegistrySource:
        return self.reached(self.source(name))

    def add(self, name: str, uri: str, login: str | None = None, kind: str | None = None) -> Tracker:
        """Keep a registry; what is on this disk has to be there. Raises DeskErrors."""
        self._check_new(name)
        chosen = _kind(kind)
        address, password = without_password(parse_address(uri))
        found = _kind_of(address, chosen)
        address = _written(address, found)
        uid = current_caller().uid
        if login is not None and password is not None:
            raise Invalid("The address holds a password, and --login names a secret.", "Give one of the two.")
        if login is not None:
            if found in _LOCAL:
                raise Invalid("What lies on this disk asks for no login.", "Leave --login out.")
            login = self._keyring.name(uid, login).name
        made = None if password is None else self._keyring.set(uid, f"registry-{name}", password).name
        kept = KeptTracker(name, address.uri, found, time.time(), uid, login or made, made is not None)
        try:
            self._kept.put(kept)
        except DeskError:
            if made is not None:
                self._keyring.remove(uid, made)
            raise
        self.tell_changed()
        return self.show(name)

    def log_in(self, name: str, login: str | None) -> Tracker:
        """Have another secret of the caller's log in at a registry, or none. Raises NotFound, Refused, Invalid."""
        if name == OWN:
            raise Refused("The desk logs in at its own registry by itself.")
        kept = self._get(name)
        if login is not None and kept.kind in _LOCAL:
            raise Invalid("What lies on this disk asks for no login.", "Leave --login out.")
        uid = current_caller().uid
        secret = None if login is None else self._keyring.name(uid, login).name
        # A secret that bears the registry's name was made for it, and goes with it.
        own = secret == f"registry-{name}"
        self._kept.put(replace(kept, login=secret, added_by=uid if secret else kept.added_by, has_own_login=own))
        self._looks.forget(name)
        if kept.has_own_login and kept.login is not None and kept.login != secret:
            with contextlib.suppress(NotFound):  # removed by the person: what was wanted
                self._keyring.remove(kept.added_by, kept.login)
        self.tell_changed()
        return self.show(name)

    def remove(self, name: str) -> Tracker:
        """Take a registry off the list, with the secret that was made for it. Raises NotFound, Refused."""
        if name == OWN:
            raise Refused("The desk's own registry is always there.")
        kept = self._get(name)
        if self._default.uri == name:
            hint = Hint(BACK, before="Back to the desk's own, or name another first: ")
            raise Refused(f"{name} is the registry that is meant where none is named (the setting {SETTING}).", hint)
        self._kept.remove(name)
        self._looks.forget(name)
        if kept.has_own_login and kept.login is not None:
            with contextlib.suppress(NotFound):  # removed by the person: what was wanted
                self._keyring.remove(kept.added_by, kept.login)
        self.tell_changed()
        return self._told(kept)

    def moved(self, folder: Path, uri: str) -> tuple[str, ...]:
        """Let the names that mean a folder of runs mean the store that it was copied into; return them."""
        meant = [one for one in self._kept.list(newest_first=False) if one.kind is TrackerKind.FOLDER]
        names = tuple(one.name for one in meant if parse_address(one.uri).path == folder)
        for one in meant:
            if one.name in names:
                self._kept.put(replace(one, uri=uri, kind=TrackerKind.SQLITE))
                self._looks.forget(one.name)
        if names:
            self.tell_changed()
        return names

    def is_kept(self, name: str) -> bool:
        """Tell whether a registry is kept by this name."""
        return _NAME.fullmatch(name) is not None and self._kept.get(name) is not None

    def _check_new(self, name: str) -> None:
        if not _NAME.fullmatch(name) or name.lower() in {OWN, "none"}:
            text = f"{plain(name, 80)!r} can't be the name of a registry."
            raise Invalid(text, "Letters, digits, dots, dashes and underscores are what it may have; own is taken.")
        if self._kept.get(name) is not None:
            hint = Hint(f"mlops-desk registry remove {name}", before="Choose another name, or first: ")
            raise Refused(f"A registry is kept as {name} already.", hint)
        if len(self._kept.list()) >= _MOST:
            raise Refused(f"{_MOST} registries are the most that are kept.", Hint("mlops-desk registry remove NAME"))

    def _get(self, name: str) -> KeptTracker:
        kept = self._kept.get(name)
        if kept is None:
            raise NotFound(f"No registry is kept as {plain(name, 80)!r}.", Hint("mlops-desk registry list"))
        return kept

    def _told(self, kept: KeptTracker) -> Tracker:
        meant = self._default.uri  # a name, or an address that may be spelled otherwise
        is_default = meant is not None and (meant == kept.name or identity_of(meant) == identity_of(kept.uri))
        return Tracker(kept.name, plain(kept.uri, 400), kept.kind, kept.login, is_default=is_default)

    def _told_own(self) -> Tracker:
        uri = self._own.address() or f"sqlite:///{self._own.path}"
        return Tracker(OWN, uri, TrackerKind.OWN, is_default=self._default.uri is None)

    def uri_of(self, name: str) -> str | None:
        """Return the address that is kept under a name; None where none is. Asks nobody for a password."""
        kept = self._kept.get(name) if _NAME.fullmatch(name) else None
        return None if kept is None else kept.uri

    # -- what is meant -----------------------------------------------------------------------

    def source(self, uri_or_name: str | None) -> RegistrySource:
        """Return what to open for a URI, a kept name, or (None) the registry that is meant by default.

        Raises Invalid, NotFound where a secret is gone, and what the keyring raises.
        """
        named = self._default.uri if uri_or_name is None else uri_or_name.strip()
        if named in {None, "", OWN} or named == self._own.address():
            uri = f"sqlite:///{self._own.path}"
            return RegistrySource(TrackerKind.OWN, uri, "the desk's own registry", self._own.path)
        kept = self._kept.get(named) if _NAME.fullmatch(named) else None
        if kept is not None:
            return self._kept_source(kept)
        address, password = without_password(parse_address(named))
        kind = self._kind_at(address)
        return _source(_written(address, kind), kind, None if password is None else ("?", password.encode()))

    def _kind_at(self, address: Address) -> TrackerKind:
        """Tell what lies at an address. Raises DeskErrors, which say so where its name is that of a kept registry."""
        try:
            return _kind_of(address, None)
        except NotFound as error:
            name = "" if address.path is None else address.path.name
            if self.uri_of(name) is None:
                raise
            hint = f"A registry is kept as {name}. If that was meant, ask from a folder in which nothing is called so."
            raise NotFound(error.message, hint) from error

    def _kept_source(self, kept: KeptTracker) -> RegistrySource:
        address = parse_address(kept.uri)
        login = None if kept.login is None else (kept.login, self._keyring.value(kept.added_by, kept.login))
        return _source(address, kept.kind, login)


def _kind(word: str | None) -> TrackerKind | None:
    if word is None:
        return None
    known = [kind.value for kind in TrackerKind if kind is not TrackerKind.OWN]
    if word not in known:
        raise Invalid(f"{plain(word, 80)!r} is no kind of registry.", f"It is one of {', '.join(known)}.")
    return TrackerKind(word)


def _kind_of(address: Address, chosen: TrackerKind | None) -> TrackerKind:
    """Tell what lies at an address; what a person says counts where it can be. Raises DeskErrors."""
    if address.path is None:
        found = _OF_MLFLOW[address.kind]
    elif chosen is not None and address.kind == "folder":
        return chosen
    else:
        found = recognise(address.path)
    if chosen is not None and chosen is not found:
        raise Invalid(f"{address.shown} is {found.value}, not {chosen.value}.", "Leave --kind out.")
    return found


def _written(address: Address, kind: TrackerKind) -> Address:
    """Return the address as MLflow has it: an SQLite store that was named by its path alone is a URI there."""
    if kind is TrackerKind.SQLITE and address.kind == "folder":
        return Address(f"sqlite:///{quote(str(address.path))}", "sqlite", address.path)
    return address


def _source(address: Address, kind: TrackerKind, login: tuple[str, bytes] | None) -> RegistrySource:
    uri = address.uri
    headers = headers_of(*login) if login is not None and kind is TrackerKind.HTTP else {}
    if login is not None and kind is TrackerKind.DATABASE:
        uri = with_password(uri, login[1].decode("utf-8", "replace").strip("\r\n"))
    return RegistrySource(kind, uri, address.shown, address.path, headers)
