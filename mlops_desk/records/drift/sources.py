"""Where the data of a monitor come from, and what they are held against."""

from dataclasses import dataclass
from enum import StrEnum


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
    """

    kind: SourceKind
    place: str
    query: str | None = None
    time_column: str | None = None


class ReferenceKind(StrEnum):
    """``TRAINING`` and ``VALIDATION`` are data sets logged with the version; ``PINNED`` is a span of the source itself.

    ``PREVIOUS`` is the window before: it tells how fast the data move, not how far they have.
    """

    TRAINING = "training"
    VALIDATION = "validation"
    PINNED = "pinned"
    PREVIOUS = "previous"
    FILE = "file"


@dataclass(frozen=True, slots=True)
class Reference:
    """What windows are held against. ``path`` is that of a file, ``start`` and ``end`` (Unix time) those of a span."""

    kind: ReferenceKind = ReferenceKind.TRAINING
    path: str | None = None
    start: float | None = None
    end: float | None = None
