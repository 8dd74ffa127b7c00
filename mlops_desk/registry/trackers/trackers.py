"""The list of registries: each has a name, which every ``--uri`` takes, and none is dropped because it does not answer.

Their URIs are stored without passwords. What logs in is a secret of the person who added the registry, read when it is
asked and never before.
"""

import base64
import contextlib
import os
import re
import sqlite3
import time
from builtins import list as list_of
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from mlops_desk.kit.base.caller import current_caller
from mlops_desk.kit.base.disk.files import check_sqlite, open_plain
from mlops_desk.kit.base.errors import DeskError, Hint, Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.records.setting import SecretName
from mlops_desk.registry.address import Address, parse_address, store_nearby
from mlops_desk.registry.default_registry import BACK, OWN, SETTING, Default
from mlops_desk.registry.identity import identity_of
from mlops_desk.registry.readers.source import RegistrySource
from mlops_desk.registry.records.tracker import KeptTracker, Tracker, TrackerKind
from mlops_desk.registry.trackers.probes import Looks

# Which tracker has written a folder or a file: told by what lies there, without reading more than names and a header.
# MLflow's own SQLite file and Trackio's differ in their tables alone. Folders are walked three levels deep:
# TensorBoard keeps one folder for each run, W&B puts its runs below ``wandb``.
_SQLITE = b"SQLite format 3\x00"
_MOST_ENTRIES = 2000  # chosen: a folder of runs shows what it is in its first ones
_DEPTH = 3
"""logs/EXPERIMENT/RUN/events…: as deep as TensorBoard's own logger nests."""
_HINT = "It may be an SQLite file, a folder mlruns, or one of TensorBoard's, Trackio's or W&B's offline runs."


def recognise(path: Path) -> TrackerKind:
    """Tell what lies at a path. Raises NotFound where there is nothing, or nothing that is known, and Unavailable."""
    try:
        found = _file(path) if path.is_file() else _folder(path)
        if found is None and not path.exists():
            raise NotFound(f"There is nothing at {plain(str(path), 400)}.", "Nothing was created. Check the path.")
    except OSError as error:
        raise Unavailable(f"{plain(str(path), 400)} can't be read: {error.strerror}.") from error
    if found is None:
        raise NotFound(f"{plain(str(path), 400)} holds no runs that are known here.", store_nearby(path) or _HINT)
    return found


def _file(path: Path) -> TrackerKind | None:
    if path.name.startswith("events.out.tfevents."):
        return TrackerKind.TENSORBOARD
    if path.suffix == ".wandb":
        return TrackerKind.WANDB
    with open_plain(path, links=True) as file:
        if file.read(len(_SQLITE)) != _SQLITE:
            return None
    return _database_folders(path)


def _database_folders(path: Path) -> TrackerKind | None:
    check_sqlite(path)
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2.0)
        try:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        finally:
            connection.close()
    except sqlite3.Error as error:
        raise Unavailable(f"{plain(str(path), 400)} can't be read as a database: {plain(str(error))}.") from error
    tables = {name for (name,) in rows}
    if tables >= {"experiments", "runs", "alembic_version"}:
        return TrackerKind.SQLITE
    return TrackerKind.TRACKIO if {"metrics"} <= tables and "alembic_version" not in tables else None


def _folder(path: Path) -> TrackerKind | None:
    """MLflow's first, whose folders may hold event files as artifacts."""
    if not path.is_dir():
        return None
    if any((one / "meta.yaml").is_file() for one in _entries(path)):
        return TrackerKind.FOLDER
    names = list(_walk(path, _DEPTH))
    if any(one.name.startswith("events.out.tfevents.") for one in names):
        return TrackerKind.TENSORBOARD
    if any(one.suffix == ".wandb" for one in names):
        return TrackerKind.WANDB
    databases = [one for one in names if one.suffix == ".db" and one.parent == path and one.is_file()]
    return next((kind for one in databases if (kind := _file(one)) is TrackerKind.TRACKIO), None)


