"""A run of another tracker, as far as its files have been read: it grows while they are read on."""

import hashlib
import json
import math
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from mlops_desk.kit.base.text import plain

_MOST_POINTS = 20_000_000
"""Chosen: half a gigabyte, more than a registry may take; a source that has more shows its first ones and says so."""
_LIMIT = 1 << 63
"""Steps and times are kept in 64 bits, as MLflow has them."""
_LONGEST_VALUE = 6000  # characters: what MLflow takes of a parameter
UNKNOWN = "UNKNOWN"
"""The state of a run whose tracker does not say how it ended."""


@dataclass(slots=True)
class MetricPoints:
    """The points of a metric in the order in which they were written; times are Unix milliseconds."""

    steps: "array[int]" = field(default_factory=lambda: array("q"))
    times: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, step: int, time_ms: int, value: float) -> None:
        self.steps.append(step)
        self.times.append(time_ms)
        self.values.append(value)


@dataclass(slots=True)
class ForeignRun:
    """``skipped`` counts what is no number, by name: pictures, histograms, texts. Times are Unix milliseconds.

    ``folder`` has its files; None where its name leads to none.
    """

    run_id: str
    name: str
    experiment: str
    folder: str | None
    status: str = UNKNOWN
    user: str | None = None
    start_ms: int | None = None
    end_ms: int | None = None
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, MetricPoints] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)
    n_points: int = 0
    problem: str | None = None

    def __post_init__(self) -> None:
        self.name, self.experiment = clean(self.name), clean(self.experiment)
        self.folder = None if self.folder is None else clean(self.folder)

    def point(self, name: str, step: int, time_ms: int, value: float) -> None:
        """Take a point; what a source has beyond all measure is told and left out."""
        if self.n_points >= _MOST_POINTS:
            self.problem = f"It has more than {_MOST_POINTS:,} points; the later ones are left out."
            return
        if not (-_LIMIT <= step < _LIMIT and -_LIMIT <= time_ms < _LIMIT):
            self.skip(name)
            return
        self.n_points += 1
        self.metrics.setdefault(name, MetricPoints()).add(step, time_ms, value)
        self.seen(time_ms)

    def seen(self, time_ms: int) -> None:
        """Widen the time that the run took, by a time that can be one."""
        if not -_LIMIT <= time_ms < _LIMIT:
            return
        self.start_ms = time_ms if self.start_ms is None else min(self.start_ms, time_ms)
        self.end_ms = time_ms if self.end_ms is None else max(self.end_ms, time_ms)

    def skip(self, name: str) -> None:
        self.skipped[name] = self.skipped.get(name, 0) + 1


def id_of(kind: str, place: str) -> str:
    """Return an id of a run like MLflow's, the same at each look."""
    return hashlib.sha256(f"{kind}:{place}".encode("utf-8", "surrogateescape")).hexdigest()[:32]


def number(value: object) -> float | None:
    """Return a value of a metric; None for what is none. NaN and infinities may stand there as words."""
    if isinstance(value, bool | int | float):
        try:
            return float(value)
        except OverflowError:
            return math.inf if value > 0 else -math.inf
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity", "inf", "-inf", "nan"}:
        return float(value.replace("Infinity", "inf"))
    return None


def whole(value: object, instead: int = 0) -> int:
    """Return a number as a whole one; ``instead`` for what is none, or is not finite."""
    found = number(value)
    if found is None or not math.isfinite(found):
        return instead
    return int(value) if isinstance(value, int) else int(found)  # a float would round a large one


def clean(text: str) -> str:
    """Return a text with what is no character (half of a pair, a byte of a file's name) written out."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")


def flattened(values: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """Return nested values by names with dots, as the trackers themselves show them."""
    found: dict[str, object] = {}
    pending = [(prefix, values)]
    while pending:
        before, level = pending.pop()
        for name, value in level.items():
            name_there = clean(f"{before}{name}")
            if isinstance(value, Mapping) and value:
                pending.append((f"{name_there}.", value))
            else:
                found[name_there] = value
    return dict(sorted(found.items()))


def param(value: object) -> str:
    """Return a parameter's value as MLflow would have written it: Python's own words."""
    text = clean(value if isinstance(value, str) else str(value))
    return text if len(text) <= _LONGEST_VALUE else plain(text, _LONGEST_VALUE)


def from_json(text: str) -> object:
    """Read a value; what can't be read is the text itself, or whatever stands in its place."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError, TypeError):
        return text
    return value


# What a reader of other trackers' files has to give, whichever tracker wrote them.

Stamp = tuple[int, ...]
"""Another one whenever a run's files are others: sizes and times of change."""


class RunLog(Protocol):
    """The files of one run, or of one project."""

    def read_on(self) -> Iterator[None]:
        """Read what is new, giving way after each few records; a file that is not over is read on at the next call."""
        ...

    def runs(self) -> list[ForeignRun]:
        """Return the runs as far as they have been read; the same objects each time."""
        ...


class RunLogs(Protocol):
    """All logs of a source."""

    def stamps(self) -> Mapping[str, Stamp]:
        """Return what there is by a name of its own, with its stamp. Raises OSError."""
        ...

    def open(self, name: str) -> RunLog: ...

    def root(self) -> Path:
        """Return the folder that all files lie in."""
        ...
