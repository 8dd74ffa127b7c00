"""Where the data of a monitor come from, and what they are held against."""

import json
import re
from dataclasses import dataclass
from enum import StrEnum

_IN_RUN = re.compile(r"runs:/+(?P<run>[^/]+)/(?P<path>.+)|mlflow-artifacts:.*/(?P<id>[^/]+)/artifacts/(?P<file>.+)")


class SourceKind(StrEnum):
    """``LOG`` is the request log of an endpoint, ``MLFLOW`` a data set or an evaluation table of a run."""

    LOG = "log"
    FILE = "file"
    SQL = "sql"
    MLFLOW = "mlflow"


@dataclass(frozen=True, slots=True)
class Source:
    """One place of rows. ``place``: the endpoint's name, a path, a database's address without its password, a run.

    ``query`` is that of a database, or the name of a run's data set; ``time_column`` says where rows have their moment.
    ``watermark`` is the column of a database's rows that only grows, ``login`` the secret with its password.
    """

    kind: SourceKind
    place: str
    query: str | None = None
    time_column: str | None = None
    watermark: str | None = None
    login: str | None = None


class ReferenceKind(StrEnum):
    """``TRAINING`` and ``VALIDATION`` are data sets logged with the version; ``PINNED`` is a span of the source itself.

    ``PREVIOUS`` is the window before: it tells how fast the data move, not how far they have. ``LIVE`` are the first
    rows that came, pinned when enough are there.
    """

    TRAINING = "training"
    VALIDATION = "validation"
    PINNED = "pinned"
    PREVIOUS = "previous"
    FILE = "file"
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Reference:
    """What windows are held against. ``path`` is that of a file, ``start`` and ``end`` (Unix time) those of a span."""

    kind: ReferenceKind = ReferenceKind.TRAINING
    path: str | None = None
    start: float | None = None
    end: float | None = None


def place_in_run(source: str) -> tuple[str, str] | None:
    """Return the run and the path of a data set that lies among a run's files, by what MLflow keeps of its source.

    None where it lies elsewhere: what a run says of its data is text from outside, and opens nothing.
    """
    found = _IN_RUN.fullmatch(address_in(source) or "")
    return None if found is None else (found["run"] or found["id"], found["path"] or found["file"])


def address_in(source: str) -> str | None:
    """Return the path or URI in a data set's source, which MLflow keeps as it is or as JSON; None without any."""
    try:
        document = json.loads(source)
    except (ValueError, RecursionError):
        return source
    if not isinstance(document, dict):
        return source
    return next((str(document[key]) for key in ("uri", "url", "path") if isinstance(document.get(key), str)), None)
