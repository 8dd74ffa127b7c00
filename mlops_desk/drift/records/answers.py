"""How good the answers in a monitor's windows were: what is scored, each window as it stands now, and what was said.

Labels come late, by request id. A window is scored again whenever labels come; what was said of it before stays.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from mlops_desk.drift.records.performance import (
    Direction,
    ExpectedFigure,
    Figure,
    PredictionKind,
    ReferenceLevel,
    RowCounts,
)
from mlops_desk.kit.base.errors import keep_command


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """Which columns hold what.

    ``scores`` are probabilities: one column of the positive class or of lists, or several, each named after its class.
    """

    label: str
    prediction: str | None = None
    scores: tuple[str, ...] = ()
    positive: str | None = None
    kind: PredictionKind | None = None

    @property
    def named(self) -> tuple[str, ...]:
        names = (self.label, *(() if self.prediction is None else (self.prediction,)), *self.scores)
        return tuple(dict.fromkeys(names))


class AnswersState(StrEnum):
    """What can be said of a window's answers, or of a monitor's.

    ``UNWATCHED``: no label is named. ``UNLABELLED``: no label has come yet. ``INSUFFICIENT``: fewer than 30 rows have
    a label and an answer. ``NO_REFERENCE``: there are figures, and nothing to hold them against. ``FINE`` and
    ``OUTSIDE`` (of a window: a figure has left the reference for the worse, or a watched mean has changed);
    ``TURNED`` (of a monitor). ``UNKNOWN``: it could not be scored.
    """

    UNWATCHED = "unwatched"
    UNLABELLED = "unlabelled"
    INSUFFICIENT = "insufficient_data"
    NO_REFERENCE = "no_reference"
    FINE = "fine"
    OUTSIDE = "outside"
    TURNED = "turned"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class SaidOfWindow:
    """What was said of a window at a time (Unix): by so many labelled rows, with these figures."""

    at: float
    n_used: int
    state: AnswersState
    alarm: bool
    figures: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MeanChange:
    """A change that Page's test found: the mean of ``what`` (``error``, ``score``) has ``risen`` or ``fallen``.

    ``since`` is the start of the window in which it began, ``before`` the reference's mean, ``now`` the window's.
    """

    what: str
    direction: str
    since: float
    before: float
    now: float


@dataclass(frozen=True, slots=True)
class ScoredWindow:
    """One window's answers as they stand now. ``id``, ``number``, span and ``n_rows`` are those of its judged window.

    ``n_late`` labels have come since it was first told by enough of them; ``said`` is what was said before and now,
    oldest first, the first one always among them. ``alarm`` is the answer after this window as it is known now, and
    ``alarm_said`` as it was first said: where labels that came late have moved it, the two differ. ``why`` says in a
    sentence what alarms, or why there is nothing to say. ``labels`` is the digest of what it was scored with;
    ``watched`` are states of Page's test in this window, ``carried`` those after it, ``means`` what is watched on
    average; ``of_score``: what alarms is the score alone, which needs no label. Figures that are
    not defined are None, never 0.
    """

    id: str
    monitor: str
    window_start: float
    window_end: float
    n_rows: int
    number: int
    state: AnswersState
    model: str | None = None
    counts: RowCounts | None = None
    figures: Mapping[str, Figure] = field(default_factory=dict)
    expected: Mapping[str, ExpectedFigure] = field(default_factory=dict)
    outside: Mapping[str, Direction] = field(default_factory=dict)
    beyond_band: tuple[str, ...] = ()
    changes: tuple[MeanChange, ...] = ()
    alarm: bool = False
    alarm_said: bool | None = None
    turned_at: float | None = None
    why: str = ""
    n_late: int = 0
    scored_at: float | None = None
    said: tuple[SaidOfWindow, ...] = ()
    labels: str | None = None
    reference_id: str | None = None
    watched: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    carried: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    means: Mapping[str, float] = field(default_factory=dict)
    of_score: bool = False


@dataclass(frozen=True, slots=True)
class AnswersStanding:
    """How a monitor's answers stand, in a sentence; ``turned_at`` is when it turned (Unix time).

    ``trouble`` says why they could not be scored, ``hint`` what to do next, with its ``command``.
    """

    state: AnswersState
    sentence: str = ""
    turned_at: float | None = None
    trouble: str | None = None
    hint: str | None = None
    command: str | None = None

    def __post_init__(self) -> None:
        keep_command(self)


@dataclass(frozen=True, slots=True)
class MonitorPerformance:
    """The answer to ``drift monitors performance``: windows oldest first, and what the reference says of each figure.

    ``columns`` are None where no label is named. ``kind``, ``classes``, ``positive`` and ``reference`` are known once
    there is a reference of answers or a label; ``calibrated`` as in ``PerformanceReport``.
    """

    monitor: str
    standing: AnswersStanding
    columns: AnswerColumns | None = None
    kind: PredictionKind | None = None
    classes: tuple[str, ...] = ()
    positive: str | None = None
    reference: Mapping[str, ReferenceLevel] = field(default_factory=dict)
    reference_counts: RowCounts | None = None
    calibrated: bool | None = None
    windows: tuple[ScoredWindow, ...] = ()
    notes: tuple[str, ...] = ()
