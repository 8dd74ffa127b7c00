"""What people say was right of the requests that the demonstration makes up: kept in memory, as long as it runs."""

import json
import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_desk.kit.base.errors import Invalid, NotFound
from mlops_desk.kit.base.text import plain
from mlops_desk.serving.records.request import FeedbackTaken, LoggedRequest

_MOST_BYTES = 64 << 20  # chosen: a million labels, in memory


class PlayedLabels:
    """Labels by endpoint, request and row; the last word counts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[tuple[str, str, int], dict[str, Any]] = {}

    def take(self, endpoint: str, file: Path) -> FeedbackTaken:
        """Take a file of JSON lines, all or none. Raises Invalid, NotFound."""
        try:
            if file.stat().st_size > _MOST_BYTES:
                raise Invalid(f"The file {plain(str(file))} is too large for the demonstration.", "64 MiB can be read.")
            rows = [_row(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
        except FileNotFoundError as error:
            raise NotFound(f"There is no file {plain(str(file))}.") from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            text = f"The file {plain(str(file))} can't be read as labels: {plain(str(error), 200)}"
            raise Invalid(text, "The demonstration reads JSON lines, each with a request_id and a column.") from error
        with self._lock:
            for request_id, row, values in rows:
                self._said.setdefault((endpoint, request_id, row), {}).update(values)
        known = len({request_id for request_id, _, _ in rows})
        return FeedbackTaken(len(rows), known, 0)

    def labelled(self, endpoint: str, requests: Iterable[LoggedRequest]) -> Iterator[LoggedRequest]:
        """Yield requests, each with what was said of it."""
        with self._lock:
            said = {key[1:]: dict(values) for key, values in self._said.items() if key[0] == endpoint}
        for one in requests:
            found = said.get((one.request_id, one.row))
            yield one if found is None else replace(one, feedback={**one.feedback, **found})


def _row(line: str) -> tuple[str, int, dict[str, Any]]:
    told = json.loads(line)
    request_id, row = str(told.pop("request_id")), int(told.pop("row", 0))
    if not told:
        raise ValueError("a label is a column and what would have been right")
    return request_id, row, told
