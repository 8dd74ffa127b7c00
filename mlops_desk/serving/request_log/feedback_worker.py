"""The worker takes feedback from a file (``python -m mlops_desk.serving.request_log.feedback_worker``), asked by stdin.

Request: {"folder": an endpoint's log, "file": path, "given_at": Unix seconds, "rules": {"dropped",
"masked", "hashed", "key"}}; the last may be missing. The answer is a FeedbackTaken.
"""

from pathlib import Path
from typing import Any

import duckdb

from mlops_desk.kit.base import wire
from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.process import serve_one
from mlops_desk.kit.base.text import plain
from mlops_desk.kit.storage.request_log.feedback import import_feedback
from mlops_desk.kit.storage.request_log.redaction import rules_of


def answer(request: dict[str, Any]) -> Any:
    """Answer one request in JSON's own types. Raises Invalid, NotFound."""
    file, given_at = Path(request["file"]), float(request["given_at"])
    shown = plain(str(file), 1000)
    try:
        rules = rules_of(**request.get("rules", {}))
        return wire.to_builtins(import_feedback(Path(request["folder"]), file, given_at, int(given_at * 1000), rules))
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {shown}.", "Check the path.") from error
    except OSError as error:
        raise Invalid(f"{shown} can't be read: {error.strerror}.", "Check its permissions.") from error
    except duckdb.Error as error:
        text = f"{shown} can't be read as a table: {plain(str(error).splitlines()[0], 300)}"
        raise Invalid(text, "Give CSV with a header line, JSON lines, or Parquet.") from error


if __name__ == "__main__":
    serve_one(answer)
