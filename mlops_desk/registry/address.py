"""Tracking URIs as people write them: which kind, whether it can be opened, and how it may be shown.

MLflow creates what it does not find (an SQLite file, a folder), and makes tables in an SQLite file that
holds something else. Reading must never do that, so a local store is looked at here first.
"""

import os
import re
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from mlops_desk.kit.base.disk.files import check_sqlite
from mlops_desk.kit.base.errors import Invalid, NotFound, Refused, Unavailable
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.location import is_stored, shown_location

_DATABASES = ("postgresql", "mysql", "mssql")
_FORMS = "A tracking URI is http://HOST:PORT, sqlite:////ABSOLUTE/PATH.db, or the absolute path of a folder of runs."
_SECRET_PART = re.compile(r"([?&;][^=&;]*(?:pass|pwd|secret|token|connect)[^=&;]*=)[^&]*", re.IGNORECASE)
_STORE_TABLES = {"alembic_version", "experiments", "runs"}


@dataclass(frozen=True, slots=True)
class Address:
    """A tracking URI that was understood. ``kind``: http, sqlite, database or folder; ``path`` for local ones."""

    uri: str
    kind: str
    path: Path | None = None

    @property
    def shown(self) -> str:
        """The URI for messages: without user, password and what of its query may be secret, plain and short."""
        # SQLAlchemy takes a password with a slash in it; a URL ends its host there.
        login = r"//[^?#]*@" if self.kind == "database" else r"//[^/?#]*@"
        return plain(_SECRET_PART.sub(r"\1…", re.sub(login, "//", self.uri)))


def parse_address(uri: str) -> Address:
    """Understand a tracking URI. Raises Invalid."""
    text = uri.strip()
    scheme = _split(text).scheme if "://" in text or text.startswith(("file:", "sqlite:")) else ""
    if scheme in {"http", "https"}:
        if not _split(text).hostname:
            raise Invalid(f"{plain(text)!r} names no host.", _FORMS)
        return Address(text.rstrip("/"), "http")
    if scheme == "sqlite":
        return _sqlite(text)
    if scheme.split("+")[0] in _DATABASES:
        return Address(text, "database")
    if scheme in {"", "file"}:
        return _folder(text)
    raise Invalid(f"{plain(text)!r} is not a kind of tracking URI that is known here.", _FORMS)


def _split(uri: str) -> SplitResult:
    try:
        return urlsplit(uri)
    except ValueError as error:
        raise Invalid(f"{plain(uri)!r} is no address: {error}.", _FORMS) from error


def _sqlite(text: str) -> Address:
    written = text.removeprefix("sqlite:///")
    path = Path(unquote(written.partition("?")[0]))
    if written == text or not path.is_absolute():
        hint = "Write the absolute path after three slashes: sqlite:////home/me/mlflow.db."
        raise Invalid(f"{plain(text)!r} does not name an SQLite file by its absolute path.", hint)
    return Address(text, "sqlite", path)


def _folder(text: str) -> Address:
    named = unquote(_split(text).path) if text.startswith("file:") else text
    path = Path(os.path.expanduser(named))  # noqa: PTH111 - it leaves the ~ of somebody unknown, where pathlib raises
    if not path.is_absolute():
        raise Invalid(f"{plain(text)!r} is neither a URI nor an absolute path.", _FORMS)
    return Address(str(path), "folder", path)


def check_local(address: Address) -> tuple[int, int] | None:
    """Refuse a local store that is missing or is none; return its device and inode. Raises DeskErrors."""
    if address.path is None:
        return None
    try:
        facts = address.path.stat()
    except FileNotFoundError as error:
        hint = "Nothing was created. Check the path, or let MLflow create the store first."
        raise NotFound(f"There is no {_thing(address)} at {plain(str(address.path), 400)}.", hint) from error
    except OSError as error:
        raise Unavailable(f"{plain(str(address.path), 400)} can't be read: {error.strerror}.") from error
    if address.kind == "sqlite":
        _check_tables(address.path)
    elif not _is_run_folder(address.path):
        meant = store_nearby(address.path)
        hint = meant or "A folder of runs has folders with a meta.yaml in each. Nothing was created."
        raise NotFound(f"{plain(str(address.path), 400)} is not a folder of MLflow runs.", hint)
    return facts.st_dev, facts.st_ino


def store_nearby(path: Path) -> str | None:
    """Return a hint where MLflow's store lies in a folder that is none, or beside its files; None where it does not.

    MLflow 3 writes runs to ``mlflow.db`` by default, and their files to ``mlruns`` beside it.
    """
    for store in (path / "mlflow.db", path.parent / "mlflow.db"):
        if store.is_file() and (store.parent == path or path.name in {"mlruns", "mlartifacts"}):
            return f"Did you mean {plain(str(store), 400)}? MLflow keeps runs there, and in mlruns only their files."
    below = path / "mlruns"
    return f"Did you mean the folder in it, {plain(str(below), 400)}?" if _is_run_folder(below) else None


def _thing(address: Address) -> str:
    return "SQLite store" if address.kind == "sqlite" else "folder of runs"


def _check_tables(path: Path) -> None:
    try:
        check_sqlite(path)
        connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5.0)
        try:
            rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        finally:
            connection.close()
    except (sqlite3.DatabaseError, UnicodeDecodeError, OSError) as error:
        text = f"{plain(str(path), 400)} can't be read as an SQLite database: {plain(str(error))}."
        raise Unavailable(text, "Is it the right file, and may this user read it?") from error
    if not {name for (name,) in rows} >= _STORE_TABLES:
        text = f"{plain(str(path), 400)} is an SQLite database, but not a store of MLflow."
        raise Refused(text, "Nothing was written to it. Name the file that mlflow server was started with.")


def _is_run_folder(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return any(Path(entry.path, "meta.yaml").is_file() for entry in entries)
    except OSError:
        return False


def host_of(uri: str) -> str:
    """Return ``host:port`` of an HTTP URI, with the scheme's port where none is written."""
    parts = _split(uri)
    default = {"http": 80, "https": 443}.get(parts.scheme)
    try:
        port = parts.port or default
    except ValueError:
        port = default
    return f"{(parts.hostname or '').lower()}:{port}"


def check_artifact_location(location: str, tracking: Address, *, own: bool = False) -> None:
    """Refuse files that the registry claims to lie where it has no business to send us. Raises Refused.

    A server may name any address as the place of a run's files. On this machine's disk it could name
    somebody's keys, and another host would be handed the registry's password. The desk's ``own`` server has
    one store, and a row of its database that names another place was put there by somebody.
    """
    if own and not is_stored(location):
        where = shown_location(location)
        text = f"The files are said to lie at {where}, which is not in the desk's own store; none was fetched."
        raise Refused(text, "Log them to a run of the desk's own server, and register the version from there.")
    if tracking.kind != "http":
        return
    scheme = _split(location).scheme
    if scheme in {"", "file"}:
        where = shown_location(location) or "no place"
        text = f"The server says the files lie on its own disk, at {where}; that can't be fetched."
        raise Refused(text, "Start that server with --serve-artifacts so that files go through it.")
    if scheme in {"http", "https", "mlflow-artifacts"}:
        named = _split(location).netloc
        with_scheme = location if scheme != "mlflow-artifacts" else location.replace(scheme, _scheme(tracking), 1)
        if named and host_of(with_scheme) != host_of(tracking.uri):
            host = plain(named.rpartition("@")[2])
            raise Refused(f"The server sends us to another host for the files, {host}; nothing was fetched.")


def _scheme(tracking: Address) -> str:
    return _split(tracking.uri).scheme
