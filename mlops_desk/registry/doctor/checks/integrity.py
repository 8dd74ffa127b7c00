"""Whether an SQLite store is sound: its structure, walked through without keeping any writer waiting."""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from mlops_desk.base.text import duration_text, plain
from mlops_desk.records.registry.doctor import StoreFinding
from mlops_desk.registry.doctor.checks.findings import fine, trouble, unknown
from mlops_desk.registry.doctor.quiet import unlocked

CHECK = "integrity"
_TITLE = "Soundness"
_SECONDS = 25.0  # chosen: a few gigabytes from a disk; who waits for the report waits so long
_STEPS = 10_000  # chosen: of SQLite's machine between two looks at the clock, a few milliseconds
_FAULTS = 5  # chosen: the first faults tell where to look
_AGAIN = "Look again when nothing is logged to it."


def look(path: Path, mode: str, seconds: float = _SECONDS) -> StoreFinding:
    """Check a store's structure: in WAL mode as any reader, for whom no writer waits, else without a lock."""
    deadline = time.monotonic() + seconds

    def check(connection: sqlite3.Connection) -> list[str]:
        connection.set_progress_handler(lambda: time.monotonic() > deadline, _STEPS)
        return [str(text) for (text,) in connection.execute(f"PRAGMA quick_check({_FAULTS})").fetchall()]

    ask = _read if mode == "wal" else unlocked
    try:
        told = ask(path, check)
        if told is not None and told != ["ok"]:
            told = ask(path, check)  # a fault is believed when it is found twice
    except sqlite3.OperationalError as error:
        if time.monotonic() > deadline:
            text = f"It is too large to be checked within {duration_text(seconds)}: sqlite3 {path} 'PRAGMA quick_check'"
            return unknown(CHECK, _TITLE, f"{text} does it, and keeps writers waiting meanwhile.")
        told = [str(error)]
    except sqlite3.Error as error:
        told = [str(error)]
    if told is None:
        return unknown(CHECK, _TITLE, f"It was written to each time that it was looked at. {_AGAIN}")
    if told == ["ok"]:
        return fine(CHECK, _TITLE, "Its structure is whole.")
    faults = "; ".join(plain(line.removeprefix("*** in database main *** ").strip(), 120) for line in told)
    text = f"The file is damaged: {faults}. Stop what logs to it, keep a copy, and bring back the last good backup;"
    return trouble(CHECK, _TITLE, f"{text} sqlite3's .recover reads what can be read.")


def _read(path: Path, ask: Callable[[sqlite3.Connection], list[str]]) -> list[str] | None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as connection:
        return ask(connection)
