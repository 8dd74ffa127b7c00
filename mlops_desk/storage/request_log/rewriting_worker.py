"""The worker that applies rules to a log (``python -m mlops_desk.storage.request_log.rewriting_worker``).

Request: {"folder": an endpoint's log, "dropped", "masked", "hashed": columns, "key": hex, "token": of what was shown;
None: it is only looked}. The answer tells what there is, or what was done: {"token", "files", "rows", "size_bytes",
"values": by column, "left": why files could not be written}.
"""

from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.base.errors import Hint, Refused, Unavailable
from mlops_desk.base.process import serve_one
from mlops_desk.base.text import plain
from mlops_desk.storage.request_log.lock import only_one
from mlops_desk.storage.request_log.redaction import RedactionRules, rules_of
from mlops_desk.storage.request_log.rewriting import ForbiddenFile, forbidden, rewrite, token_of

MODULE = "mlops_desk.storage.request_log.rewriting_worker"


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Refused, Unavailable."""
    rules = rules_of(request["dropped"], request["masked"], request["hashed"], request["key"])
    folder, token = Path(request["folder"]), request["token"]
    try:
        if not folder.is_dir():
            return _told([], rules)
        if token is None:
            return _told(forbidden(folder, rules), rules)
        with only_one(folder, waits=True):
            return _rewritten(folder, rules, token)
    except OSError as error:
        raise Unavailable(f"The log can't be read: {error.strerror}.") from error
    except duckdb.Error as error:
        raise Unavailable(f"The log can't be read: {plain(str(error).splitlines()[0], 300)}") from error


def _rewritten(folder: Path, rules: RedactionRules, token: str) -> dict[str, Any]:
    files = forbidden(folder, rules)
    if token_of(files, rules) != token:
        hint = Hint("mlops-desk data rewriting ENDPOINT", after=" shows what would be rewritten now.")
        raise Refused("Nothing was rewritten: the log, or its rules, are not what was shown.", hint)
    done, left = [], []
    for one in files:
        try:
            rewrite(one.path, rules)
            done.append(one)
        except (OSError, duckdb.Error) as error:
            left.append(f"{one.path.name}: {plain(str(error).splitlines()[0], 200)}")
    return {**_told(done, rules), "left": left}


def _told(files: list[ForbiddenFile], rules: RedactionRules) -> dict[str, Any]:
    values: dict[str, int] = {}
    for one in files:
        for column, number in one.values.items():
            values[column] = values.get(column, 0) + number
    return {
        "token": token_of(files, rules),
        "files": len(files),
        "rows": sum(one.rows for one in files),
        "size_bytes": sum(one.size_bytes for one in files),
        "values": values,
        "left": [],
    }


if __name__ == "__main__":
    serve_one(answer)