def _walk(path: Path, depth: int) -> Iterator[Path]:
    for one in _entries(path):
        yield one
        if depth > 1 and one.is_dir() and not one.is_symlink():
            yield from _walk(one, depth - 1)


def _entries(path: Path) -> list[Path]:
    with os.scandir(path) as entries:
        return sorted(Path(entry.path) for _, entry in zip(range(_MOST_ENTRIES), entries, strict=False))


# Passwords of tracking URIs: taken out before a URI is stored or shown, put back only for who connects.
# A secret of an HTTP server is USER:PASSWORD, or a token, which has no colon in it (RFC 6750, b64token). One of a
# database is the password of the user whom the URI names.
_IN_QUERY = ("password", "passwd")
"""What drivers of databases take a password by, besides its own place (libpq; PyMySQL and mysqlclient)."""
_SECRET_LIKE = re.compile(r"pwd|pass|secret|token|odbc_connect", re.IGNORECASE)
_SECRET_HINT = Hint(
    "mlops-desk secrets set NAME", before="Leave it out, keep it as a secret and name that by --login: "
)
_DATABASE_HINT = "Write postgresql://USER@HOST:PORT/DATABASE; an @ in a password is written as %40."


def without_password(address: Address) -> tuple[Address, str | None]:
    """Return the address as it may be stored and shown, and what of it is secret. Raises Invalid."""
    if address.kind == "http":
        return _http(address)
    if address.kind == "database":
        return _database(address)
    return address, None


def _http(address: Address) -> tuple[Address, str | None]:
    parts = urlsplit(address.uri)
    if _SECRET_LIKE.search(parts.query):
        raise Invalid("This address seems to have a secret in its query.", _SECRET_HINT)
    userinfo, _, host = parts.netloc.rpartition("@")
    bare = replace(address, uri=urlunsplit(parts._replace(netloc=host, fragment="")).rstrip("/"))
    if not userinfo:
        return bare, None
    user, _, password = userinfo.partition(":")
    return bare, f"{unquote(user)}:{unquote(password)}"


def _database(address: Address) -> tuple[Address, str | None]:
    url = _url(address.uri)
    found = [url.password, *(url.query.get(key) for key in _IN_QUERY)]
    bare = url.difference_update_query(_IN_QUERY)._replace(password=None)
    if odd := next((key for key in bare.query if _SECRET_LIKE.search(key)), None):
        raise Invalid(f"The part {plain(odd)} of this database's address seems to hold a secret.", _SECRET_HINT)
    shown = bare.render_as_string(hide_password=False)  # there is none in it
    return replace(address, uri=shown), next((str(one) for one in found if one), None)


def _url(uri: str) -> URL:
    try:
        url = make_url(uri)
    except (ArgumentError, ValueError) as error:
        raise Invalid("This address of a database can't be understood.", _DATABASE_HINT) from error
    if "@" in (url.host or ""):
        raise Invalid("This address of a database has more than one @ in it.", _DATABASE_HINT)
    return url


def with_password(uri: str, password: str) -> str:
    """Return a database's URI with its password, for who connects. Raises Invalid."""
    return _url(uri)._replace(password=password).render_as_string(hide_password=False)


def headers_of(name: str, secret: bytes) -> Mapping[str, str]:
    """Return what an HTTP server is shown of the secret called ``name``. Raises Refused."""
    text = secret.decode("utf-8", "replace").strip("\r\n")
    if not text or not text.isprintable():
        hint = Hint(f"mlops-desk secrets set {name}", after=" reads it from standard input.")
        raise Refused(f"The secret {plain(name)} is no login: it is one line, USER:PASSWORD or a token.", hint)
    if ":" in text:
        return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode("ascii")}
    if not text.isascii():
        raise Refused(f"The secret {plain(name)} is no token: those have letters of ASCII alone.")
    return {"Authorization": f"Bearer {text}"}


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
