"""A page of runs as MLflow is asked for it, and the cursor that goes on after it. Pure: no MLflow import.

A page token is MLflow's own (an offset in its databases, anything on other servers). It is good for the question that
it was given for and no other, so a cursor carries a mark of that question.
"""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import NamedTuple

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.records.model import RUN_STATUSES, Run

_LONGEST = 4096  # chosen: a token of a server of others may be long; it is never looked into


class RunsAsked(NamedTuple):
    """Which runs, in which order: the words of ``runs page``, with MLflow's page token. ``since_ms``: Unix time."""

    experiment: str
    status: str | None
    since_ms: int | None
    sort: str | None
    limit: int
    token: str | None


@dataclass(frozen=True, slots=True)
class RunsPage:
    """``token`` goes on; None: that was all."""

    runs: tuple[Run, ...]
    token: str | None


def checked_status(status: str | None) -> str | None:
    """Return a status as MLflow writes it. Raises Invalid."""
    if status is None or status.upper() in RUN_STATUSES:
        return None if status is None else status.upper()
    raise Invalid(f"No run is {plain(status)!r}.", f"There are {', '.join(RUN_STATUSES)}.")


def filter_of(asked: RunsAsked) -> str:
    """Return the runs that are asked for in MLflow's words."""
    parts = []
    if asked.status is not None:
        parts.append(f"attributes.status = '{asked.status}'")
    if asked.since_ms is not None:
        parts.append(f"attributes.start_time >= {asked.since_ms}")
    return " and ".join(parts)


def cursor_after(asked: RunsAsked, token: str | None) -> str | None:
    """Return the cursor of the page after the one that ended with ``token``."""
    if token is None:
        return None
    text = json.dumps([_mark(asked), token])
    return base64.urlsafe_b64encode(text.encode()).decode("ascii").rstrip("=")


def token_of(asked: RunsAsked, cursor: str | None) -> str | None:
    """Return MLflow's token of a cursor. Raises Invalid for one of another question, or that no list gave."""
    if cursor is None:
        return None
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        told = json.loads(base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        told = None
    match told:
        case [str(mark), str(token)] if len(cursor) <= _LONGEST and token:
            if mark == _mark(asked):
                return token
            raise Invalid(
                "This cursor belongs to another list.", "Ask with the words of the first page, but for the limit."
            )
    raise Invalid("This cursor is not one that a list gave.", "Begin with the first page: leave it out.")


def _mark(asked: RunsAsked) -> str:
    # Not the time: "since an hour ago" is another one with each page, and takes away at the list's end.
    question = json.dumps([asked.experiment, asked.status, asked.sort])
    return hashlib.sha256(question.encode()).hexdigest()[:12]
