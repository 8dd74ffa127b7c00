"""How good a model's answers were: figures of windows with intervals, what was expected of them, and alarms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class PredictionKind(StrEnum):
    """What a model answers: a class, or a number."""

    CLASSIFICATION = "classification"
    REGRESSION = "regression"


class Direction(StrEnum):
    """Which way a figure has left the reference."""

    BETTER = "better"
    WORSE = "worse"


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one window, with the 95 % interval of what it would be of many more such rows.

    ``n`` rows are behind it. None where it is not defined there (no row, one class, no probability): never 0.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int = 0


@dataclass(frozen=True, slots=True)
class ExpectedFigure:
    """What a figure is expected to be before labels arrive, with the interval of what will be realised.

    ``realised`` and ``error`` (expected minus realised) are known once labels have arrived, of the labelled rows alone.
    True only while the inputs alone change and not what follows from them (covariate shift).
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    realised: float | None = None
    error: float | None = None


@dataclass(frozen=True, slots=True)
class RowCounts:
    """What became of a window's rows: each is counted once, in the first that holds; ``n_used`` are the others.

    ``n_unlabelled`` have no label, ``n_unreadable`` one that can't be read or is infinite, ``n_unanswered`` no usable
    prediction. ``n_unscored`` of the used rows have no usable probability.
    """

    n_rows: int
    n_used: int
    n_unlabelled: int = 0
    n_unreadable: int = 0
    n_unanswered: int = 0
    n_unscored: int = 0


@dataclass(frozen=True, slots=True)
class ReferenceLevel:
    """What a figure was in the reference: the mean of its chunks, and three deviations around it at a window's size."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    n_chunks: int = 0


@dataclass(frozen=True, slots=True)
class PerformanceAlarm:
    """A figure whose reference mean left the interval in two windows; ``beyond_band`` where also three deviations."""

    figure: str
    direction: Direction
    value: float
    reference: float
    beyond_band: bool
    text: str


@dataclass(frozen=True, slots=True)
class PerformanceWindow:
    """One window, rows ``first`` to ``last`` of the data, from 1."""

    first: int
    last: int
    counts: RowCounts
    figures: Mapping[str, Figure] = field(default_factory=dict)
    expected: Mapping[str, ExpectedFigure] = field(default_factory=dict)
    outside: Mapping[str, Direction] = field(default_factory=dict)
    beyond_band: tuple[str, ...] = ()
    alarms: tuple[PerformanceAlarm, ...] = ()


@dataclass(frozen=True, slots=True)
class ChangeFound:
    """A change between windows: the mean of ``what`` moved ``direction`` at about row ``since``, found at ``found``.

    Rows count from 1, among those that have the value.
    """

    what: str
    direction: str
    since: int
    found: int
    before: float
    after: float


@dataclass(frozen=True, slots=True)
class PerformanceReport:
    """The answer to ``drift performance``: the windows, oldest first, and what the reference says of each figure.

    ``positive`` is the class that precision, recall, F1 and probabilities speak of, where there are two.
    ``calibrated`` tells whether the expected figures rest on calibrated probabilities; None where none are expected.
    """

    kind: PredictionKind
    windows: tuple[PerformanceWindow, ...]
    classes: tuple[str, ...] = ()
    positive: str | None = None
    reference: Mapping[str, ReferenceLevel] = field(default_factory=dict)
    reference_counts: RowCounts | None = None
    calibrated: bool | None = None
    changes: tuple[ChangeFound, ...] = ()
    notes: tuple[str, ...] = ()
