"""Where the aliases of the desk's own registry point, read from its store: a table of a few rows, in a millisecond.

Asking the server would take MLflow's client, which is large; this is looked at every minute while endpoints serve.
"""

import sqlite3
from contextlib import closing
from pathlib import Path

from mlops_desk.kit.base.errors import Unavailable

_BUSY_SECONDS = 0.2  # chosen: a writer holds it for milliseconds, and the next look is a minute away
_DEFAULT_WORKSPACE = "default"  # MLflow's own name of the one that there always is


def stored_aliases(path: Path) -> dict[str, dict[str, str]]:
    """Return where aliases point, by model. Raises Unavailable."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=_BUSY_SECONDS)) as connection:
            columns = {row[1] for row in connection.execute("PRAGMA table_info(registered_model_aliases)")}
            where = " WHERE workspace = ?" if "workspace" in columns else ""
            given = (_DEFAULT_WORKSPACE,) if where else ()
            rows = connection.execute(f"SELECT name, alias, version FROM registered_model_aliases{where}", given)  # noqa: S608 - words of ours
            found: dict[str, dict[str, str]] = {}
            for name, alias, version in rows.fetchall():
                found.setdefault(str(name), {})[str(alias)] = str(version)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        raise Unavailable(f"The aliases of the desk's own registry can't be read: {error}.") from error
    return found
