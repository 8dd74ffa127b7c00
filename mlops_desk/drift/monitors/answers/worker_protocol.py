"""What the worker that scores answers is asked, and what it tells: JSON's own types on both sides."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlops_desk.drift.live.log_rows import LogPlace
from mlops_desk.drift.records.answers import AnswerColumns
from mlops_desk.drift.records.performance import (
    Direction,
    ExpectedFigure,
    Figure,
    PredictionKind,
    ReferenceLevel,
    RowCounts,
)


@dataclass(frozen=True, slots=True)
class AskedSpan:
    """The requests of one window: those received after ``after`` and not after ``end`` (Unix times).

    ``labels`` is the digest of what it was scored with, None where it was not yet; ``n_rows`` it had then.
    """

    id: str
    after: float
    end: float
    labels: str | None = None
    n_rows: int = 0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What to score. ``reference`` is the file of labelled answers, None without; ``within`` a folder to write in.

    ``fitted`` is the file of what was learned of it, None where nothing is kept. ``window_rows`` is how many rows a
    window has mostly. At most ``most`` windows are scored, oldest first.
    """

    log: LogPlace
    columns: AnswerColumns
    spans: tuple[AskedSpan, ...]
    within: str
    window_rows: int
    most: int
    reference: str | None = None
    fitted: str | None = None


@dataclass(frozen=True, slots=True)
class KeepRequest:
    """What to keep as reference: the file ``path``, or the log between two times (Unix), into ``out``."""

    columns: AnswerColumns
    within: str
    out: str
    path: str | None = None
    log: LogPlace | None = None
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class ScoredSpan:
    """One window as it was scored; ``watched``: states of Page's test (up, then down); ``means`` of what is watched."""

    id: str
    labels: str
    counts: RowCounts
    figures: Mapping[str, Figure] = field(default_factory=dict)
    expected: Mapping[str, ExpectedFigure] = field(default_factory=dict)
    outside: Mapping[str, Direction] = field(default_factory=dict)
    beyond_band: tuple[str, ...] = ()
    watched: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class WatchLimit:
    """From where on a watched mean has changed: the reference's mean, and Page's limits (deviations)."""

    mean: float
    up: float
    down: float


@dataclass(frozen=True, slots=True)
class AnswersFacts:
    """What is known of all windows' answers: what they are, and what the reference says."""

    kind: PredictionKind | None = None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    reference: Mapping[str, ReferenceLevel] = field(default_factory=dict)
    reference_counts: RowCounts | None = None
    calibrated: bool | None = None
    limits: Mapping[str, WatchLimit] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ScoreAnswer:
    """What was scored; ``has_more``: there are windows that wait for the next time.

    ``learned`` is the file of what was learned of the reference meanwhile, to be kept with it; None where it was known.
    """

    windows: tuple[ScoredSpan, ...] = ()
    facts: AnswersFacts | None = None
    has_more: bool = False
    learned: str | None = None
