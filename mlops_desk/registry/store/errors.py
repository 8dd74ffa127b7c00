"""What a database says when it can't be read, as DeskErrors. A password never stands in one."""

import re
import sqlite3

from mlops_desk.kit.base.errors import DeskError, Hint, NotFound, Refused, TimedOut, Unavailable
from mlops_desk.kit.base.text import plain

_LONGEST = 400  # chosen: a line or two of what a driver says


class UnknownSchema(Unavailable):
    """A store whose tables are not known here: whoever opens it asks another way (its server, MLflow's client)."""


class TooLong(Exception):  # noqa: N818 - what a read was, caught by who asks for less
    """A read was given up, so that no writer waits for it."""


def said(error: object) -> str:
    """Return what a driver says, on one line, without the user and password of any address in it."""
    text = re.sub(r"//[^/@\s]*@", "//", " ".join(str(error).split()))
    return plain(re.sub(r"(?i)(password)\s*=\s*\S+", r"\1=…", text), _LONGEST)


def missing(shown: str) -> NotFound:
    return NotFound(f"There is no SQLite store at {shown}.", "Nothing was created. Check the path.")


def no_store(shown: str) -> Refused:
    text = f"{shown} is a database, but not a store of MLflow."
    return Refused(text, "Nothing was written to it. Name the one that mlflow server was started with.")


def half_migrated(shown: str, what: str) -> Unavailable:
    text = f"The store at {shown} is half migrated: {what}."
    return Unavailable(text, Hint("mlflow db upgrade", before="Is a migration under way, wait for it; else run ",
                                  after=" on a backup of it."))  # fmt: skip


def unknown(shown: str, revision: str) -> UnknownSchema:
    text = (
        f"The store at {shown} has the schema {plain(revision)}, which is not known here: its MLflow is newer, or old."
    )
    return UnknownSchema(text, "Read it through its mlflow server. Nothing of it is upgraded.")


def unknown_database(shown: str) -> UnknownSchema:
    return UnknownSchema(
        f"{shown} is a database of a kind that is not read directly.", "It is read through MLflow's client."
    )


def of_sqlite(error: sqlite3.Error, shown: str) -> DeskError:
    """Say what SQLite said of a store."""
    code = getattr(error, "sqlite_errorcode", None) or 0
    primary = code & 0xFF  # the extended codes have the primary one in their lowest byte
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return TimedOut(
            f"The store at {shown} is locked by another program.", "Is it being migrated or copied? Try again."
        )
    if code in {sqlite3.SQLITE_READONLY_ROLLBACK, sqlite3.SQLITE_READONLY_CANTINIT}:
        text = f"A program died while it wrote to the store at {shown}; who only reads it can't undo that."
        return Unavailable(text, "Any program that writes to it mends it, mlflow server for one.")
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return Unavailable(
            f"The store at {shown} is damaged: {said(error)}.", "Restore a backup, or dump it with sqlite3's .recover."
        )
    if primary in {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_AUTH}:
        text = f"The store at {shown} can't be opened: {said(error)}."
        return Unavailable(text, "Is it a file that this user may read, in a folder that this user may open?")
    if primary == sqlite3.SQLITE_IOERR:
        return Unavailable(
            f"The disk under the store at {shown} gave an error: {said(error)}.", "Look at the kernel's log."
        )
    return Unavailable(f"The store at {shown} can't be read: {said(error)}.")
