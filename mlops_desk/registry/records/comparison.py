"""What differs between runs, or between versions of models."""

from dataclasses import dataclass
from enum import StrEnum


class ComparedGroup(StrEnum):
    """Where a compared value comes from; in the order in which they are shown."""

    METRICS = "metrics"
    PARAMS = "params"
    TAGS = "tags"
    DATA = "data"
    ENVIRONMENT = "environment"
    SIGNATURE = "signature"
    CODE = "code"


@dataclass(frozen=True, slots=True)
class ComparedValue:
    """One row: ``values`` has one for each of those that are compared (None: it has none); NaN equals NaN.

    A number stays one, so that "0.10" and "0.1" of a parameter are the same only where both read as the same number.
    ``best`` is the place of the best one of a metric whose direction is known, None else.
    """

    group: ComparedGroup
    key: str
    values: tuple[float | str | None, ...]
    differs: bool
    best: int | None = None


@dataclass(frozen=True, slots=True)
class CodeDifference:
    """How the code of two runs differs, as a unified diff (cut); ``problem``: why it can't be told, and what would."""

    a: str
    b: str
    diff: str = ""
    is_cut: bool = False
    problem: str | None = None
