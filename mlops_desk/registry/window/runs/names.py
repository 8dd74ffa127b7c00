"""How the agent calls a column of runs, and what it is called on the screen. No Qt here.

``metrics.auc:max`` is "auc (max)"; a name with a comma, a colon or a quote of its own stands in backticks. Metrics of
one name and a parameter of the same can stand side by side: then a word says which is which.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

METRICS, PARAMS, TAGS, ATTRIBUTES = "metrics", "params", "tags", "attributes"
LAST, LEAST, LARGEST, FIRST, STEP = "last", "min", "max", "first", "step"
WHICH = {LAST: "last", LEAST: "least", LARGEST: "largest", FIRST: "first", STEP: "at a step"}
"""Which value of a metric a column has, and in words."""
TITLES = {
    "run_name": "Run",
    "run_id": "ID",
    "status": "State",
    "start_time": "Started",
    "end_time": "Ended",
    "duration": "Ran",
    "user_id": "By",
    "experiment_id": "Experiment",
    "artifact_uri": "Files",
}
_KINDS = {METRICS: "metric", PARAMS: "parameter", TAGS: "tag", ATTRIBUTES: ""}
_IN_BACKTICKS = re.compile(r"`((?:[^`]|``)*)`", re.DOTALL)
_QUOTED = re.compile("[,:`\"']")


@dataclass(frozen=True, slots=True)
class ColumnName:
    """A column: ``kind`` (METRICS, …), the name, and of a metric which value, of STEP at which step."""

    kind: str
    key: str
    which: str = LAST
    step: int | None = None

    def __str__(self) -> str:
        """Return it as the agent reads it."""
        if self.kind == ATTRIBUTES:
            return self.key
        name = f"{self.kind}.{quoted(self.key)}"
        if self.kind != METRICS or self.which == LAST:
            return name
        return f"{name}:{STEP}={self.step}" if self.which == STEP else f"{name}:{self.which}"

    @property
    def title(self) -> str:
        if self.kind == ATTRIBUTES:
            return TITLES.get(self.key, self.key)
        if self.which == LAST:
            return self.key
        return f"{self.key} ({f'step {self.step}' if self.which == STEP else self.which})"

    @property
    def about(self) -> str:
        """What it is, for its tool tip."""
        kind = _KINDS[self.kind]
        which = "" if self.kind != METRICS else f", {WHICH[self.which]} value"
        return f"{self.title}: {kind}{which}" if kind else self.title

    @property
    def is_number(self) -> bool:
        """Whether it is known to be one."""
        return self.kind == METRICS or self.key == "duration"


def quoted(name: str) -> str:
    """Return a name as the agent takes it for one, whatever stands in it."""
    odd = not name or name != name.strip() or _QUOTED.search(name) is not None
    return f"`{name.replace('`', '``')}`" if odd else name


def read(text: str) -> ColumnName:
    """Return the column that ``str`` of a ``ColumnName`` has made."""
    kind, dot, rest = text.partition(".")
    if not dot or kind not in {METRICS, PARAMS, TAGS}:
        return ColumnName(ATTRIBUTES, text)
    inside = _IN_BACKTICKS.match(rest)
    if inside is not None:
        key, behind = inside[1].replace("``", "`"), rest[inside.end() :]
    else:
        key, colon, behind = rest.partition(":")
        behind = colon + behind
    which, _, step = behind.removeprefix(":").partition("=")
    if kind != METRICS or which not in WHICH:
        return ColumnName(kind, key)
    return ColumnName(kind, key, which, int(step) if step else None)


def titles(columns: Iterable[ColumnName]) -> list[str]:
    """Return what columns are called beside one another: where two have one title, each says what it is."""
    every = list(columns)
    plain = [column.title for column in every]
    return [
        title if plain.count(title) == 1 or not _KINDS[column.kind] else f"{title} · {_KINDS[column.kind]}"
        for title, column in zip(plain, every, strict=True)
    ]
