"""Data files as tables: DuckDB in memory, which stays small and loads nothing, and texts quoted for its SQL.

DuckDB binds neither names nor paths, so whoever asks it about a file quotes them here.
"""

import re
from pathlib import Path
from typing import Any

_MEMORY_MB = 512  # chosen: a row group of some million values fits; what does not is spilled


def connect(spill: Path | None, *, threads: int = 1, memory_mb: int = _MEMORY_MB) -> Any:
    """Open a database in memory that writes what it can't hold into the folder ``spill``, and nothing where None."""
    import duckdb  # noqa: PLC0415 - 12 MB that an agent without endpoints does not need

    settings: dict[str, str | bool | int | float | list[str]] = {
        "threads": threads,
        "memory_limit": f"{memory_mb}MB",
        "temp_directory": "" if spill is None else str(spill),
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
    }
    return duckdb.connect(":memory:", config=settings)


def quoted(text: str) -> str:
    """Quote a text for SQL."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def identifier(name: str) -> str:
    """Quote a column's name for SQL."""
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def pattern(path: Path) -> str:
    """Quote a path for DuckDB's readers, which take it for a pattern.

    One with a backslash, which they take for the end of a folder's name in patterns alone, is handed over as it is.
    """
    if "\\" in str(path):
        return quoted(str(path))
    return quoted(re.sub(r"[*?\[]", r"[\g<0>]", str(path)))


def json_pointer(name: str) -> str:
    """Return the pointer of a key of a JSON object (RFC 6901)."""
    escaped = name.replace("~", "~0").replace("/", "~1")
    return f"/{escaped}"
