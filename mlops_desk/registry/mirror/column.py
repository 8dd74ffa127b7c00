"""Columns of runs by the names that people use: ``run_name``, ``duration``, ``metrics.auc``, ``metrics.auc:max``.

What stands behind a metric's colon is which of its values is meant; without it the last. A name with a colon, a comma
or a quote of its own stands in backticks: ``metrics.`a:min```. A backtick of its own is written twice in them.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from mlops_desk.kit.base.errors import Invalid
from mlops_desk.kit.base.text import plain
from mlops_desk.registry.mlflow.order import SortKey

ATTRIBUTES = (
    "run_name", "run_id", "status", "start_time", "end_time", "duration", "user_id", "experiment_id", "artifact_uri",
)  # fmt: skip
_KINDS = {
    "metric": "metrics", "metrics": "metrics", "param": "params", "params": "params", "parameter": "params",
    "parameters": "params", "tag": "tags", "tags": "tags", "attr": "attributes", "attribute": "attributes",
    "attributes": "attributes", "run": "attributes",
}  # fmt: skip
_ALIASES = {"created": "start_time", "Created": "start_time"}
_PARTS = re.compile(r"(`(?:[^`]|``)*`|,)")
_WHICH = re.compile(r"(.+):(last|min|max|first|step=(-?\d{1,18}))", re.DOTALL)
_HINT = f"Write metrics.NAME, params.NAME, tags.NAME or one of {', '.join(ATTRIBUTES)}."


class Which(StrEnum):
    """Which of the values that a metric went through."""

    LAST = "last"
    LEAST = "min"
    LARGEST = "max"
    FIRST = "first"
    STEP = "step"


@dataclass(frozen=True, slots=True)
class ColumnKey:
    """``kind``: metrics, params, tags or attributes. ``step`` is of ``Which.STEP`` alone."""

    kind: str
    key: str
    which: Which = Which.LAST
    step: int | None = None

    @property
    def spoken(self) -> str:
        """What it is called without its kind: ``auc``, ``auc:max``, ``auc:step=10``."""
        if self.which is Which.LAST:
            return self.key
        return f"{self.key}:{self.which.value}" + ("" if self.step is None else f"={self.step}")


@dataclass(frozen=True, slots=True)
class Sorting:
    """What to sort by, and which way."""

    column: ColumnKey
    is_descending: bool = False


def read_column(text: str) -> ColumnKey:
    """Read a column's name. Raises Invalid."""
    kind, dot, key = text.strip().partition(".")
    if not dot:
        kind, key = "attributes", text.strip()
    known = _KINDS.get(kind)
    if known is None:
        raise Invalid(f"{plain(text)!r} names no column of runs.", _HINT)
    if known == "attributes":
        key = _ALIASES.get(_unquoted(key), _unquoted(key))
        if key not in ATTRIBUTES:
            raise Invalid(f"A run has no attribute {plain(key)!r}.", f"{_HINT} A metric is metrics.{plain(key)}.")
        return ColumnKey(known, key)
    which, step = Which.LAST, None
    found = _WHICH.fullmatch(key) if known == "metrics" else None
    if found is not None:
        key, step = found[1], None if found[3] is None else int(found[3])
        which = Which.STEP if step is not None else Which(found[2])
    key = _unquoted(key)
    if not key:
        raise Invalid(f"{plain(text)!r} names no column of runs.", _HINT)
    return ColumnKey(known, key, which, step)


def read_sorting(text: str) -> Sorting:
    """Read a sort key: a column's name, and ``:asc`` or ``:desc``. Raises Invalid."""
    body, colon, word = text.strip().rpartition(":")
    if colon and word.strip().lower() in {"asc", "desc"}:
        return Sorting(read_column(body), word.strip().lower() == "desc")
    column = read_column(text)
    if colon and ":" in column.key and not text.rstrip().endswith("`"):
        hint = f"It is asc or desc. Is the colon part of a name, write {plain(text.strip())}:asc."
        raise Invalid(f"{plain(word)!r} is no direction to sort in.", hint)
    return Sorting(column)


def sort_word(key: SortKey) -> str:
    """Return a sort key of MLflow's kinds as ``read_sorting`` reads it."""
    return f"{key.kind}.`{key.name}`:{'desc' if key.descending else 'asc'}"


def split_names(text: str) -> list[str]:
    """Split names at their commas, but for those in backticks."""
    names = [""]
    for part in _PARTS.split(text):
        if part == ",":
            names.append("")
        else:
            names[-1] += part
    return [name.strip() for name in names if name.strip()]


def split_experiments(text: str) -> list[str]:
    """Split the names of experiments at their commas; whatever stands in one, in backticks it is read as it is."""
    return [_bare(name) if name[0] == name[-1] == "`" and len(name) > 1 else name for name in split_names(text)]


def _unquoted(name: str) -> str:
    if len(name) >= 2 and name[0] == name[-1] and name[0] in "`\"'":
        return _bare(name) if name[0] == "`" else name[1:-1]
    return name


def _bare(name: str) -> str:
    return name[1:-1].replace("``", "`")
